/**
 * Which TSNs have arrived (RFC 9260 section 6.2): the cumulative one, and the blocks behind the gaps as a sorted list of
 * intervals. Memory is bounded by the number of blocks; a TSN that would need one more is refused, and sent again later.
 */
import { SACK_HEADER_BYTES, writeSackHeader } from "@stoa/wire/sctp/sack";
import { tsnAdd, tsnDiff } from "@stoa/wire/sctp/serial";
import { writeU16, writeU32 } from "@stoa/wire/sctp/bytes";
import type { PacketWriter } from "./packet-writer.ts";

const FIRST_BLOCKS = 16;
const MAX_BLOCKS = 2048;
/** A gap block can name no TSN beyond. */
const MAX_DISTANCE = 0xffff;
const MAX_DUPLICATES = 16;

/** TSNs of one peer. */
export class TsnTracker {
  cumulativeTsn: number;
  #count = 0;
  #starts = new Int32Array(FIRST_BLOCKS);
  #ends = new Int32Array(FIRST_BLOCKS);
  readonly #duplicates = new Int32Array(MAX_DUPLICATES);
  #duplicateCount = 0;
  /** Set by `check`: the first block that ends at or behind the TSN. */
  #index = 0;

  constructor(initialTsn: number) {
    this.cumulativeTsn = tsnAdd(initialTsn, -1);
  }

  get hasGaps(): boolean {
    return this.#count > 0;
  }

  /** Whether the TSN lies before one that has arrived. */
  fillsGap(tsn: number): boolean {
    return this.#count > 0 && tsnDiff(tsn, this.#ends[this.#count - 1]!) < 0;
  }

  /** Whether the TSN is the next one behind all that have arrived. */
  follows(tsn: number): boolean {
    return this.#count > 0 && tsn === tsnAdd(this.#ends[this.#count - 1]!, 1);
  }

  /** Whether the TSN is new; call `mark` next if so and the chunk is kept. */
  check(tsn: number): "new" | "duplicate" | "refused" {
    const distance = tsnDiff(tsn, this.cumulativeTsn);
    if (distance > MAX_DISTANCE) return "refused";
    if (distance <= 0) return this.#duplicate(tsn);
    const index = this.#find(tsn);
    this.#index = index;
    if (index < this.#count && tsnDiff(this.#starts[index]!, tsn) <= 0) return this.#duplicate(tsn);
    if (distance === 1 || this.#count < MAX_BLOCKS || this.#touches(tsn, index)) return "new";
    return "refused";
  }

  /** Notes the TSN that `check` has just called new. */
  mark(tsn: number): void {
    if (tsn === tsnAdd(this.cumulativeTsn, 1)) {
      this.cumulativeTsn = tsn;
      this.#swallow();
      return;
    }
    const index = this.#index;
    const joinsNext = index < this.#count && this.#starts[index] === tsnAdd(tsn, 1);
    const joinsPrevious = index > 0 && this.#ends[index - 1] === tsnAdd(tsn, -1);
    if (joinsNext && joinsPrevious) {
      this.#ends[index - 1] = this.#ends[index]!;
      this.#remove(index, 1);
    } else if (joinsNext) this.#starts[index] = tsn;
    else if (joinsPrevious) this.#ends[index - 1] = tsn;
    else this.#insert(index, tsn);
  }

  /** The peer gave up everything up to `tsn`. */
  skipTo(tsn: number): void {
    if (tsnDiff(tsn, this.cumulativeTsn) <= 0) return;
    this.cumulativeTsn = tsn;
    this.#swallow();
  }

  /** Appends a SACK with as many gap blocks as fit, the earliest first; forgets the duplicates. */
  writeSack(packet: PacketWriter, windowBytes: number): void {
    const bytes = packet.bytes;
    const fitting = (packet.room - SACK_HEADER_BYTES) >> 2;
    const gaps = Math.min(this.#count, fitting);
    let at = packet.end + SACK_HEADER_BYTES;
    for (let i = 0; i < gaps; i++, at += 4) {
      writeU16(bytes, at, tsnDiff(this.#starts[i]!, this.cumulativeTsn));
      writeU16(bytes, at + 2, tsnDiff(this.#ends[i]!, this.cumulativeTsn));
    }
    const duplicates = Math.min(this.#duplicateCount, fitting - gaps);
    for (let i = 0; i < duplicates; i++, at += 4) writeU32(bytes, at, this.#duplicates[i]!);
    packet.end = writeSackHeader(bytes, packet.end, this.cumulativeTsn, windowBytes, gaps, duplicates);
    this.#duplicateCount = 0;
  }

  #duplicate(tsn: number): "duplicate" {
    if (this.#duplicateCount < MAX_DUPLICATES) this.#duplicates[this.#duplicateCount++] = tsn;
    return "duplicate";
  }

  /** Index of the first block whose end is not before `tsn`. */
  #find(tsn: number): number {
    let low = 0;
    let high = this.#count;
    // Usually the TSN follows the last block.
    if (high > 0 && tsnDiff(tsn, this.#ends[high - 1]!) > 0) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tsnDiff(this.#ends[middle]!, tsn) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #touches(tsn: number, index: number): boolean {
    if (index < this.#count && this.#starts[index] === tsnAdd(tsn, 1)) return true;
    return index > 0 && this.#ends[index - 1] === tsnAdd(tsn, -1);
  }

  /** Moves the cumulative TSN over the blocks that it has reached. */
  #swallow(): void {
    let reached = 0;
    while (reached < this.#count && tsnDiff(this.#starts[reached]!, this.cumulativeTsn) <= 1) {
      if (tsnDiff(this.#ends[reached]!, this.cumulativeTsn) > 0) this.cumulativeTsn = this.#ends[reached]!;
      reached++;
    }
    if (reached > 0) this.#remove(0, reached);
  }

  #remove(index: number, count: number): void {
    this.#starts.copyWithin(index, index + count, this.#count);
    this.#ends.copyWithin(index, index + count, this.#count);
    this.#count -= count;
  }

  #insert(index: number, tsn: number): void {
    if (this.#count === this.#starts.length) {
      this.#starts = grown(this.#starts);
      this.#ends = grown(this.#ends);
    }
    this.#starts.copyWithin(index + 1, index, this.#count);
    this.#ends.copyWithin(index + 1, index, this.#count);
    this.#starts[index] = tsn;
    this.#ends[index] = tsn;
    this.#count++;
  }
}

function grown(from: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const to = new Int32Array(from.length * 2);
  to.set(from);
  return to;
}
