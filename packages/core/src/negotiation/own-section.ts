/** One audio or video m-line of our own offers: what we offer on it, and what the client's last answer made of it. */
import type { SdpCodec, SdpMedia } from "@stoa/wire/sdp/description";
import type { RejectedSection, RtpSection } from "@stoa/wire/sdp/write";
import type { MediaKind, SenderSpec } from "../engine/specs.ts";
import { asksAudioNack, type Downlink } from "./answer-section.ts";
import { CODEC_TABLE, isEnabled, isRtxEnabled, mimeOf } from "./codecs.ts";
import type { DownlinkSection } from "./downlinks.ts";
import { feedbackTypes, offeredExtensions, sentExtensionIds } from "./extensions.ts";
import { carriesTrack, codecSpec, commonCodecs, preferCodecs } from "./section-codecs.ts";
import type { DownTrack, OffererOptions } from "./types.ts";

/** Codecs of an offer in the order of the table, each followed by its RTX. */
function offeredCodecs(kind: MediaKind, options: OffererOptions, down: Downlink | undefined): SdpCodec[] {
  const enabled = options.codecs.subscribe;
  const feedback = feedbackTypes(kind, "send", options).filter(
    (type) => kind === "video" || type !== "nack" || asksAudioNack(down, options.client),
  );
  const codecs: SdpCodec[] = [];
  for (const entry of CODEC_TABLE) {
    if (entry.kind !== kind || entry.publishOnly || !isEnabled(entry, enabled)) continue;
    if (mimeOf(entry) === "audio/red" && !options.client.receivesRed) continue;
    const { payloadType, name, clockRate, channels } = entry;
    const stereo = mimeOf(entry) === "audio/opus" && down?.track.stereo ? ";sprop-stereo=1" : "";
    codecs.push({ payloadType, name, clockRate, channels, fmtp: entry.fmtp + stereo, feedback });
    if (entry.rtxPayloadType === 0 || !isRtxEnabled(enabled)) continue;
    const fmtp = `apt=${payloadType}`;
    codecs.push({ payloadType: entry.rtxPayloadType, name: "rtx", clockRate, channels: 1, fmtp, feedback: [] });
  }
  return codecs;
}

/** State of one m-line of ours; it lives until a new one takes its place. */
export class OwnSection implements DownlinkSection {
  readonly mid: string;
  readonly kind: MediaKind;
  down: Downlink | undefined;
  /** Offered with a track in a description that the client may have applied, and not negotiated inactive since. */
  active = false;
  used = false;
  /** Answered as inactive, and not offered with a track since. */
  #resting = false;
  /** The client refused the m-line: its place may be taken by a new one. */
  refused = false;
  /** Track of the newest offer. */
  offeredSid: string | undefined;
  sender: SenderSpec | undefined;

  constructor(mid: string, kind: MediaKind) {
    this.mid = mid;
    this.kind = kind;
  }

  get receiving(): boolean {
    return !this.refused;
  }

  /** Not known before the answer. */
  carries(_track: DownTrack): boolean {
    return true;
  }

  /** The section of an offer. What the client refused is stopped there: only a new mid may take its place. */
  offer(options: OffererOptions): RtpSection | RejectedSection {
    const { down } = this;
    this.offeredSid = down?.track.sid;
    if (this.refused) {
      return { type: "rejected", media: this.kind, protocol: "UDP/TLS/RTP/SAVPF", formats: "0", mid: this.mid };
    }
    if (down) {
      this.active = this.used = true;
      this.#resting = false;
    }
    const codecs = offeredCodecs(this.kind, options, down);
    const rtx = codecs.some(({ name }) => name === "rtx");
    const ssrcs = down ? (rtx ? [down.ssrc, down.rtxSsrc] : [down.ssrc]) : [];
    return {
      type: this.kind,
      protocol: "UDP/TLS/RTP/SAVPF",
      mid: this.mid,
      direction: down ? "sendonly" : this.#resting && options.client.endsIdleReceivers ? "recvonly" : "inactive",
      codecs,
      extensions: offeredExtensions(this.kind, options),
      rtcpRsize: true,
      receiveRids: [],
      simulcast: false,
      stream: down && { streamId: down.track.stream, trackId: down.track.sid, cname: down.track.stream, ssrcs },
      ssrcGroups: ssrcs.length > 1 ? [{ semantics: "FID", ssrcs }] : [],
    };
  }

  /** Takes the client's answer. `unsupported`: it has no codec for the track that is on it. */
  answer(media: SdpMedia, options: OffererOptions): { unsupported: boolean } {
    this.sender = undefined;
    this.refused ||= media.rejected;
    if (!this.offeredSid || this.refused) this.active = false;
    if (!this.offeredSid) this.#resting = true;
    const { down } = this;
    const stale = !down || down.track.sid !== this.offeredSid;
    if (this.refused) this.offeredSid = undefined;
    // The track was removed while the offer was out: the next offer tells the client.
    if (stale) return { unsupported: false };
    const mimes = down.track.mimes.map((mime) => mime.toLowerCase());
    const common = commonCodecs(this.kind, media.codecs, options.codecs.subscribe, "subscribe");
    if (this.refused || !carriesTrack(common, mimes)) {
      this.down = undefined;
      return { unsupported: true };
    }
    if (media.direction !== "recvonly" && media.direction !== "sendrecv") return { unsupported: false };
    const codecs = preferCodecs(common, mimes);
    const specs = codecs.map((codec) => codecSpec(codec, codec.codec.fmtp, codec.codec.feedback.includes("nack")));
    this.sender = {
      mid: this.mid,
      kind: this.kind,
      track: down.track.sid,
      ssrc: down.ssrc,
      rtxSsrc: specs.some(({ rtxPayloadType }) => rtxPayloadType > 0) ? down.rtxSsrc : 0,
      codecs: specs,
      extensions: sentExtensionIds(
        media.extensions,
        this.kind,
        options,
        codecs.flatMap(({ codec }) => codec.feedback),
      ),
      cname: down.track.stream,
    };
    return { unsupported: false };
  }
}
