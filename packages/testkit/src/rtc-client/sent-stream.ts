/**
 * A stream that a client publishes: RTP packets of any size whose payload is a valid VP8 or opus packet as far as a server looks, with
 * the sending time in its last four bytes; sender reports; key frames when asked for.
 */
import type { Peer } from "@stoa/core/peer/peer";
import { writeInt32 } from "@stoa/wire/rtp/header";
import { ntpFraction, ntpSeconds } from "@stoa/wire/rtcp/ntp";
import { writeSenderReport } from "@stoa/wire/rtcp/report";
import { nowMs } from "@stoa/io/clock";
import type { RtcHost } from "./host.ts";
import { writeVp8Payload } from "./vp8-payload.ts";

/** The sending time in a payload: microseconds of the process, 32 bits. */
export function stampUs(): number {
  return (performance.now() * 1000) >>> 0;
}

/** Where and how a stream goes out. */
export interface SentStreamOptions {
  readonly kind: "audio" | "video";
  readonly ssrc: number;
  readonly payloadType: number;
  /** Ids of header extensions that the server took; 0 = not. */
  readonly audioLevelId: number;
  readonly transportCcId: number;
}

const OPUS_TOC = 0x78; // 20 ms, one frame
const REPORT_INTERVAL_MS = 1000;
const MAX_PAYLOAD_BYTES = 1400;

/** See the file's head. */
export class SentStream {
  readonly ssrc: number;
  packets = 0;
  /** The next frame is a key frame. */
  keyFrameWanted = true;
  keyFrames = 0;
  readonly #host: RtcHost;
  readonly #peer: Peer;
  readonly #options: SentStreamOptions;
  readonly #payload: number;
  #sequence = 1;
  #transportSequence = 1;
  #timestamp: number;
  #pictureId = 1;
  #tl0PicIdx = 1;
  #octets = 0;
  #frameStart = true;
  #reportDueMs = 0;

  constructor(host: RtcHost, peer: Peer, options: SentStreamOptions) {
    this.#host = host;
    this.#peer = peer;
    this.#options = options;
    this.ssrc = options.ssrc;
    this.#timestamp = host.random.uint32() | 0;
    this.#payload = host.slab.alloc(MAX_PAYLOAD_BYTES);
    host.slab.u8.fill(0x55, this.#payload, this.#payload + MAX_PAYLOAD_BYTES);
  }

  /**
   * Sends the packets of one frame, `payloadBytes` each; `ticks`: how far the timestamp moves for the next one.
   * The caller flushes the socket.
   */
  sendFrame(packets: number, payloadBytes: number, ticks: number): void {
    const keyFrame = this.#options.kind === "video" && this.keyFrameWanted;
    if (keyFrame) this.keyFrames += 1;
    this.keyFrameWanted = false;
    for (let i = 0; i < packets; i++) {
      this.#frameStart = i === 0;
      this.#sendPacket(payloadBytes, i === packets - 1, keyFrame);
    }
    this.#timestamp = (this.#timestamp + ticks) | 0;
    this.#pictureId = (this.#pictureId + 1) & 0x7fff;
    this.#tl0PicIdx = (this.#tl0PicIdx + 1) & 255;
    const timeMs = nowMs();
    if (timeMs >= this.#reportDueMs) this.#sendReport(timeMs);
  }

  #sendPacket(payloadBytes: number, last: boolean, keyFrame: boolean): void {
    const { u8 } = this.#host.slab;
    const { payloadType, kind } = this.#options;
    const sink = this.#host.socket;
    const at = sink.reserve();
    const marker = kind === "video" ? last : this.packets === 0;
    u8[at] = 0x80;
    u8[at + 1] = (marker ? 0x80 : 0) | payloadType;
    u8[at + 2] = this.#sequence >> 8;
    u8[at + 3] = this.#sequence & 255;
    writeInt32(u8, at + 4, this.#timestamp);
    writeInt32(u8, at + 8, this.ssrc);
    const headerLength = this.#writeExtensions(u8, at);
    if (kind === "video")
      writeVp8Payload(u8, this.#payload, this.#frameStart, keyFrame, this.#pictureId, this.#tl0PicIdx);
    else u8[this.#payload] = OPUS_TOC;
    writeInt32(u8, this.#payload + payloadBytes - 4, stampUs());
    const length = this.#peer.protectRtp(at, headerLength, this.#payload, payloadBytes);
    if (length > 0) sink.commit(this.#peer.path, length);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.packets += 1;
    this.#octets += payloadBytes;
  }

  /** One-byte header extensions (RFC 8285) as a browser sends them; the length of the whole header. */
  #writeExtensions(u8: Uint8Array, at: number): number {
    const { audioLevelId, transportCcId } = this.#options;
    let end = at + 16;
    if (audioLevelId > 0) {
      u8[end++] = audioLevelId << 4;
      u8[end++] = 0x80 | 30; // voice, −30 dBov
    }
    if (transportCcId > 0) {
      u8[end++] = (transportCcId << 4) | 1;
      u8[end++] = this.#transportSequence >> 8;
      u8[end++] = this.#transportSequence & 255;
      this.#transportSequence = (this.#transportSequence + 1) & 0xffff;
    }
    if (end === at + 16) return 12;
    while ((end & 3) !== (at & 3)) u8[end++] = 0;
    u8[at]! |= 0x10;
    writeInt32(u8, at + 12, (0xbede << 16) | ((end - at - 16) >> 2));
    return end - at;
  }

  #sendReport(timeMs: number): void {
    this.#reportDueMs = timeMs + REPORT_INTERVAL_MS;
    const sink = this.#host.socket;
    const at = sink.reserve();
    const length = writeSenderReport(this.#host.slab.u8, at, {
      ssrc: this.ssrc,
      ntpSeconds: ntpSeconds(timeMs),
      ntpFraction: ntpFraction(timeMs),
      rtpTimestamp: this.#timestamp,
      packets: this.packets,
      octets: this.#octets,
    });
    const total = this.#peer.protectRtcp(at, length);
    if (total > 0) sink.commit(this.#peer.path, total);
  }
}
