/** Which of a subscriber's codecs carries what a publisher sends. The payload is never converted here. */
import type { CodecSpec } from "../engine/specs.ts";

/** No common codec. */
export const NO_MATCH = -1;

/** The value of one parameter of an fmtp line, lower case; empty if absent. */
export function fmtpValue(fmtp: string, name: string): string {
  for (const part of fmtp.split(";")) {
    const [key, value] = part.trim().split("=");
    if (key?.toLowerCase() === name) return (value ?? "").trim().toLowerCase();
  }
  return "";
}

/**
 * Index in `offered` of the codec for packets of `published`, or `NO_MATCH`. Parameters decide among several of one
 * name: H.264 by packetization mode, then by profile; VP9 by profile id.
 */
export function matchCodec(published: CodecSpec, offered: readonly CodecSpec[]): number {
  let best = NO_MATCH;
  let bestScore = -1;
  for (const [index, codec] of offered.entries()) {
    const score = codec.mime === published.mime ? likeness(published, codec) : -1;
    if (score > bestScore) {
      best = index;
      bestScore = score;
    }
  }
  return best;
}

/** -1 = cannot be decoded; higher is closer. */
function likeness(published: CodecSpec, offered: CodecSpec): number {
  if (published.clockRate !== offered.clockRate) return -1;
  if (published.mime === "video/vp9") {
    const profile = fmtpValue(published.fmtp, "profile-id") || "0";
    return profile === (fmtpValue(offered.fmtp, "profile-id") || "0") ? 1 : -1;
  }
  if (published.mime !== "video/h264") return 1;
  const mode = fmtpValue(published.fmtp, "packetization-mode") || "0";
  // A receiver of mode 1 understands single NAL units too, but not the other way round.
  const offeredMode = fmtpValue(offered.fmtp, "packetization-mode") || "0";
  if (mode === "1" && offeredMode !== "1") return -1;
  const profile = fmtpValue(published.fmtp, "profile-level-id").slice(0, 4);
  const sameProfile = profile === fmtpValue(offered.fmtp, "profile-level-id").slice(0, 4);
  return (mode === offeredMode ? 1 : 0) + (sameProfile ? 2 : 0);
}
