/** One m-line as sdp-transform gives it → `SdpMedia`. Entries that make no sense are left out; a missing mid is an error. */
import type { SdpCodec, SdpDirection, SdpExtension, SdpFailure, SdpMedia, SdpSsrcGroup } from "./description.ts";

/** What sdp-transform returns: its own types promise more than strangers keep. */
export type Attributes = Record<string, unknown>;

/** A mid, a RID (RFC 8852: one byte for its length) and a track id: they are kept, repeated, and told to others. */
const MAX_NAME_LENGTH = 255;

const STATIC_CODECS: readonly SdpCodec[] = [
  { payloadType: 0, name: "PCMU", clockRate: 8000, channels: 1, fmtp: "", feedback: [] },
  { payloadType: 8, name: "PCMA", clockRate: 8000, channels: 1, fmtp: "", feedback: [] },
];

/** The attribute as it stood in the text; sdp-transform only makes numbers of what prints the same. */
export function text(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(value) : undefined;
}

function integer(value: unknown, max: number): number | undefined {
  const number = typeof value === "number" ? value : typeof value === "string" && value !== "" ? Number(value) : NaN;
  return Number.isInteger(number) && number >= 0 && number <= max ? number : undefined;
}

function list(attributes: Attributes, key: string): Attributes[] {
  const value = attributes[key];
  return Array.isArray(value) ? (value as Attributes[]) : [];
}

function direction(value: unknown): SdpDirection | undefined {
  return value === "sendrecv" || value === "sendonly" || value === "recvonly" || value === "inactive"
    ? value
    : undefined;
}

/** `index` is for the message only. */
export function parseMedia(attributes: Attributes, session: Attributes, index: number): SdpMedia | SdpFailure {
  const type = text(attributes["type"]);
  const protocol = text(attributes["protocol"]);
  const port = integer(attributes["port"], 65_535);
  if (!type || !protocol || port === undefined)
    return { failure: `media section ${index} of the SDP has no valid m-line` };
  const rejected = port === 0 && attributes["bundleOnly"] === undefined;
  const mid = text(attributes["mid"]) || undefined;
  if (mid === undefined && !rejected) return { failure: `media section ${index} of the SDP has no mid` };
  const formats = text(attributes["payloads"]) ?? "";
  const ssrcs = parseSsrcs(attributes);
  const extensions = parseExtensions(attributes);
  const { sendRids, simulcast } = parseSendRids(attributes);
  const trackId = trackIdOf(attributes);
  const mistake = mistakeOf([mid ?? "", trackId, ...sendRids], extensions);
  if (mistake !== undefined) return { failure: `media section ${index} of the SDP ${mistake}` };
  return {
    type,
    protocol,
    formats,
    rejected,
    mid,
    direction: direction(attributes["direction"]) ?? direction(session["direction"]) ?? "sendrecv",
    codecs: type === "audio" || type === "video" ? parseCodecs(attributes, formats) : [],
    extensions,
    extmapAllowMixed: attributes["extmapAllowMixed"] !== undefined,
    rtcpRsize: attributes["rtcpRsize"] !== undefined,
    trackId,
    ssrcs,
    ssrcGroups: parseSsrcGroups(attributes),
    sendRids,
    simulcast,
    sctpPort: integer(attributes["sctpPort"], 65_535) || 5000,
    maxMessageSize: integer(attributes["maxMessageSize"], Number.MAX_SAFE_INTEGER) ?? 65_536,
  };
}

function mistakeOf(names: readonly string[], extensions: readonly SdpExtension[]): string | undefined {
  if (names.some((name) => name.length > MAX_NAME_LENGTH)) {
    return `has a mid, RID or track id of more than ${MAX_NAME_LENGTH} characters`;
  }
  const uris = new Map<number, string>();
  for (const { id, uri } of extensions) {
    if ((uris.get(id) ?? uri) !== uri) return `has two header extensions with the id ${id}`;
    uris.set(id, uri);
  }
  return undefined;
}

