/** Taking apart what clients send by RTCP. Total: a malformed packet ends the walk. */
import { byeCount, byeSsrc } from "@stoa/wire/rtcp/bye";
import { referenceTime } from "@stoa/wire/rtcp/extended-report";
import {
  FEEDBACK_BYTES,
  FORMAT_APPLICATION,
  FORMAT_FIR,
  FORMAT_NACK,
  FORMAT_PLI,
  FORMAT_TWCC,
  feedbackMedia,
  firItemCount,
  firItemSsrc,
  nackItemCount,
  nackItemMask,
  nackItemSequence,
} from "@stoa/wire/rtcp/feedback";
import { ntpMiddle } from "@stoa/wire/rtcp/ntp";
import {
  EXTENDED_REPORT,
  GOODBYE,
  PAYLOAD_FEEDBACK,
  RECEIVER_REPORT,
  RTCP_MIN_BYTES,
  SENDER_REPORT,
  TRANSPORT_FEEDBACK,
  rtcpCount,
  rtcpPacketLength,
  rtcpSender,
  rtcpType,
} from "@stoa/wire/rtcp/packet";
import { parseRembBps } from "@stoa/wire/rtcp/remb";
import {
  REPORT_BLOCK_BYTES,
  newReportBlock,
  newSenderInfo,
  readReportBlock,
  readSenderInfo,
  reportBlockCount,
  reportBlocksOffset,
} from "@stoa/wire/rtcp/report";
import type { ReportBlock } from "@stoa/wire/rtcp/report";
import { newTwccArrivals, readTwccFeedback } from "@stoa/wire/rtcp/twcc";
import type { Downlink } from "./downlink.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { PeerMedia } from "./peer-media.ts";
import type { BatchTime } from "./transport.ts";

/** A client cannot have lost more than it was sent lately: the rest of a NACK is not looked at. */
const MAX_NACK_ITEMS = 128;

export class RtcpReader {
  readonly #u8: Uint8Array;
  readonly #time: BatchTime;
  readonly #writer: PacketWriter;
  readonly #requestKeyFrame: (downlink: Downlink) => void;
  readonly #info = newSenderInfo();
  readonly #block = newReportBlock();
  readonly #arrivals = newTwccArrivals();

  /** `requestKeyFrame`: the subscriber of this stream cannot go on decoding. */
  constructor(u8: Uint8Array, time: BatchTime, writer: PacketWriter, requestKeyFrame: (downlink: Downlink) => void) {
    this.#u8 = u8;
    this.#time = time;
    this.#writer = writer;
    this.#requestKeyFrame = requestKeyFrame;
  }

