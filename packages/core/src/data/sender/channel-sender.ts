/**
 * The back-pressured sender of one data channel. Frames wait here, bounded, and go to the channel while its buffer is
 * short, so that what a receiver gets is fresh and a slow one costs a bounded amount (docs/decisions/0006-data-sender.md).
 *
 * Invariants:
 * 1. The order of each source is kept and payloads are never split, merged or interleaved with another frame's.
 * 2. Every accepted frame has exactly one fate; nothing is lost in silence.
 * 3. The channel's buffer passes the high mark by less than one payload of ours.
 * 4. While a channel is attached and below its mark, nothing waits, unless it said "full" less than 50 ms ago.
 */
import { earlier, NEVER } from "../../clock.ts";
import type { SendOutcome } from "../../peer/data-transport.ts";
import { DrainMeter } from "./drain-meter.ts";
import { FairQueue } from "./fair-queue.ts";
import type { FrameSource } from "./frame-in-parts.ts";
import { bytesOf, type Fate, frameOfOne, type WaitingFrame } from "./frame-queue.ts";
import { RecentPayloads } from "./recent-payloads.ts";
import type { SendPort } from "./send-port.ts";
import type { Offer, SenderOptions, SenderReport, SenderStats } from "./sender-options.ts";
import { RELIABLE_MARKS, WaterMarks } from "./water-marks.ts";

/** LiveKit's clients take no longer message. */
const MAX_PAYLOAD_BYTES = 64_000;
const DEFAULT_MAX_FRAMES = 4096;
const DEFAULT_MAX_BYTES = 1 << 20;
/** When a channel that said "full" is asked again, should it never call. */
const RETRY_MS = 50;

