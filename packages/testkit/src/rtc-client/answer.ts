/** Answers the server's offer on the subscriber connection: everything that is sent is taken, in the codecs that were asked for. */
import {
  attribute,
  attributeAll,
  type Description,
  type LocalTransport,
  payloadTypes,
  type Section,
  writeHead,
  writeTransport,
} from "./sdp.ts";

/** The answer to `offer`; `codecs` in lower case. */
export function writeAnswer(
  offer: Description,
  local: LocalTransport,
  codecs: readonly string[],
  version: number,
): string {
  const mids = offer.sections.map((section) => attribute(section, "mid")!);
  const lines = [
    ...writeHead(version, mids),
    ...offer.sections.flatMap((section) =>
      section.kind === "application" ? applicationLines(section, local) : mediaLines(section, local, codecs),
    ),
  ];
  return `${lines.join("\r\n")}\r\n`;
}

function applicationLines(section: Section, local: LocalTransport): string[] {
  return [
    `m=application 9 ${section.rest.slice(1).join(" ")}`,
    ...writeTransport(local, "active"),
    `a=mid:${attribute(section, "mid")}`,
    `a=sctp-port:${attribute(section, "sctp-port") ?? 5000}`,
    "a=max-message-size:65536",
  ];
}

function mediaLines(section: Section, local: LocalTransport, codecs: readonly string[]): string[] {
  const types = payloadTypes(section, codecs);
  const ofTypes = (name: string): string[] =>
    attributeAll(section, name)
      .filter((value) => types.includes(Number(value.split(" ", 1)[0])))
      .map((value) => `a=${name}:${value}`);
  const sends = section.attributes.some(([name]) => name === "sendrecv" || name === "sendonly");
  return [
    `m=${section.kind} 9 ${section.rest[1]} ${types.join(" ")}`,
    ...writeTransport(local, "active"),
    `a=mid:${attribute(section, "mid")}`,
    sends ? "a=recvonly" : "a=inactive",
    "a=rtcp-mux",
    "a=rtcp-rsize",
    ...ofTypes("rtpmap"),
    ...ofTypes("fmtp"),
    ...ofTypes("rtcp-fb"),
    ...attributeAll(section, "extmap").map((value) => `a=extmap:${value}`),
  ];
}
