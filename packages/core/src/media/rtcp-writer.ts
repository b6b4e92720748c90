/** RTCP that the forwarder sends: to publishers NACK, PLI, transport feedback and receiver reports, to subscribers sender reports. */
import { writeNack, writePli } from "@stoa/wire/rtcp/feedback";
import { ntpFraction, ntpMiddle, ntpSeconds } from "@stoa/wire/rtcp/ntp";
import {
  MAX_REPORT_BLOCKS,
  RECEIVER_REPORT_BYTES,
  newReportBlock,
  newSenderInfo,
  writeReceiverReport,
  writeReportBlock,
  writeSenderReport,
} from "@stoa/wire/rtcp/report";
import { writeBye } from "@stoa/wire/rtcp/bye";
import { DELAY_REPORT_BYTES, writeDelayReport } from "@stoa/wire/rtcp/extended-report";
import { writeSdes } from "@stoa/wire/rtcp/sdes";
import type { PacketSink } from "../paths.ts";
import type { Slab } from "../slab.ts";
import type { Downlink } from "./downlink.ts";
import type { Layer } from "./layer.ts";
import { MAX_LOSSES } from "./loss-tracker.ts";
import type { PeerMedia } from "./peer-media.ts";
import { isReady } from "./transport.ts";
import type { MediaTransport } from "./transport.ts";

/** What a compound packet may be before protection. */
const MAX_BYTES = 1200;
/** Largest sender report with its description. */
const REPORT_AND_SDES_BYTES = 28 + 10 + 255 + 4;

export class RtcpWriter {
  readonly #u8: Uint8Array;
  readonly #sink: PacketSink;
  readonly #lost = new Int32Array(MAX_LOSSES);
  readonly #info = newSenderInfo();
  readonly #block = newReportBlock();

  constructor(slab: Slab, sink: PacketSink) {
    this.#u8 = slab.u8;
    this.#sink = sink;
  }

  /** Asks for what is due to be asked for of one layer. */
  nack(peer: PeerMedia, layer: Layer, nowMs: number): void {
    const count = layer.losses.due(nowMs, this.#lost);
    if (count === 0 || !isReady(peer.transport)) return;
    const at = this.#sink.reserve();
    this.#finish(peer.transport, at, writeNack(this.#u8, at, peer.localSsrc, layer.ssrc, this.#lost, count));
  }

  /** Asks for a key frame of one layer. */
  pli(peer: PeerMedia, layer: Layer): void {
    if (!isReady(peer.transport)) return;
    const at = this.#sink.reserve();
    this.#finish(peer.transport, at, writePli(this.#u8, at, peer.localSsrc, layer.ssrc));
  }

  /** Tells when packets arrived: as many messages as it takes. */
  transportFeedback(peer: PeerMedia): void {
    if (!isReady(peer.transport)) return;
    for (;;) {
      const at = this.#sink.reserve();
      const length = peer.arrivals.write(this.#u8, at, MAX_BYTES);
      if (length === 0) return;
      this.#finish(peer.transport, at, length);
    }
  }

  /** Reports on every layer that flows. */
  receiverReport(peer: PeerMedia, nowMs: number): void {
    if (!isReady(peer.transport)) return;
    const at = this.#sink.reserve();
    let blocks = 0;
    let end = at + RECEIVER_REPORT_BYTES;
    for (const uplink of peer.uplinks) {
      for (const layer of uplink.layers) {
        if (!layer.alive || layer.ssrc === 0 || blocks === MAX_REPORT_BLOCKS) continue;
        layer.reception.report(nowMs, this.#block);
        this.#block.ssrc = layer.ssrc;
        end += writeReportBlock(this.#u8, end, this.#block);
        blocks++;
      }
    }
    if (blocks === 0) return;
    writeReceiverReport(this.#u8, at, peer.localSsrc, blocks);
    this.#finish(peer.transport, at, end - at);
  }

  /** Reports on every stream that sent something since the last report. True if there was one. */
  senderReports(peer: PeerMedia, nowMs: number): boolean {
    if (!isReady(peer.transport)) return false;
    let at = -1;
    let end = -1;
    for (const downlink of peer.downlinks.values()) {
      const { stream } = downlink;
      if (!stream.sentSinceReport || !this.#describe(downlink, nowMs)) continue;
      if (at >= 0 && end + REPORT_AND_SDES_BYTES > at + MAX_BYTES) {
        this.#finish(peer.transport, at, end - at);
        at = -1;
      }
      if (at < 0) at = end = this.#sink.reserve();
      end += writeSenderReport(this.#u8, end, this.#info);
      end += writeSdes(this.#u8, end, stream.ssrc, stream.cname);
      stream.sentSinceReport = false;
      stream.reportTimes.sent(ntpMiddle(this.#info.ntpSeconds, this.#info.ntpFraction), nowMs);
    }
    if (at < 0) return false;
    end += this.#answerReference(peer, at, end, nowMs);
    this.#finish(peer.transport, at, end - at);
    return true;
  }

  /** Appends what a receiver needs to measure the round trip, if it asked. Returns the length. */
  #answerReference(peer: PeerMedia, at: number, end: number, nowMs: number): number {
    const { reference } = peer;
    if (reference.middle === 0 || end + DELAY_REPORT_BYTES > at + MAX_BYTES) return 0;
    const delay = Math.round(((nowMs - reference.arrivalMs) * 65_536) / 1000);
    const { middle, ssrc } = reference;
    reference.middle = 0;
    return writeDelayReport(this.#u8, end, peer.localSsrc, ssrc, middle, delay);
  }

  /** Says that a stream ended. */
  bye(transport: MediaTransport, ssrc: number): void {
    if (!isReady(transport)) return;
    const at = this.#sink.reserve();
    // A compound packet begins with a report (RFC 3550 section 6.1).
    const head = writeReceiverReport(this.#u8, at, ssrc, 0);
    this.#finish(transport, at, head + writeBye(this.#u8, at + head, ssrc));
  }

  /**
   * The publisher's clock as of now, in the timestamps of the downlink. The wall clock stays the publisher's, so that
   * tracks of one participant are played in step (LiveKit does the same). That is also why abs-capture-time goes on as it
   * came: it is to be read in the wall clock of these reports. After a break in which the publisher's timestamps stood still
   * nothing is said until it reports: what was said before holds, because the stream went on by the wall clock.
   */
  #describe({ source, stream }: Downlink, nowMs: number): boolean {
    if (!source || !source.clock.known || !source.reception.agreesWith(source.clock, source.clockRate)) return false;
    const elapsedMs = nowMs - source.clock.arrivalMs;
    const wallMs = source.clock.senderMs + elapsedMs;
    const ticks = Math.round((elapsedMs * source.clockRate) / 1000);
    const info = this.#info;
    info.ssrc = stream.ssrc;
    info.ntpSeconds = ntpSeconds(wallMs);
    info.ntpFraction = ntpFraction(wallMs);
    info.rtpTimestamp = (source.clock.timestamp + ticks + stream.continuity.timestampOffset) | 0;
    info.packets = stream.packets;
    info.octets = stream.octets;
    return true;
  }

  #finish(transport: MediaTransport, at: number, length: number): void {
    const total = transport.protectRtcp(at, length);
    if (total > 0) this.#sink.commit(transport.path, total);
  }
}
