/**
 * What went out on one stream lately, by outgoing sequence number: enough to send a packet again exactly as it was
 * (RFC 4588). One record is 16 bytes, 24 where packets are repeated under their own number; bounded. A packet is repeated at most three times, and not more often than the
 * answer takes to arrive (LiveKit: min(100 ms, 2 × RTT); but behind a long queue that is three times before the first arrives).
 */

const WORDS = 4;
/** Word 0: extended sequence number of the source. Word 1: timestamp sent. Word 2 and 3: see the shifts. */
const WORD_TIMESTAMP = 1;
const WORD_IDENTITY = 2;
const WORD_REPEAT = 3;
/** Word 2: outgoing sequence number (16), TL0PICIDX offset (8), KEYIDX offset (5), layer (3). */
const SEQUENCE_SHIFT = 16;
const TL0_SHIFT = 8;
const KEY_IDX_SHIFT = 3;
/** Word 3: picture id offset (15), repeats (2), low bits of the time of the last repeat (15). */
const PICTURE_ID_SHIFT = 17;
const REPEATS_SHIFT = 15;
const TIME_MASK = 0x7fff;

const MAX_REPEATS = 3;
const MAX_INTERVAL_MS = 100;
const LONGEST_RTT_MS = 500;

/** There is no such record, or it may not be repeated now. */
export const NO_RECORD = -1;

export class SentPackets {
  readonly #words: Int32Array;
  readonly #mask: number;
  /** What a repetition under the same number must carry again, two words a record; made for the first one. */
  #stamps: Int32Array | undefined;

  /** `capacity`: a power of two. */
  constructor(capacity: number) {
    this.#mask = capacity - 1;
    // No packet has an all-ones record: layer 7 does not exist.
    this.#words = new Int32Array(capacity * WORDS).fill(-1);
  }

  /** Notes a packet that goes out. */
  note(
    sequence: number,
    sourceSequence: number,
    timestamp: number,
    layer: number,
    pictureIdOffset: number,
    tl0Offset: number,
    keyIdxOffset: number,
  ): void {
    const at = (sequence & this.#mask) * WORDS;
    const words = this.#words;
    words[at] = sourceSequence;
    words[at + WORD_TIMESTAMP] = timestamp;
    words[at + WORD_IDENTITY] =
      (sequence << SEQUENCE_SHIFT) | (tl0Offset << TL0_SHIFT) | (keyIdxOffset << KEY_IDX_SHIFT) | layer;
    words[at + WORD_REPEAT] = pictureIdOffset << PICTURE_ID_SHIFT;
  }

  /** Notes the transport-wide number and the time of sending (as in abs-send-time) of a packet that goes out. */
  stamp(sequence: number, transportSequence: number, sendTime: number): void {
    this.#stamps ??= new Int32Array((this.#mask + 1) * 2);
    const at = (sequence & this.#mask) * 2;
    this.#stamps[at] = transportSequence;
    this.#stamps[at + 1] = sendTime;
  }

  /** The record of an outgoing sequence number (16 bits) if it may be repeated now, or `NO_RECORD`. Counts the repeat. */
  repeat(sequence: number, rttMs: number, ticksMs: number): number {
    const at = (sequence & this.#mask) * WORDS;
    const identity = this.#words[at + WORD_IDENTITY]!;
    if (identity === -1 || identity >>> SEQUENCE_SHIFT !== (sequence & 0xffff)) return NO_RECORD;
    const word = this.#words[at + WORD_REPEAT]!;
    const repeats = (word >> REPEATS_SHIFT) & 3;
    if (repeats === MAX_REPEATS) return NO_RECORD;
    const sinceMs = (ticksMs - word) & TIME_MASK;
    const usualMs = Math.max(Math.min(MAX_INTERVAL_MS, 2 * rttMs), Math.min(rttMs, LONGEST_RTT_MS));
    if (repeats > 0 && sinceMs < usualMs) return NO_RECORD;
    const kept = word & (-1 << PICTURE_ID_SHIFT);
    this.#words[at + WORD_REPEAT] = kept | ((repeats + 1) << REPEATS_SHIFT) | (ticksMs & TIME_MASK);
    return at;
  }

  /** How often it was repeated. */
  repeats(record: number): number {
    return (this.#words[record + WORD_REPEAT]! >> REPEATS_SHIFT) & 3;
  }

  sourceSequence(record: number): number {
    return this.#words[record]!;
  }

  timestamp(record: number): number {
    return this.#words[record + WORD_TIMESTAMP]!;
  }

  layer(record: number): number {
    return this.#words[record + WORD_IDENTITY]! & 7;
  }

  /** As noted by `stamp`; 0 if it never was. */
  transportSequence(record: number): number {
    return this.#stamps === undefined ? 0 : this.#stamps[record / 2]!;
  }

  sendTime(record: number): number {
    return this.#stamps === undefined ? 0 : this.#stamps[record / 2 + 1]!;
  }

  pictureIdOffset(record: number): number {
    return this.#words[record + WORD_REPEAT]! >>> PICTURE_ID_SHIFT;
  }

  tl0Offset(record: number): number {
    return (this.#words[record + WORD_IDENTITY]! >> TL0_SHIFT) & 255;
  }

  keyIdxOffset(record: number): number {
    return (this.#words[record + WORD_IDENTITY]! >> KEY_IDX_SHIFT) & 31;
  }
}
