/**
 * Our own offers and answers → SDP text (RFC 8866, RFC 9429). The caller gives values that are free of line breaks: they come
 * from our tables or out of a parsed line. Transport attributes stand in every section, as browsers write them;
 * candidates stand in the section that the BUNDLE group names first.
 */
import type { SdpCodec, SdpDirection, SdpExtension, SdpSsrcGroup } from "./description.ts";

/** Our end of the bundled transport. */
export interface OwnTransport {
  readonly ufrag: string;
  readonly pwd: string;
  /** SHA-256, upper-case hex with colons. */
  readonly fingerprint: string;
  readonly setup: "actpass" | "active" | "passive";
  /** Lines of `writeCandidates`; the list is complete (end-of-candidates). */
  readonly candidates: readonly string[];
}

/** `a=ssrc` with its CNAME. */
export interface OwnStream {
  readonly streamId: string;
  readonly trackId: string;
  readonly cname: string;
  /** The stream, and its RTX if there is one. */
  readonly ssrcs: readonly number[];
}

/** An m-line that is refused: port 0. */
export interface RejectedSection {
  readonly type: "rejected";
  readonly media: string;
  readonly protocol: string;
  readonly formats: string;
  readonly mid: string | undefined;
}

/** An audio or video m-line in use. */
export interface RtpSection {
  readonly type: "audio" | "video";
  readonly protocol: string;
  readonly mid: string;
  readonly direction: SdpDirection;
  readonly codecs: readonly SdpCodec[];
  readonly extensions: readonly SdpExtension[];
  readonly rtcpRsize: boolean;
  /** RIDs that we receive, in the order of the offer. */
  readonly receiveRids: readonly string[];
  /** Whether they stand in `a=simulcast` too. */
  readonly simulcast: boolean;
  readonly stream: OwnStream | undefined;
  readonly ssrcGroups: readonly SdpSsrcGroup[];
}

/** The data channel m-line. */
export interface DataSection {
  readonly type: "application";
  readonly protocol: string;
  readonly mid: string;
  readonly sctpPort: number;
  readonly maxMessageSize: number;
}

/** A section of our description. */
export type OwnSection = RejectedSection | RtpSection | DataSection;

/** A description to be written. */
export interface OwnDescription {
  /** Decimal digits. */
  readonly sessionId: string;
  /** Grows by one with each description of the session. */
  readonly version: number;
  readonly extmapAllowMixed: boolean;
  /** Mids in the order of the BUNDLE group. */
  readonly bundle: readonly string[];
  readonly transport: OwnTransport;
  readonly sections: readonly OwnSection[];
}

/** The text, with CRLF line ends. */
export function writeSdp(description: OwnDescription): string {
  const lines = [
    "v=0",
    `o=- ${description.sessionId} ${description.version} IN IP4 127.0.0.1`,
    "s=-",
    "t=0 0",
    "a=ice-lite",
  ];
  if (description.bundle.length > 0) lines.push(`a=group:BUNDLE ${description.bundle.join(" ")}`);
  if (description.extmapAllowMixed) lines.push("a=extmap-allow-mixed");
  lines.push("a=msid-semantic: WMS *");
  const tag = description.bundle[0] ?? description.sections.find(({ type }) => type !== "rejected")?.mid;
  for (const section of description.sections) {
    if (section.type === "rejected") {
      writeRejected(section, lines);
      continue;
    }
    const formats =
      section.type === "application"
        ? "webrtc-datachannel"
        : section.codecs.map((codec) => codec.payloadType).join(" ");
    lines.push(`m=${section.type} 9 ${section.protocol} ${formats}`, "c=IN IP4 0.0.0.0");
    writeTransport(description.transport, section.mid, section.mid === tag, lines);
    if (section.type === "application") {
      lines.push(`a=sctp-port:${section.sctpPort}`, `a=max-message-size:${section.maxMessageSize}`);
    } else {
      writeRtp(section, lines);
    }
  }
  return `${lines.join("\r\n")}\r\n`;
}

function writeRejected(section: RejectedSection, lines: string[]): void {
  lines.push(`m=${section.media} 0 ${section.protocol} ${section.formats || "0"}`, "c=IN IP4 0.0.0.0");
  if (section.mid !== undefined) lines.push(`a=mid:${section.mid}`);
  lines.push("a=inactive");
}

function writeTransport(transport: OwnTransport, mid: string, tagged: boolean, lines: string[]): void {
  if (tagged) {
    for (const candidate of transport.candidates) lines.push(`a=${candidate}`);
    if (transport.candidates.length > 0) lines.push("a=end-of-candidates");
  }
  lines.push(
    `a=ice-ufrag:${transport.ufrag}`,
    `a=ice-pwd:${transport.pwd}`,
    `a=fingerprint:sha-256 ${transport.fingerprint}`,
    `a=setup:${transport.setup}`,
    `a=mid:${mid}`,
  );
}

function writeRtp(section: RtpSection, lines: string[]): void {
  for (const extension of section.extensions) {
    const direction = extension.direction ? `/${extension.direction}` : "";
    lines.push(`a=extmap:${extension.id}${direction} ${extension.uri}`);
  }
  lines.push(`a=${section.direction}`);
  if (section.stream) lines.push(`a=msid:${section.stream.streamId} ${section.stream.trackId}`);
  lines.push("a=rtcp-mux");
  if (section.rtcpRsize) lines.push("a=rtcp-rsize");
  for (const codec of section.codecs) {
    const channels = codec.channels > 1 ? `/${codec.channels}` : "";
    lines.push(`a=rtpmap:${codec.payloadType} ${codec.name}/${codec.clockRate}${channels}`);
    for (const feedback of codec.feedback) lines.push(`a=rtcp-fb:${codec.payloadType} ${feedback}`);
    if (codec.fmtp !== "") lines.push(`a=fmtp:${codec.payloadType} ${codec.fmtp}`);
  }
  for (const rid of section.receiveRids) lines.push(`a=rid:${rid} recv`);
  if (section.simulcast && section.receiveRids.length > 0)
    lines.push(`a=simulcast:recv ${section.receiveRids.join(";")}`);
  for (const group of section.ssrcGroups) lines.push(`a=ssrc-group:${group.semantics} ${group.ssrcs.join(" ")}`);
  if (!section.stream) return;
  for (const ssrc of section.stream.ssrcs) {
    lines.push(
      `a=ssrc:${ssrc} cname:${section.stream.cname}`,
      `a=ssrc:${ssrc} msid:${section.stream.streamId} ${section.stream.trackId}`,
    );
  }
}