/** See the file's head. */
export class ChannelSender {
  readonly stats: SenderStats = { offered: 0, refused: 0, sent: 0, sentBytes: 0, evicted: 0, expired: 0, failed: 0 };
  readonly #options: SenderOptions;
  readonly #maxPayloadBytes: number;
  readonly #queue: FairQueue;
  readonly #recent: RecentPayloads | undefined;
  readonly #meter = new DrainMeter();
  readonly #marks: WaterMarks;
  #port: SendPort | undefined;
  #closed = false;
  #retryAtMs = NEVER;
  /** Bytes of the smallest frame that was blocked; -1: none waits. */
  #blockedBytes = -1;
  #pumping = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#maxPayloadBytes = options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES;
    this.#queue = new FairQueue(options.maxFrames ?? DEFAULT_MAX_FRAMES, options.maxBytes ?? DEFAULT_MAX_BYTES);
    const { recallBytes = 0 } = options;
    this.#recent = recallBytes > 0 ? new RecentPayloads(recallBytes) : undefined;
    this.#marks = new WaterMarks(options.marks ?? RELIABLE_MARKS);
  }

  get attached(): boolean {
    return this.#port !== undefined;
  }

  get waitingFrames(): number {
    return this.#queue.frames;
  }

  get waitingBytes(): number {
    return this.#queue.bytes;
  }

  /** Bits per second that the receiver takes at most; -1 when unknown. */
  get drainBps(): number {
    return this.#meter.atMostBps;
  }

  /** How long the receiver has taken nothing of what is there. */
  stalledMs(nowMs: number): number {
    return this.#meter.stalledMs(nowMs);
  }

  get highMarkBytes(): number {
    return this.#marks.highBytes;
  }

  /** Sources for which something waits. */
  get waitingSources(): number {
    return this.#queue.sources;
  }

  /** Bytes of this source that wait. */
  waitingBytesOf(source: FrameSource | undefined): number {
    return this.#queue.bytesOf(source);
  }

  /** How long the oldest frame of this source has been waiting. */
  waitedMs(nowMs: number, source?: FrameSource): number {
    const head = this.#queue.headOf(source);
    return head ? nowMs - head.sinceMs : 0;
  }

  /** An open channel, the first one or one in place of another; what waits goes out. */
  attach(port: SendPort, nowMs: number): void {
    if (this.#closed) return;
    this.detach();
    this.#port = port;
    this.#meter.restart(port.bufferedAmount(), nowMs);
    port.setLowWater(this.#marks.lowBytes);
    this.#pump(nowMs);
  }

  /** The channel is gone. Frames stay, and one of which a part was sent will be sent anew. */
  detach(): void {
    this.#port = undefined;
    this.#retryAtMs = NEVER;
    this.#queue.rewind();
  }

  /**
   * The channel is replaced by another, and what was under way on it is lost: payloads that it was given lately and that
   * are `missing` wait again, before all others. Gives their number.
   */
  recall(missing: (payload: Uint8Array) => boolean, nowMs: number): number {
    this.detach();
    const payloads = (this.#recent?.take(nowMs) ?? []).filter(missing);
    const expiresAtMs = nowMs + (this.#options.ttlMs ?? NEVER);
    this.#queue.pushFirst(payloads.map((payload) => frameOfOne(payload, nowMs, expiresAtMs)));
    return payloads.length;
  }

  /**
   * Takes in a frame, or says why not. `done` is called once if it was taken ("sent" or "queued"), maybe before this
   * returns; it must not throw, and what was evicted is not to be offered again from there. `source`: if several take turns.
   */
  offer(
    frame: Uint8Array | readonly Uint8Array[],
    nowMs: number,
    done?: (fate: Fate) => void,
    source?: FrameSource,
  ): Offer {
    this.stats.offered++;
    const offer = source?.parts?.lost ? "dropped" : this.#take(frame, nowMs, done, source);
    if (offer === "sent" || offer === "queued") return offer;
    this.stats.refused++;
    if (source && offer !== "blocked") this.#queue.giveUp(source);
    return offer;
  }

  /** The channel's buffer became shorter, or anything else happened that may have made it so. */
  handleDrained(nowMs: number): void {
    this.#retryAtMs = NEVER;
    this.#pump(nowMs);
  }

  handleTimeout(nowMs: number): void {
    this.#pump(nowMs);
  }

  nextTimeoutMs(): number {
    return earlier(this.#retryAtMs, this.#queue.nextExpiryMs());
  }

  /** Ends the sender; frames that were not sent whole are handed back. */
  close(): SenderReport {
    this.#closed = true;
    this.#port = undefined;
    this.#retryAtMs = NEVER;
    const unsent: (readonly Uint8Array[])[] = [];
    const unsentBytes = this.#queue.bytes;
    for (let frame = this.#queue.dropHead(); frame; frame = this.#queue.dropHead()) {
      unsent.push(frame.payloads);
      frame.done?.("closed");
    }
    // Producers that wait would wait for ever; their next frame is "closed".
    this.#wakeProducers();
    return { unsent, unsentBytes, stats: this.stats };
  }

  #take(
    frame: Uint8Array | readonly Uint8Array[],
    nowMs: number,
    done: ((fate: Fate) => void) | undefined,
    source: FrameSource | undefined,
  ): Offer {
    if (this.#closed) return "closed";
    const parts = source?.parts;
    const bytes = bytesOf(frame, this.#maxPayloadBytes);
    if (bytes < 0 || bytes > this.#queue.maxBytes) return "tooLarge";
    this.#pump(nowMs);
    if (frame instanceof Uint8Array && this.#queue.frames === 0 && this.#mayHand()) {
      // The way of a payload that need not wait: nothing is made for it.
      const outcome = this.#hand(frame, nowMs);
      if (outcome === "tooLarge") return "tooLarge";
      if (outcome === "queued") {
        this.stats.sent++;
        parts?.begin(nowMs);
        done?.("sent");
        return "sent";
      }
    }
    if (!this.#makeRoom(source, bytes)) return this.#refuse(bytes);
    const expiresAtMs = nowMs + (this.#options.ttlMs ?? NEVER);
    const payloads = frame instanceof Uint8Array ? [frame] : frame;
    const waiting = { payloads, bytes, sinceMs: nowMs, expiresAtMs, done, parts, next: 0 };
    this.#queue.push(source, waiting);
    this.#pump(nowMs);
    return waiting.next === payloads.length ? "sent" : "queued";
  }

  #makeRoom(source: FrameSource | undefined, bytes: number): boolean {
    const queue = this.#queue;
    if (queue.hasRoom(bytes)) return true;
    if (this.#options.overflow !== "dropOldest" || !queue.couldHaveRoom(source, bytes)) return false;
    while (!queue.hasRoom(bytes)) {
      const evicted = queue.evict(source);
      if (!evicted) return false;
      this.stats.evicted++;
      evicted.done?.("evicted");
    }
    return true;
  }

  #refuse(bytes: number): Offer {
    switch (this.#options.overflow) {
      case "block":
        this.#blockedBytes = this.#blockedBytes < 0 ? bytes : Math.min(this.#blockedBytes, bytes);
        return "blocked";
      case "reject":
        return "rejected";
      default:
        return "dropped";
    }
  }

  /** Sends while there is room. A fate that is told in between may call us again: the outer call goes on. */
  #pump(nowMs: number): void {
    if (this.#pumping) return;
    this.#pumping = true;
    if (nowMs >= this.#retryAtMs) this.#retryAtMs = NEVER;
    this.#expire(nowMs);
    this.#measureDrain(nowMs);
    for (let frame = this.#queue.head(); frame && this.#mayHand(); frame = this.#queue.head()) {
      this.#handNext(frame, nowMs);
      if (frame.parts) this.#expire(nowMs);
    }
    // A frame that the channel cut short by closing has not begun any more.
    if (!this.#port) this.#expire(nowMs);
    this.#pumping = false;
    if (this.#queue.hasRoom(this.#blockedBytes)) this.#wakeProducers();
  }

  #wakeProducers(): void {
    if (this.#blockedBytes < 0) return;
    this.#blockedBytes = -1;
    this.#options.onWritable?.();
  }

  #handNext(frame: WaitingFrame, nowMs: number): void {
    const outcome = this.#hand(frame.payloads[frame.next]!, nowMs);
    if (outcome === "queued") {
      frame.parts?.begin(nowMs);
      if (!this.#queue.advance()) return;
      this.stats.sent++;
      frame.done?.("sent");
    } else if (outcome === "tooLarge") {
      this.#queue.dropHead();
      this.stats.failed++;
      frame.done?.("failed");
    }
  }

  /** Whether the channel is to be given a payload now. */
  #mayHand(): boolean {
    const port = this.#port;
    return port !== undefined && this.#retryAtMs === NEVER && port.bufferedAmount() <= this.#marks.highBytes;
  }

  /** Gives the channel one payload and takes note of its answer. */
  #hand(payload: Uint8Array, nowMs: number): SendOutcome {
    const port = this.#port!;
    const outcome = port.send(payload, nowMs);
    if (outcome === "queued") {
      this.stats.sentBytes += payload.length;
      this.#recent?.note(payload, nowMs);
      this.#meter.note(payload.length, port.bufferedAmount(), nowMs);
    } else if (outcome === "full") this.#retryAtMs = nowMs + RETRY_MS;
    else if (outcome === "closed") this.detach();
    return outcome;
  }

  #measureDrain(nowMs: number): void {
    const port = this.#port;
    if (!port) return;
    this.#meter.note(0, port.bufferedAmount(), nowMs);
    if (this.#marks.retune(this.#meter.bps, nowMs)) port.setLowWater(this.#marks.lowBytes);
  }

  #expire(nowMs: number): void {
    const queue = this.#queue;
    for (let frame = queue.takeOver(nowMs); frame; frame = queue.takeOver(nowMs)) {
      this.stats.expired++;
      frame.done?.("expired");
    }
  }
}
