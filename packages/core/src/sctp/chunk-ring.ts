/**
 * Storage for chunks that were sent and not cumulatively acknowledged: a ring of parallel arrays that grows by doubling.
 * No policy lives here. A position is the distance from the oldest chunk, a slot an index into the arrays.
 *
 * Invariants: position p carries TSN `cumulativeTsn + 1 + p`; the counts are those of the states, since only `append`, `become` and
 * `pop` change both.
 */
import { tsnAdd, tsnDiff } from "@stoa/wire/sctp/serial";
import type { OutboundMessage } from "./outbound-message.ts";

/** States of a chunk. */
export const FLIGHT = 0;
/** Reported by a gap block; the peer may still take it back. */
export const ACKED = 1;
/** To be sent again. */
export const LOST = 2;
/** Given up: the peer is to skip it. */
export const ABANDONED = 3;

const FIRST_CAPACITY = 32;

/** Slots are valid until the next `append`. */
export class ChunkRing {
  /** Last TSN that the peer has acknowledged together with all before it. */
  cumulativeTsn: number;
  /** Chunks inside. */
  count = 0;
  /** Payload bytes in flight. */
  flightBytes = 0;
  /** Chunks in flight that were sent more than once. */
  resentCount = 0;
  ackedCount = 0;
  /** To be sent again. */
  lostCount = 0;
  /** Given up, and the peer has not acknowledged that. */
  abandonedCount = 0;
  message: (OutboundMessage | undefined)[] = Array.from({ length: FIRST_CAPACITY });
  /** Offset and length of the payload in its message. */
  from = new Int32Array(FIRST_CAPACITY);
  length = new Int32Array(FIRST_CAPACITY);
  state = new Uint8Array(FIRST_CAPACITY);
  /** SACKs that reported the chunk missing since it was sent last. */
  misses = new Uint8Array(FIRST_CAPACITY);
  /** How often it was sent. */
  sends = new Int32Array(FIRST_CAPACITY);
  /** 1: it was the first of its packet when it was sent last, and stands for it where packets are counted. */
  leads = new Uint8Array(FIRST_CAPACITY);
  sentAtMs = new Float64Array(FIRST_CAPACITY);
  /** Only the acknowledgement of this TSN or a later one tells that the chunk is missing. */
  missFrom = new Int32Array(FIRST_CAPACITY);
  #mask = FIRST_CAPACITY - 1;
  #head = 0;

  constructor(initialTsn: number) {
    this.cumulativeTsn = tsnAdd(initialTsn, -1);
  }

  /** TSN of the next chunk. */
  get nextTsn(): number {
    return this.tsnAt(this.count);
  }

  /** TSN of the last chunk that was ever appended. */
  get lastTsn(): number {
    return this.tsnAt(this.count - 1);
  }

  tsnAt(position: number): number {
    return tsnAdd(this.cumulativeTsn, position + 1);
  }

  /** Where the chunk with this TSN is; negative when it has left. */
  positionOf(tsn: number): number {
    return tsnDiff(tsn, this.cumulativeTsn) - 1;
  }

  slot(position: number): number {
    return (this.#head + position) & this.#mask;
  }

  stateAt(position: number): number {
    return this.state[this.slot(position)]!;
  }

  messageAt(position: number): OutboundMessage {
    return this.message[this.slot(position)]!;
  }

  fromAt(position: number): number {
    return this.from[this.slot(position)]!;
  }

  lengthAt(position: number): number {
    return this.length[this.slot(position)]!;
  }

  /** Adds a chunk at the end that was sent once; gives its slot. */
  append(message: OutboundMessage, from: number, length: number, state: number): number {
    if (this.count > this.#mask) this.#grow();
    const slot = this.slot(this.count);
    this.message[slot] = message;
    this.from[slot] = from;
    this.length[slot] = length;
    this.state[slot] = state;
    this.misses[slot] = 0;
    this.sends[slot] = 1;
    this.leads[slot] = 0;
    this.missFrom[slot] = this.nextTsn;
    this.count++;
    this.#count(slot, 1);
    return slot;
  }

  /** Moves a chunk to another state; `sends` more of it went out with that. */
  become(slot: number, state: number, sends = 0): void {
    this.#count(slot, -1);
    this.state[slot] = state;
    this.sends[slot]! += sends;
    this.#count(slot, 1);
  }

  /** Forgets the oldest chunk; its slot can be read until the next `append`, but for the message. */
  pop(): void {
    this.#count(this.#head, -1);
    this.message[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.cumulativeTsn = tsnAdd(this.cumulativeTsn, 1);
    this.count--;
  }

  #count(slot: number, one: 1 | -1): void {
    switch (this.state[slot]) {
      case FLIGHT:
        this.flightBytes += one * this.length[slot]!;
        if (this.sends[slot]! > 1) this.resentCount += one;
        break;
      case ACKED:
        this.ackedCount += one;
        break;
      case LOST:
        this.lostCount += one;
        break;
      default:
        this.abandonedCount += one;
    }
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2;
    const order = Array.from({ length: this.count }, (_, position) => this.slot(position));
    const message: (OutboundMessage | undefined)[] = Array.from({ length: capacity });
    order.forEach((slot, position) => (message[position] = this.message[slot]));
    this.message = message;
    this.from = moved(this.from, new Int32Array(capacity), order);
    this.length = moved(this.length, new Int32Array(capacity), order);
    this.state = moved(this.state, new Uint8Array(capacity), order);
    this.misses = moved(this.misses, new Uint8Array(capacity), order);
    this.sends = moved(this.sends, new Int32Array(capacity), order);
    this.leads = moved(this.leads, new Uint8Array(capacity), order);
    this.sentAtMs = moved(this.sentAtMs, new Float64Array(capacity), order);
    this.missFrom = moved(this.missFrom, new Int32Array(capacity), order);
    this.#mask = capacity - 1;
    this.#head = 0;
  }
}

function moved<T extends Int32Array | Uint8Array | Float64Array>(from: T, to: T, order: readonly number[]): T {
  for (let i = 0; i < order.length; i++) to[i] = from[order[i]!]!;
  return to;
}