  /** Acts on one compound packet of a peer. */
  handle(peer: PeerMedia, at: number, length: number): void {
    const end = at + length;
    for (let p = at; p < end;) {
      const size = rtcpPacketLength(this.#u8, p, end);
      if (size < 0) return;
      if (size >= RTCP_MIN_BYTES) this.#handlePacket(peer, p, size);
      p += size;
    }
  }

  #handlePacket(peer: PeerMedia, at: number, size: number): void {
    switch (rtcpType(this.#u8, at)) {
      case SENDER_REPORT:
        this.#senderReport(peer, at, size);
        this.#reportBlocks(peer, at, size);
        break;
      case RECEIVER_REPORT:
        this.#reportBlocks(peer, at, size);
        break;
      case GOODBYE:
        this.#goodbye(peer, at, size);
        break;
      case EXTENDED_REPORT:
        this.#reference(peer, at, size);
        break;
      case TRANSPORT_FEEDBACK:
        if (size >= FEEDBACK_BYTES) this.#transportFeedback(peer, at, size);
        break;
      case PAYLOAD_FEEDBACK:
        if (size >= FEEDBACK_BYTES) this.#payloadFeedback(peer, at, size);
        break;
    }
  }

  #senderReport(peer: PeerMedia, at: number, size: number): void {
    const info = this.#info;
    if (!readSenderInfo(this.#u8, at, size, info)) return;
    const source = peer.sourceOf(info.ssrc);
    if (!source || source.retransmission) return;
    // Senders without a wall clock say zero.
    if (info.ntpSeconds === 0) return;
    source.layer.clock.update(info, this.#time.nowMs);
    source.layer.reception.senderReport(ntpMiddle(info.ntpSeconds, info.ntpFraction), this.#time.nowMs);
  }

  #reportBlocks(peer: PeerMedia, at: number, size: number): void {
    const block = this.#block;
    const count = reportBlockCount(this.#u8, at, size);
    const from = at + reportBlocksOffset(this.#u8, at);
    for (let i = 0; i < count; i++) {
      readReportBlock(this.#u8, from + i * REPORT_BLOCK_BYTES, block);
      const downlink = peer.downlinks.get(block.ssrc);
      if (!downlink) {
        const repaired = peer.downlinkOfRtx(block.ssrc);
        if (repaired) repaired.reported.rtxLost = block.cumulativeLost;
        continue;
      }
      downlink.reported.update(block, this.#time.nowMs);
      this.#playoutDelay(downlink, block);
      const rttMs = downlink.stream.reportTimes.rttMs(block.lastReport, block.delaySinceLastReport, this.#time.nowMs);
      if (rttMs > 0) peer.subscriber.measured(rttMs);
      peer.congestion?.handleReport(downlink, block, rttMs, this.#time.nowMs);
    }
  }

  #playoutDelay(downlink: Downlink, { highestSequence, jitter }: ReportBlock): void {
    const { source, isScreenShare, reported } = downlink;
    const { playoutDelay, packets } = downlink.stream;
    if (!playoutDelay || !source) return;
    const jitterMs = (jitter * 1000) / source.clockRate;
    playoutDelay.reported(highestSequence, jitterMs, !isScreenShare, packets, reported.nacks, this.#time.ticksMs);
  }

  /** The last one is answered with the next sender reports. */
  #reference(peer: PeerMedia, at: number, size: number): void {
    const middle = referenceTime(this.#u8, at, size);
    if (middle === 0) return;
    const { reference } = peer;
    reference.ssrc = rtcpSender(this.#u8, at);
    reference.middle = middle;
    reference.arrivalMs = this.#time.nowMs;
  }

  #goodbye(peer: PeerMedia, at: number, size: number): void {
    const count = byeCount(this.#u8, at, size);
    for (let i = 0; i < count; i++) {
      const source = peer.sourceOf(byeSsrc(this.#u8, at, i));
      if (source && !source.retransmission) source.uplink.goodbye(source.layer);
    }
  }

  #transportFeedback(peer: PeerMedia, at: number, size: number): void {
    const format = rtcpCount(this.#u8, at);
    if (format === FORMAT_NACK) this.#nack(peer, at, size);
    if (format !== FORMAT_TWCC || !peer.congestion) return;
    if (!readTwccFeedback(this.#u8, at, size, this.#arrivals)) return;
    peer.congestion.controller.handleFeedback(this.#arrivals, this.#time.nowMs);
  }

  #nack(peer: PeerMedia, at: number, size: number): void {
    const downlink = peer.downlinks.get(feedbackMedia(this.#u8, at));
    if (!downlink) return;
    const count = Math.min(nackItemCount(size), MAX_NACK_ITEMS);
    for (let i = 0; i < count; i++) {
      const first = nackItemSequence(this.#u8, at, i);
      const mask = nackItemMask(this.#u8, at, i);
      downlink.reported.nacks += 1 + bitCount(mask);
      downlink.resend(first, this.#time, this.#writer);
      for (let bit = 0; bit < 16; bit++) {
        if (mask & (1 << bit)) downlink.resend((first + 1 + bit) & 0xffff, this.#time, this.#writer);
      }
    }
  }

  #payloadFeedback(peer: PeerMedia, at: number, size: number): void {
    const format = rtcpCount(this.#u8, at);
    if (format === FORMAT_PLI) this.#wish(peer, feedbackMedia(this.#u8, at), 0);
    if (format === FORMAT_FIR) {
      for (let i = 0; i < firItemCount(size); i++) this.#wish(peer, firItemSsrc(this.#u8, at, i), 1);
    }
    if (format === FORMAT_APPLICATION) {
      const bps = parseRembBps(this.#u8, at, size);
      if (bps !== undefined) peer.congestion?.controller.handleRemb(bps, this.#time.nowMs);
    }
  }

  #wish(peer: PeerMedia, ssrc: number, firs: number): void {
    const downlink = peer.downlinks.get(ssrc);
    if (!downlink) {
      // Those who are at another worker wish through this one; asked for at the next tick.
      const source = peer.relayOf?.sourceOf(ssrc);
      if (source?.uplink.isVideo && !source.retransmission) source.layer.keyFrames.request();
      return;
    }
    downlink.reported.keyFrameRequests++;
    downlink.reported.firs += firs;
    this.#requestKeyFrame(downlink);
  }
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
