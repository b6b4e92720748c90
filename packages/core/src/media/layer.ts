/**
 * One incoming stream of a published track: one SSRC (and the SSRC of its retransmissions) at a time, its packets, what is
 * missing, its statistics and its clock. When the publisher changes the SSRC or starts anew, the layer stays and
 * `epoch` rises: its extended sequence numbers go on rising, its content does not continue.
 */
import type { RtpHeader } from "@stoa/wire/rtp/header";
import type { PacketPool } from "../slab.ts";
import type { FrameTable } from "./frame-table.ts";
import { KeyFrameThrottle } from "./key-frame-throttle.ts";
import { LossTracker } from "./loss-tracker.ts";
import { PayloadInfo } from "./payload-info.ts";
import { Reception } from "./reception.ts";
import { PacketRing } from "./ring.ts";
import { SenderClock } from "./sender-clock.ts";
import { LATE, NEWER, REJECTED, RESTARTED, SequenceExtender } from "./sequence.ts";
import { DEFAULT_TUNING } from "./tuning.ts";

/** The packet is a duplicate, too old, or part of a wild jump. */
export const DROPPED = 0;
/** The packet is new. */
export const ACCEPTED = 1;

/** `keyMs`: long ago. */
const NO_KEY = -1e12;
/** A longer gap is not worth asking for: the stream was interrupted. */
const MAX_GAP = 200;

export class Layer {
  readonly index: number;
  readonly ring: PacketRing;
  readonly losses = new LossTracker();
  readonly reception = new Reception();
  readonly clock: SenderClock;
  readonly keyFrames: KeyFrameThrottle;
  readonly payload = new PayloadInfo();
  /** Made for the first dependency descriptor. */
  frames: FrameTable | undefined;
  readonly #sequences = new SequenceExtender();
  /** Bound to a new SSRC, and no packet of it came yet. */
  #fresh = false;
  #keyTimestamp = 0;
  /** 0 = none yet. */
  ssrc = 0;
  rtxSsrc = 0;
  /** Counts the sources that this layer had; subscribers start anew when it rises. */
  epoch = 0;
  /** Packets are coming in, by the trackers of the uplink. */
  alive = false;
  /** Extended number of the packet accepted last. */
  sequence = 0;
  clockRate = 90_000;
  /** Codec of the last packet, as an index in the publisher's list. */
  lastCodec = 0;
  lastPacketMs = -1e12;
  /** When the SSRC was bound last, and when its first packet came. */
  boundMs = -1e12;
  startedMs = -1e12;
  /** The first packet of the newest key frame, and when it came; `NO_KEY` if there was none of this source. */
  keySequence = 0;
  keyMs = NO_KEY;
  /** A first packet came and was told. */
  announced = false;
  /** Packets of the stream itself that came after a later one. */
  outOfOrder = 0;
  /** Packets that came, retransmissions included, and the octets of them modulo 2^30. */
  packets = 0;
  octets = 0;

  /** `clock`: that of the layer from which the server makes this one. */
  constructor(pool: PacketPool, index: number, isVideo: boolean, clock = new SenderClock(), tuning = DEFAULT_TUNING) {
    this.index = index;
    this.clock = clock;
    this.ring = new PacketRing(pool, isVideo ? tuning.videoPackets : tuning.audioPackets);
    this.keyFrames = new KeyFrameThrottle(index, tuning.keyFrameIntervalsMs);
  }

  /** Another SSRC carries this layer from now on. */
  bind(ssrc: number, nowMs: number): void {
    if (this.ssrc === ssrc) return;
    this.ssrc = ssrc;
    this.boundMs = nowMs;
    this.restart();
    this.#forget();
  }

  /** The next packet begins a new source; what is known of its clock stays. */
  restart(): void {
    this.#sequences.restart();
    this.#fresh = true;
  }

  /**
   * Judges a packet of the stream itself (`retransmitted` false: `header.sequence` and statistics) or from RTX, and
   * leaves its extended number in `sequence`. `nack`: losses may be asked for.
   */
  accept(header: RtpHeader, sequence: number, retransmitted: boolean, nack: boolean, nowMs: number): number {
    const sequences = this.#sequences;
    if (retransmitted) return this.#acceptRetransmission(sequence, nowMs);
    const before = sequences.highest;
    const verdict = sequences.extend(sequence);
    if (verdict === REJECTED) return DROPPED;
    const extended = sequences.value;
    this.sequence = extended;
    if (verdict === RESTARTED) {
      this.#restart(extended);
      this.startedMs = nowMs;
    }
    if (verdict === LATE) {
      if (this.ring.tooOld(extended) || this.ring.find(extended) >= 0) return DROPPED;
      this.losses.arrived(extended, false, nowMs);
      this.outOfOrder++;
    }
    this.reception.receive(extended, verdict !== LATE, header.timestamp, this.clockRate, nowMs);
    if (verdict === NEWER && nack) this.#noteGap(before, extended, nowMs);
    this.#touch(nowMs);
    return ACCEPTED;
  }

  #acceptRetransmission(sequence: number, nowMs: number): number {
    if (!this.#sequences.started) return DROPPED;
    const extended = this.#sequences.peek(sequence);
    const behind = (this.#sequences.highest - extended) | 0;
    if (behind < 0 || this.ring.tooOld(extended) || this.ring.find(extended) >= 0) return DROPPED;
    // Only what was missed: RTX also serves as padding, with old packets that were consumed long ago.
    if (!this.losses.arrived(extended, true, nowMs)) return DROPPED;
    this.sequence = extended;
    this.#touch(nowMs);
    return ACCEPTED;
  }

  /** The packet accepted last begins a key frame, or that of another spatial layer of the same picture. */
  noteKeyFrame(timestamp: number, nowMs: number): void {
    this.keyFrames.fulfilled();
    const behind = (this.sequence - this.keySequence) | 0;
    if (this.keyMs > 0) {
      const again = timestamp === this.#keyTimestamp;
      if (again ? behind > 0 : behind < 0) return;
    }
    this.keySequence = this.sequence;
    this.#keyTimestamp = timestamp;
    this.keyMs = nowMs;
  }

  /** Gives the slots back. */
  close(): void {
    this.ring.clear();
    this.losses.clear();
  }

  #touch(nowMs: number): void {
    this.packets = (this.packets + 1) | 0;
    this.lastPacketMs = nowMs;
  }

  #noteGap(before: number, extended: number, nowMs: number): void {
    const missing = ((extended - before) | 0) - 1;
    if (missing === 0) return;
    if (missing <= MAX_GAP) {
      this.losses.addGap((before + 1) | 0, extended, nowMs);
      return;
    }
    this.losses.clear();
    this.keyFrames.request();
  }

  #restart(extended: number): void {
    this.epoch++;
    this.keyMs = NO_KEY;
    // A report on a new SSRC may have come before its first packet.
    if (!this.#fresh) this.#forget();
    this.#fresh = false;
    this.reception.restart(extended);
  }

  #forget(): void {
    this.losses.clear();
    this.clock.clear();
    this.payload.clear();
    this.frames?.clear();
    this.reception.forgetReport();
  }
}
