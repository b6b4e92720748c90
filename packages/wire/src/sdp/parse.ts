/**
 * SDP text → `SdpSession`. Line syntax is left to sdp-transform; what it means and which limits hold is here.
 * Total: any string gives a session or a sentence, in time linear in its bounded length. Values of sdp-transform are
 * numbers where the text looks like one, so everything passes through `text` or `integer` first.
 */
import { parse } from "sdp-transform";
import type { SdpFailure, SdpMedia, SdpSession, SdpTransport } from "./description.ts";
import { type Attributes, parseMedia, text } from "./parse-media.ts";

/** Longest description that is looked at, in UTF-16 units. */
export const MAX_SDP_LENGTH = 1 << 20;
/** Most m-lines of a description. */
export const MAX_SDP_MEDIA = 500;
const MAX_LINES = 60_000;
const MAX_ICE_LENGTH = 256;

/** Parses an offer or an answer. */
export function parseSdp(sdp: string): SdpSession | SdpFailure {
  if (sdp.length > MAX_SDP_LENGTH) return { failure: `SDP is longer than ${MAX_SDP_LENGTH} characters` };
  const scan = scanLines(sdp);
  if ("failure" in scan) return scan;
  let parsed: Attributes & { media: Attributes[] };
  try {
    parsed = parse(sdp) as unknown as Attributes & { media: Attributes[] };
  } catch {
    return { failure: "SDP cannot be parsed" };
  }
  const media: SdpMedia[] = [];
  const mids = new Set<string>();
  for (const [index, attributes] of parsed.media.entries()) {
    const section = parseMedia(attributes, parsed, index);
    if ("failure" in section) return section;
    if (section.mid !== undefined) {
      if (mids.has(section.mid)) return { failure: `two media sections of the SDP have the mid "${section.mid}"` };
      mids.add(section.mid);
    }
    media.push(section);
  }
  const bundle = bundleMids(parsed, mids);
  const transport = parseTransport(parsed, media, bundle, scan.fingerprints);
  if ("failure" in transport) return transport;
  return { bundle, extmapAllowMixed: parsed["extmapAllowMixed"] !== undefined, transport, media };
}

/** Counts, and collects the fingerprints per section (index 0 = session level): sdp-transform keeps only the last one. */
function scanLines(sdp: string): { fingerprints: string[][] } | SdpFailure {
  const lines = sdp.split(/\r\n|\r|\n/);
  if (lines.length > MAX_LINES) return { failure: `SDP has more than ${MAX_LINES} lines` };
  const fingerprints: string[][] = [[]];
  for (const line of lines) {
    if (line.startsWith("m=")) {
      if (fingerprints.length > MAX_SDP_MEDIA) return { failure: `SDP has more than ${MAX_SDP_MEDIA} media sections` };
      fingerprints.push([]);
    } else if (line.startsWith("a=fingerprint:")) {
      const match = /^a=fingerprint:sha-256 ([0-9a-f]{2}(?::[0-9a-f]{2}){31})\s*$/i.exec(line);
      if (match) fingerprints.at(-1)!.push(match[1]!.toUpperCase());
    }
  }
  if (fingerprints.length === 1) return { failure: "SDP has no media section" };
  return { fingerprints };
}

function bundleMids(session: Attributes, known: ReadonlySet<string>): string[] {
  const groups = session["groups"];
  if (!Array.isArray(groups)) return [];
  for (const group of groups as Attributes[]) {
    if (text(group["type"])?.toUpperCase() !== "BUNDLE") continue;
    const mids = (text(group["mids"]) ?? "").split(" ").filter((mid) => known.has(mid));
    return [...new Set(mids)];
  }
  return [];
}

/** The transport is that of the BUNDLE-tagged section; attributes that it lacks come from the session level. */
function parseTransport(
  session: Attributes & { media: Attributes[] },
  media: readonly SdpMedia[],
  bundle: readonly string[],
  fingerprints: readonly string[][],
): SdpTransport | SdpFailure {
  let tag = media.findIndex((section) => !section.rejected && section.mid === bundle[0] && bundle.length > 0);
  if (tag < 0) tag = media.findIndex((section) => !section.rejected);
  const attributes: Attributes = session.media[tag] ?? {};
  const ufrag = text(attributes["iceUfrag"]) ?? text(session["iceUfrag"]);
  const pwd = text(attributes["icePwd"]) ?? text(session["icePwd"]);
  if (!ufrag || !pwd) return { failure: "SDP has no ICE credentials (a=ice-ufrag and a=ice-pwd)" };
  if (ufrag.length > MAX_ICE_LENGTH || pwd.length > MAX_ICE_LENGTH) {
    return { failure: `SDP has ICE credentials of more than ${MAX_ICE_LENGTH} characters` };
  }
  const own = fingerprints[tag + 1] ?? [];
  const hashes = tag >= 0 && own.length > 0 ? own : fingerprints[0]!;
  if (hashes.length === 0) return { failure: "SDP has no SHA-256 certificate fingerprint (a=fingerprint:sha-256)" };
  const setup = text(attributes["setup"]) ?? text(session["setup"]);
  return {
    ufrag,
    pwd,
    fingerprints: [...new Set(hashes)],
    setup: setup === "actpass" || setup === "active" || setup === "passive" ? setup : undefined,
  };
}
