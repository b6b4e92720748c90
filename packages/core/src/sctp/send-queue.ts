/**
 * Messages that wait to be sent, and whose turn it is: one message per channel in turn, so that a bulk transfer cannot
 * starve the others. Without I-DATA the fragments of a message follow each other, so a turn is never interrupted.
 */
import type { EventQueue } from "./events.ts";
import { Fifo } from "./fifo.ts";
import { ITEM_OVERHEAD_BYTES } from "./options.ts";
import type { OutboundMessage, OutboundStream } from "./outbound-message.ts";
import type { SctpStats } from "./stats.ts";

/** All outbound streams of an association. */
export class SendQueue {
  readonly #events: EventQueue;
  readonly #stats: SctpStats;
  readonly #limitBytes: number;
  readonly #round = new Fifo<OutboundStream>();
  readonly #refused = new Set<OutboundStream>();
  #current: OutboundMessage | undefined;
  #heldBytes = 0;

  constructor(events: EventQueue, stats: SctpStats, limitBytes: number) {
    this.#events = events;
    this.#stats = stats;
    this.#limitBytes = limitBytes;
  }

  /** Bytes held by messages that are not finished, with their overhead. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether a user's message of `bytes` fits below the high water mark. A refused stream hears when there is room. */
  hasRoom(stream: OutboundStream, bytes: number): boolean {
    // A message longer than the whole bound still goes out alone.
    if (this.#heldBytes === 0 || this.#heldBytes + bytes + ITEM_OVERHEAD_BYTES <= this.#limitBytes) return true;
    stream.refused = true;
    this.#refused.add(stream);
    return false;
  }

  enqueue(message: OutboundMessage): void {
    const stream = message.stream;
    this.#heldBytes += message.data.length + ITEM_OVERHEAD_BYTES;
    if (message.counted) stream.bufferedBytes += message.data.length;
    stream.unfinished++;
    stream.queue.push(message);
    if (!stream.scheduled) {
      stream.scheduled = true;
      this.#round.push(stream);
    }
  }

  /** The message whose fragment is next; drops what expired before its first one. */
  next(nowMs: number): OutboundMessage | undefined {
    if (this.#current) return this.#current;
    for (let stream = this.#round.peek(); stream; stream = this.#round.peek()) {
      const message = stream.queue.peek();
      if (message && nowMs < message.expiresAtMs) {
        this.#current = message;
        return message;
      }
      if (message) this.#drop(message);
      this.#turn(stream);
    }
    return undefined;
  }

  /** `bytes` more of the current message are in a packet. */
  advance(message: OutboundMessage, bytes: number): void {
    message.sentBytes += bytes;
    this.#drain(message, bytes);
    if (message.sentBytes < message.data.length) return;
    message.stream.queue.shift();
    this.#current = undefined;
    this.#turn(message.stream);
  }

  /** Stops a message that was given up after some of its fragments; true when it was the current one. */
  cut(message: OutboundMessage): boolean {
    if (this.#current !== message) return false;
    this.#drain(message, message.data.length - message.sentBytes);
    message.stream.queue.shift();
    this.#current = undefined;
    this.#turn(message.stream);
    return true;
  }

  /** A message left the association: acknowledged, or given up. */
  finish(message: OutboundMessage): void {
    message.stream.unfinished--;
    this.#heldBytes -= message.data.length + ITEM_OVERHEAD_BYTES;
    if (this.#refused.size > 0 && this.#heldBytes <= this.#limitBytes / 2) this.#invite();
  }

  /** Drops the messages of a stream that have no fragment out yet. */
  clear(stream: OutboundStream): void {
    const first = stream.queue.peek();
    const keep = first && first === this.#current && first.sentBytes > 0 ? first : undefined;
    if (keep) stream.queue.shift();
    else if (first === this.#current) this.#current = undefined;
    for (let message = stream.queue.peek(); message; message = stream.queue.peek()) this.#drop(message);
    if (keep) stream.queue.push(keep);
    this.#refused.delete(stream);
  }

  /** Nothing more will be sent on the stream: nobody waits for room. */
  forget(stream: OutboundStream): void {
    this.#refused.delete(stream);
  }

  /** Drops the message that is being sent, fragments or not: the association ended or restarted. */
  abort(): void {
    const message = this.#current;
    if (!message || !this.cut(message)) return;
    this.finish(message);
  }

  #drop(message: OutboundMessage): void {
    message.stream.queue.shift();
    message.abandoned = true;
    this.#stats.abandonedMessages++;
    this.#drain(message, message.data.length);
    this.finish(message);
  }

  /** Moves the stream at the front of the round to its end, or out of it. */
  #turn(stream: OutboundStream): void {
    this.#round.shift();
    stream.scheduled = stream.queue.size > 0;
    if (stream.scheduled) this.#round.push(stream);
  }

  #drain(message: OutboundMessage, bytes: number): void {
    if (!message.counted) return;
    const stream = message.stream;
    const before = stream.bufferedBytes;
    stream.bufferedBytes = before - bytes;
    if (before > stream.lowWaterBytes && stream.bufferedBytes <= stream.lowWaterBytes) this.#low(stream);
  }

  #low(stream: OutboundStream): void {
    if (stream.refused && this.#heldBytes > this.#limitBytes / 2) return;
    stream.refused = false;
    this.#refused.delete(stream);
    this.#events.push({ type: "bufferedLow", channel: stream.id });
  }

  #invite(): void {
    for (const stream of this.#refused) if (stream.bufferedBytes <= stream.lowWaterBytes) this.#low(stream);
  }
}
