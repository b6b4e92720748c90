/** The codecs of one m-line that both sides take: matching, order of preference, fmtp and feedback of our answer. */
import { parseFmtp, writeFmtp } from "@stoa/wire/sdp/fmtp";
import type { SdpCodec } from "@stoa/wire/sdp/description";
import type { CodecSpec, MediaKind } from "../engine/specs.ts";
import { type CodecEntry, canCarry, isRtxEnabled, matchCodec, mimeOf } from "./codecs.ts";
import type { EnabledCodec } from "./types.ts";

/** A codec of the client with its RTX. */
export interface CommonCodec {
  readonly mime: string;
  readonly entry: CodecEntry;
  readonly codec: SdpCodec;
  readonly rtx: SdpCodec | undefined;
}

/** What the client described and we have enabled, in the client's order. */
export function commonCodecs(
  kind: MediaKind,
  described: readonly SdpCodec[],
  enabled: readonly EnabledCodec[],
  side: "publish" | "subscribe",
): CommonCodec[] {
  const rtxOf = new Map<string, SdpCodec>();
  if (isRtxEnabled(enabled)) {
    for (const codec of described) {
      const apt = codec.name.toLowerCase() === "rtx" ? parseFmtp(codec.fmtp).get("apt") : undefined;
      if (apt !== undefined && !rtxOf.has(apt)) rtxOf.set(apt, codec);
    }
  }
  const common: CommonCodec[] = [];
  for (const codec of described) {
    const entry = matchCodec(kind, codec, enabled, side);
    if (entry) common.push({ mime: mimeOf(entry), entry, codec, rtx: rtxOf.get(String(codec.payloadType)) });
  }
  // RED without the opus that it carries is of no use.
  return common.some(({ mime }) => mime === "audio/opus") ? common : common.filter(({ mime }) => mime !== "audio/red");
}

/** Union by payload type, in the order of `a`, then `b`. */
export function mergeCodecs(a: readonly CommonCodec[], b: readonly CommonCodec[]): CommonCodec[] {
  const known = new Set(a.map(({ codec }) => codec.payloadType));
  return [...a, ...b.filter(({ codec }) => !known.has(codec.payloadType))];
}

/** Stable: codecs of `wanted` (lower-case MIME types) first, in its order. */
export function preferCodecs(codecs: readonly CommonCodec[], wanted: readonly string[]): CommonCodec[] {
  const rank = (codec: CommonCodec): number => {
    const index = wanted.indexOf(codec.mime);
    return index < 0 ? wanted.length : index;
  };
  return codecs.toSorted((a, b) => rank(a) - rank(b));
}

/** Whether one of the codecs can bring a track in one of these codecs; a track of unknown codec always can be tried. */
export function carriesTrack(codecs: readonly CommonCodec[], mimes: readonly string[]): boolean {
  if (mimes.length === 0) return codecs.length > 0;
  return codecs.some((codec) => mimes.some((mime) => canCarry(codec.mime, mime.toLowerCase())));
}

/**
 * For the worker. `nack` as in the written description, save for RED: that repairs itself, and is not asked for again in either
 * direction (livekit.md 3.8), although clients that write it for opus have it written for both.
 */
export function codecSpec({ mime, codec, rtx }: CommonCodec, fmtp: string, nack: boolean): CodecSpec {
  return {
    payloadType: codec.payloadType,
    mime,
    clockRate: codec.clockRate,
    channels: codec.channels,
    fmtp,
    rtxPayloadType: rtx?.payloadType ?? 0,
    nack: nack && mime !== "audio/red",
  };
}

/** Wishes about opus; they stand in its fmtp. */
export interface OpusWishes {
  /** We like to receive with discontinuous transmission. */
  readonly dtx: boolean;
  /** We like to receive stereo. */
  readonly stereo: boolean;
  /** What we send is stereo. */
  readonly sendsStereo: boolean;
}

/**
 * fmtp of an answer: the client's own, so that formats and hints (x-google-…) agree; limits of its decoder (RFC 7741) are not
 * ours, and for opus our wishes replace its own.
 */
export function answeredFmtp(codec: CommonCodec, wishes: OpusWishes): string {
  const parameters = parseFmtp(codec.codec.fmtp);
  if (codec.mime !== "audio/opus") {
    if (!parameters.has("max-fs") && !parameters.has("max-fr")) return codec.codec.fmtp;
    parameters.delete("max-fs");
    parameters.delete("max-fr");
    return writeFmtp(parameters);
  }
  for (const key of ["usedtx", "stereo", "sprop-stereo", "maxaveragebitrate"]) parameters.delete(key);
  if (wishes.sendsStereo) parameters.set("sprop-stereo", "1");
  if (wishes.dtx) parameters.set("usedtx", "1");
  if (wishes.stereo) parameters.set("stereo", "1").set("maxaveragebitrate", "510000");
  return writeFmtp(parameters);
}