function parseCodecs(attributes: Attributes, formats: string): SdpCodec[] {
  const maps = byPayloadType(list(attributes, "rtp"));
  const fmtps = byPayloadType(list(attributes, "fmtp"));
  const feedback = new Map<string, string[]>();
  for (const line of list(attributes, "rtcpFb")) {
    const key = text(line["payload"]) ?? "";
    const subtype = text(line["subtype"]);
    const value = `${text(line["type"]) ?? ""}${subtype ? ` ${subtype}` : ""}`;
    const values = feedback.get(key);
    if (values) values.push(value);
    else feedback.set(key, [value]);
  }
  const codecs = new Map<number, SdpCodec>();
  for (const format of formats.split(" ")) {
    const payloadType = integer(format, 127);
    if (payloadType === undefined || codecs.has(payloadType)) continue;
    const map = maps.get(payloadType);
    const codec = map ? codecOf(payloadType, map) : STATIC_CODECS.find((entry) => entry.payloadType === payloadType);
    if (!codec) continue;
    codecs.set(payloadType, {
      ...codec,
      fmtp: text(fmtps.get(payloadType)?.["config"])?.trim() ?? "",
      feedback: [...new Set([...(feedback.get(String(payloadType)) ?? []), ...(feedback.get("*") ?? [])])],
    });
  }
  return [...codecs.values()];
}

function byPayloadType(lines: readonly Attributes[]): Map<number, Attributes> {
  const map = new Map<number, Attributes>();
  for (const line of lines) {
    const payloadType = integer(line["payload"], 127);
    if (payloadType !== undefined && !map.has(payloadType)) map.set(payloadType, line);
  }
  return map;
}

function codecOf(payloadType: number, map: Attributes): SdpCodec | undefined {
  const name = text(map["codec"]);
  const clockRate = integer(map["rate"], 0x7fff_ffff);
  if (!name || !clockRate) return undefined;
  return { payloadType, name, clockRate, channels: integer(map["encoding"], 255) || 1, fmtp: "", feedback: [] };
}

function parseExtensions(attributes: Attributes): SdpExtension[] {
  const extensions: SdpExtension[] = [];
  for (const line of list(attributes, "ext")) {
    const id = integer(line["value"], 255);
    const uri = text(line["uri"]);
    if (!id || !uri || line["encrypt-uri"] !== undefined) continue;
    const way = direction(line["direction"]);
    extensions.push(way ? { id, uri, direction: way } : { id, uri });
  }
  return extensions;
}

function trackIdOf(attributes: Attributes): string {
  const msid = text(attributes["msid"])?.trim().split(" ") ?? [];
  // One token is the track id of clients that know no streams.
  if (msid.length > 0 && msid[0] !== "") return msid[1] ?? msid[0]!;
  for (const line of list(attributes, "ssrcs")) {
    if (line["attribute"] !== "msid") continue;
    const parts = text(line["value"])?.split(" ") ?? [];
    if (parts[1]) return parts[1];
  }
  return "";
}

function parseSsrcs(attributes: Attributes): number[] {
  const ssrcs = new Set<number>();
  for (const line of list(attributes, "ssrcs")) {
    const ssrc = integer(line["id"], 0xffff_ffff);
    if (ssrc) ssrcs.add(ssrc);
  }
  return [...ssrcs];
}

function parseSsrcGroups(attributes: Attributes): SdpSsrcGroup[] {
  const groups: SdpSsrcGroup[] = [];
  for (const line of list(attributes, "ssrcGroups")) {
    const ssrcs = (text(line["ssrcs"]) ?? "").split(" ").map((value) => integer(value, 0xffff_ffff));
    if (ssrcs.every((ssrc) => ssrc !== undefined && ssrc !== 0)) {
      groups.push({ semantics: text(line["semantics"]) ?? "", ssrcs: ssrcs as number[] });
    }
  }
  return groups;
}

/** Of alternatives ("1,2;3") the first counts. Without `a=simulcast` the `a=rid … send` lines do. */
function parseSendRids(attributes: Attributes): { sendRids: string[]; simulcast: boolean } {
  const described = attributes["simulcast"] as Attributes | undefined;
  const way = described?.["dir1"] === "send" ? "list1" : described?.["dir2"] === "send" ? "list2" : undefined;
  const rids =
    described && way
      ? (text(described[way]) ?? "").split(";").map((stream) => stream.split(",")[0]!.replace(/^~/, ""))
      : list(attributes, "rids").map((line) => (line["direction"] === "send" ? (text(line["id"]) ?? "") : ""));
  return { sendRids: [...new Set(rids.filter((rid) => rid !== ""))], simulcast: way !== undefined };
}
