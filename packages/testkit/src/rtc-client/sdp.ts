/**
 * What the packet-level client needs of SDP (RFC 8866, RFC 8829), read and written without the server's own code so that both
 * cannot be wrong in the same way. Throws on what it does not understand: it is a test client.
 */
import type { RemoteTransport } from "@stoa/core/engine/specs";
import type { PathInfo } from "@stoa/core/paths";

/** One m-line with its attributes, in their order. */
export interface Section {
  readonly kind: string;
  /** Second to last fields of the m-line: port, protocol, formats. */
  readonly rest: readonly string[];
  /** Values of `a=` lines with the name before the first colon; a flag has the value "". */
  readonly attributes: readonly (readonly [name: string, value: string])[];
}

/** A description: session attributes and m-lines. */
export interface Description {
  readonly session: Section["attributes"];
  readonly sections: readonly Section[];
}

/** Our side of ICE and DTLS as it stands in a description. */
export interface LocalTransport {
  readonly ufrag: string;
  readonly pwd: string;
  readonly fingerprint: string;
}

/** Reads a description. */
export function parseDescription(sdp: string): Description {
  const [head, ...media] = sdp.split(/\r?\n(?=m=)/);
  return {
    session: attributesOf(head!),
    sections: media.map((text) => {
      const [first] = text.split(/\r?\n/, 1);
      const [kind, ...rest] = first!.slice(2).split(" ");
      return { kind: kind!, rest, attributes: attributesOf(text) };
    }),
  };
}

function attributesOf(text: string): [string, string][] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.startsWith("a="))
    .map((line) => {
      const colon = line.indexOf(":");
      return colon < 0 ? [line.slice(2), ""] : [line.slice(2, colon), line.slice(colon + 1)];
    });
}

/** The first value of an attribute of an m-line, or of the session. */
export function attribute(section: Section, name: string, session: Section["attributes"] = []): string | undefined {
  return [...section.attributes, ...session].find(([key]) => key === name)?.[1];
}

/** All values of an attribute of an m-line. */
export function attributeAll(section: Section, name: string): string[] {
  return section.attributes.filter(([key]) => key === name).map(([, value]) => value);
}

/** Payload types of an m-line whose codec is one of these (lower case, such as "vp8"), with their retransmission. */
export function payloadTypes(section: Section, codecs: readonly string[]): number[] {
  const types: number[] = [];
  for (const map of attributeAll(section, "rtpmap")) {
    const [type, name] = map.split(/[ /]/);
    if (codecs.includes(name!.toLowerCase())) types.push(Number(type));
  }
  for (const fmtp of attributeAll(section, "fmtp")) {
    const apt = /^(\d+) apt=(\d+)$/.exec(fmtp);
    if (apt && types.includes(Number(apt[2]))) types.push(Number(apt[1]));
  }
  return types;
}

/** Payload types of an m-line that carry retransmissions. */
export function rtxPayloadTypes(section: Section): number[] {
  return attributeAll(section, "fmtp")
    .map((fmtp) => /^(\d+) apt=/.exec(fmtp)?.[1])
    .filter((type) => type !== undefined)
    .map(Number);
}

/** Id of a header extension of an m-line by the end of its URI; 0 if it was not negotiated. */
export function extensionId(section: Section, uriEnd: string): number {
  const found = attributeAll(section, "extmap").find((value) => value.split(" ")[1]?.endsWith(uriEnd));
  return found ? Number(found.split(/[ /]/, 1)[0]) : 0;
}

/** The other side's ICE and DTLS; everything is bundled, so the first m-line tells. */
export function remoteTransport({ session, sections }: Description): RemoteTransport {
  const first = sections[0]!;
  const value = (name: string): string => {
    const found = attribute(first, name, session);
    if (found === undefined) throw new Error(`the description lacks a=${name}`);
    return found;
  };
  const application = sections.find((section) => section.kind === "application");
  return {
    ufrag: value("ice-ufrag"),
    pwd: value("ice-pwd"),
    fingerprints: [
      value("fingerprint")
        .replace(/^sha-256 /i, "")
        .toUpperCase(),
    ],
    dtlsRole: value("setup") === "active" ? "server" : "client",
    sctp: application && {
      port: Number(attribute(application, "sctp-port") ?? 5000),
      maxMessageSize: Number(attribute(application, "max-message-size") ?? 65_536),
    },
  };
}

/** UDP over IPv4 host candidates of a description. */
export function candidates({ sections }: Description): PathInfo[] {
  return sections
    .flatMap((section) => attributeAll(section, "candidate"))
    .map(parseCandidate)
    .filter((found) => found !== undefined);
}

/** One candidate, with or without its "candidate:"; undefined unless UDP over IPv4 and component 1. */
export function parseCandidate(text: string): PathInfo | undefined {
  const [, component, protocol, , address, port] = text.replace(/^candidate:/, "").split(" ");
  if (component !== "1" || protocol?.toLowerCase() !== "udp" || !/^[\d.]+$/.test(address ?? "")) return undefined;
  return { protocol: "udp", address: Uint8Array.from(address!.split("."), Number), port: Number(port) };
}

/** Head of a description that bundles m-lines of these mids. */
export function writeHead(version: number, mids: readonly string[]): string[] {
  return [
    "v=0",
    `o=- 1 ${version} IN IP4 127.0.0.1`,
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mids.join(" ")}`,
    "a=msid-semantic: WMS *",
    "a=extmap-allow-mixed",
  ];
}

/** The lines of our side that every m-line repeats. */
export function writeTransport(local: LocalTransport, setup: "active" | "actpass"): string[] {
  return [
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${local.ufrag}`,
    `a=ice-pwd:${local.pwd}`,
    "a=ice-options:trickle",
    `a=fingerprint:sha-256 ${local.fingerprint}`,
    `a=setup:${setup}`,
  ];
}
