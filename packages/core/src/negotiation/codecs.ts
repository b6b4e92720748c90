/**
 * The codecs that Stoa forwards: LiveKit's payload types and fmtp, which are enabled by a configuration, and which line of the
 * table an offered codec stands for. Payload types of the table are used in our own offers; answers echo the client's.
 */
import { parseFmtp } from "@stoa/wire/sdp/fmtp";
import type { SdpCodec } from "@stoa/wire/sdp/description";
import type { MediaKind } from "../engine/specs.ts";
import type { EnabledCodec } from "./types.ts";

/** One line of the table. */
export interface CodecEntry {
  readonly kind: MediaKind;
  /** Encoding name as we write it. */
  readonly name: string;
  readonly payloadType: number;
  /** 0 = none. */
  readonly rtxPayloadType: number;
  readonly clockRate: number;
  readonly channels: number;
  readonly fmtp: string;
  /** `byName`: unless an fmtp of the configuration excludes it; `byFmtp`: only if the configuration names this fmtp. */
  readonly enabled: "byName" | "byFmtp";
  /** Publishers only: browsers decode H264 high profile, but do not handle it well in SDP. */
  readonly publishOnly: boolean;
}

const DEFAULTS = { rtxPayloadType: 0, enabled: "byName", publishOnly: false } as const;

function audio(name: string, payloadType: number, clockRate: number, channels: number, fmtp: string): CodecEntry {
  return { ...DEFAULTS, kind: "audio", name, payloadType, clockRate, channels, fmtp };
}

function video(name: string, payloadType: number, fmtp: string, enabled: CodecEntry["enabled"] = "byName"): CodecEntry {
  const format = { kind: "video", name, payloadType, clockRate: 90_000, channels: 1, fmtp } as const;
  return { ...DEFAULTS, ...format, rtxPayloadType: payloadType + 1, enabled };
}

function h264(payloadType: number, mode: 0 | 1, profile: string, enabled?: CodecEntry["enabled"]): CodecEntry {
  const fmtp = `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`;
  return video("H264", payloadType, fmtp, enabled);
}

/** In the order in which we offer them. */
export const CODEC_TABLE: readonly CodecEntry[] = [
  audio("opus", 111, 48_000, 2, "minptime=10;useinbandfec=1"),
  audio("red", 63, 48_000, 2, "111/111"),
  audio("PCMU", 0, 8000, 1, ""),
  audio("PCMA", 8, 8000, 1, ""),
  video("VP8", 96, ""),
  video("VP9", 98, "profile-id=0"),
  video("VP9", 100, "profile-id=1"),
  h264(125, 0, "42e01f"),
  h264(108, 1, "42e01f"),
  { ...h264(123, 1, "640032"), publishOnly: true },
  video("AV1", 35, ""),
  video("H265", 116, ""),
  h264(104, 0, "42001f", "byFmtp"),
  h264(102, 1, "42001f", "byFmtp"),
  h264(39, 0, "4d001f", "byFmtp"),
  h264(106, 1, "4d001f", "byFmtp"),
];

/** Enabled unless the configuration says otherwise. */
export const DEFAULT_CODECS: readonly EnabledCodec[] = [
  { mime: "audio/PCMU" },
  { mime: "audio/PCMA" },
  { mime: "audio/opus" },
  { mime: "audio/red" },
  { mime: "video/VP8" },
  { mime: "video/H264" },
  { mime: "video/VP9" },
  { mime: "video/AV1" },
  { mime: "video/H265" },
  { mime: "video/rtx" },
];

/** Lower-case MIME type of a line. */
export function mimeOf(entry: CodecEntry): string {
  return `${entry.kind}/${entry.name.toLowerCase()}`;
}

/** Whether the configuration enables this line. */
export function isEnabled(entry: CodecEntry, enabled: readonly EnabledCodec[]): boolean {
  const mime = mimeOf(entry);
  // RED is opus with redundancy: nothing could be sent in it alone.
  if (entry.name === "red" && !enabled.some((codec) => codec.mime.toLowerCase() === "audio/opus")) return false;
  return enabled.some((codec) => {
    if (codec.mime.toLowerCase() !== mime) return false;
    const fmtp = codec.fmtp ?? "";
    return fmtp === "" ? entry.enabled === "byName" : fmtp.toLowerCase() === entry.fmtp;
  });
}

/** Whether retransmission streams are enabled. */
export function isRtxEnabled(enabled: readonly EnabledCodec[]): boolean {
  return enabled.some((codec) => codec.mime.toLowerCase() === "video/rtx");
}

/** The enabled line that an offered codec stands for: same format, so that its packets can be forwarded untouched. */
export function matchCodec(
  kind: MediaKind,
  offered: SdpCodec,
  enabled: readonly EnabledCodec[],
  side: "publish" | "subscribe",
): CodecEntry | undefined {
  const name = offered.name.toLowerCase();
  return CODEC_TABLE.find(
    (entry) =>
      entry.kind === kind &&
      entry.name.toLowerCase() === name &&
      entry.clockRate === offered.clockRate &&
      entry.channels === offered.channels &&
      !(entry.publishOnly && side === "subscribe") &&
      isEnabled(entry, enabled) &&
      sameFormat(name, entry.fmtp, offered.fmtp),
  );
}

function sameFormat(name: string, ours: string, theirs: string): boolean {
  const a = parseFmtp(ours);
  const b = parseFmtp(theirs);
  switch (name) {
    case "h264": {
      const mode = (parameters: Map<string, string>): string => parameters.get("packetization-mode") || "0";
      // Profile and constraints; the level does not matter for forwarding. RFC 6184: absent = Baseline.
      const profile = (parameters: Map<string, string>): string =>
        (parameters.get("profile-level-id") || "420010").slice(0, 4).toLowerCase();
      return mode(a) === mode(b) && profile(a) === profile(b);
    }
    case "vp9":
      return (a.get("profile-id") || "0") === (b.get("profile-id") || "0");
    case "av1":
      return (a.get("profile") || "0") === (b.get("profile") || "0");
    default:
      return true;
  }
}

/** Whether a track in `track` (MIME type) can be sent to a peer that negotiated `negotiated`: opus and RED are converted. */
export function canCarry(negotiated: string, track: string): boolean {
  if (negotiated === track) return true;
  return isOpusFamily(negotiated) && isOpusFamily(track);
}

function isOpusFamily(mime: string): boolean {
  return mime === "audio/opus" || mime === "audio/red";
}
