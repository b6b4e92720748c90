/** The values that `parse.ts` reads out of SDP (RFC 8866, JSEP RFC 9429): what a WebRTC server looks at, and nothing else. */

/** Direction attributes of RFC 8866, as the author of the description sees them. */
export type SdpDirection = "sendrecv" | "sendonly" | "recvonly" | "inactive";

/** One payload type of an m-line, in the order of the m-line. */
export interface SdpCodec {
  readonly payloadType: number;
  /** Encoding name as written: "VP8", "opus", "rtx". */
  readonly name: string;
  readonly clockRate: number;
  readonly channels: number;
  /** "" when there is no fmtp line. */
  readonly fmtp: string;
  /** "nack", "nack pli", "ccm fir", "transport-cc", "goog-remb" …; those of `*` included. */
  readonly feedback: readonly string[];
}

/** `a=extmap`. */
export interface SdpExtension {
  readonly id: number;
  readonly uri: string;
  /** Absent = same as the m-line. */
  readonly direction?: SdpDirection;
}

/** `a=ssrc-group`: "FID" pairs a stream with its RTX, "SIM" lists simulcast streams from low to high. */
export interface SdpSsrcGroup {
  readonly semantics: string;
  readonly ssrcs: readonly number[];
}

/** One m-line with its attributes. */
export interface SdpMedia {
  /** "audio", "video", "application" or what else a stranger writes. */
  readonly type: string;
  readonly protocol: string;
  /** Format list of the m-line as written. */
  readonly formats: string;
  /** Port 0 without bundle-only: the m-line is not in use. */
  readonly rejected: boolean;
  /** Undefined only for rejected m-lines. */
  readonly mid: string | undefined;
  readonly direction: SdpDirection;
  readonly codecs: readonly SdpCodec[];
  readonly extensions: readonly SdpExtension[];
  readonly extmapAllowMixed: boolean;
  readonly rtcpRsize: boolean;
  /** Track id of `a=msid` (or of `a=ssrc:… msid:`), "" when there is none. */
  readonly trackId: string;
  /** In order of appearance, each once. */
  readonly ssrcs: readonly number[];
  readonly ssrcGroups: readonly SdpSsrcGroup[];
  /** RIDs that the author sends, in the order of `a=simulcast` (a leading `~` = paused is removed) or of `a=rid`. */
  readonly sendRids: readonly string[];
  /** Whether `sendRids` stood in `a=simulcast`. */
  readonly simulcast: boolean;
  /** `a=sctp-port`, 5000 when absent. */
  readonly sctpPort: number;
  /** `a=max-message-size`; 65,536 when absent (RFC 8841); 0 = no limit. */
  readonly maxMessageSize: number;
}

/** ICE and DTLS parameters of the bundled transport. */
export interface SdpTransport {
  readonly ufrag: string;
  readonly pwd: string;
  /** SHA-256, upper-case hex with colons; at least one. */
  readonly fingerprints: readonly string[];
  readonly setup: "actpass" | "active" | "passive" | undefined;
}

/** A whole description. */
export interface SdpSession {
  /** Mids of `a=group:BUNDLE`, in its order. */
  readonly bundle: readonly string[];
  readonly extmapAllowMixed: boolean;
  readonly transport: SdpTransport;
  readonly media: readonly SdpMedia[];
}

/** Why a description cannot be used: one sentence. */
export interface SdpFailure {
  readonly failure: string;
}
