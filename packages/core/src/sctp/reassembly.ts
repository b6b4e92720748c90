/**
 * Fragments to messages (RFC 9260 section 6.9). The fragments of a message have consecutive TSNs, so what is held is a
 * sorted list of runs: neighbouring TSNs of one message. A run with its first and its last fragment is a message.
 * What can never become whole is dropped: its TSNs count as received, and the peer will not send them again.
 */
import { FLAG_BEGIN, FLAG_END, FLAG_UNORDERED } from "@stoa/wire/sctp/data";
import type { DataChunk } from "@stoa/wire/sctp/data";
import { tsnDiff } from "@stoa/wire/sctp/serial";
import { ITEM_OVERHEAD_BYTES } from "./options.ts";
import type { ReceiveBuffer } from "./receive-buffer.ts";
import type { SctpStats } from "./stats.ts";

const MAX_RUNS = 2048;
const NOTHING = new Uint8Array(0);

/** A message as it came. */
export interface InboundMessage {
  readonly streamId: number;
  readonly ssn: number;
  readonly unordered: boolean;
  readonly ppid: number;
  /** A copy for the receiver to keep; undefined when the message was too long, which still has its place in the order. */
  readonly data: Uint8Array | undefined;
}

interface Run {
  readonly firstTsn: number;
  lastTsn: number;
  readonly begins: boolean;
  ends: boolean;
  readonly unordered: boolean;
  readonly streamId: number;
  readonly ssn: number;
  readonly ppid: number;
  /** Room for `length` bytes and more; nothing once the message is too long. */
  data: Uint8Array;
  length: number;
}

/** All messages of one association that are in pieces. */
export class Reassembly {
  readonly #memory: ReceiveBuffer;
  readonly #stats: SctpStats;
  readonly #maxBytes: number;
  readonly #runs: Run[] = [];
  /** Length of the last long message: most streams send many of one size. */
  #usualBytes = 0;

  constructor(memory: ReceiveBuffer, stats: SctpStats, maxBytes: number) {
    this.#memory = memory;
    this.#stats = stats;
    this.#maxBytes = maxBytes;
  }

  /** Whether another run may be started. */
  get hasRoom(): boolean {
    return this.#runs.length < MAX_RUNS;
  }

  /**
   * Takes a fragment whose TSN is new; gives the message if it is whole now. `cumulativeTsn` is the one before this
   * fragment: one that continues what has passed already, and is not held, is an orphan.
   */
  add(bytes: Uint8Array, chunk: DataChunk, cumulativeTsn: number): InboundMessage | undefined {
    const begins = (chunk.flags & FLAG_BEGIN) !== 0;
    if (begins && (chunk.flags & FLAG_END) !== 0) return this.#single(bytes, chunk);
    const index = this.#find(chunk.tsn);
    const previous = this.#runs[index - 1];
    if (!begins && previous && continues(previous, chunk)) {
      this.#append(previous, bytes, chunk.from, chunk.to);
      previous.lastTsn = chunk.tsn;
      previous.ends = (chunk.flags & FLAG_END) !== 0;
      return this.#joinNext(index - 1);
    }
    const orphan = !begins && tsnDiff(chunk.tsn, cumulativeTsn) <= 1;
    this.#runs.splice(index, 0, this.#start(bytes, chunk, begins));
    if (orphan) return this.#dropOrphan(index);
    return this.#joinNext(index);
  }

  /** Drops runs whose neighbour has arrived without joining them: the peer broke the rules. */
  purge(cumulativeTsn: number): void {
    while (this.#runs.length > 0 && tsnDiff(cumulativeTsn, this.#runs[0]!.lastTsn) > 0) this.#drop(0);
  }

  /** The peer gave up everything up to `tsn`: what misses a piece there is lost. */
  skipTo(tsn: number): void {
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      const run = this.#runs[i]!;
      const keep = run.begins ? tsnDiff(run.lastTsn, tsn) > 0 : tsnDiff(run.firstTsn, tsn) > 1;
      if (!keep) this.#remove(i);
    }
  }

  /** Forgets everything. */
  clear(): void {
    while (this.#runs.length > 0) this.#remove(this.#runs.length - 1);
  }

  #single(bytes: Uint8Array, chunk: DataChunk): InboundMessage {
    const tooLong = chunk.to - chunk.from > this.#maxBytes;
    if (tooLong) this.#stats.droppedMessages++;
    return {
      streamId: chunk.streamId,
      ssn: chunk.ssn,
      unordered: (chunk.flags & FLAG_UNORDERED) !== 0,
      ppid: chunk.ppid,
      data: tooLong ? undefined : copyOf(bytes, chunk.from, chunk.to),
    };
  }

  /** Index of the first run behind `tsn`. */
  #find(tsn: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tsnDiff(this.#runs[middle]!.firstTsn, tsn) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #start(bytes: Uint8Array, chunk: DataChunk, begins: boolean): Run {
    const length = chunk.to - chunk.from;
    // Only one run at a time gets room for a whole message on trust.
    const capacity = this.#runs.length === 0 ? Math.max(this.#usualBytes, length * 2) : length;
    const run: Run = {
      firstTsn: chunk.tsn,
      lastTsn: chunk.tsn,
      begins,
      ends: (chunk.flags & FLAG_END) !== 0,
      unordered: (chunk.flags & FLAG_UNORDERED) !== 0,
      streamId: chunk.streamId,
      ssn: chunk.ssn,
      ppid: chunk.ppid,
      data: new Uint8Array(capacity),
      length: 0,
    };
    this.#memory.add(ITEM_OVERHEAD_BYTES);
    this.#append(run, bytes, chunk.from, chunk.to);
    return run;
  }

  #append(run: Run, bytes: Uint8Array, from: number, to: number): void {
    const length = run.length + to - from;
    this.#memory.add(to - from);
    if (length > this.#maxBytes) run.data = NOTHING;
    else {
      if (length > run.data.length) {
        const larger = new Uint8Array(Math.min(length * 2, this.#maxBytes));
        larger.set(run.data.subarray(0, run.length));
        run.data = larger;
      }
      run.data.set(bytes.subarray(from, to), run.length);
    }
    run.length = length;
  }

  /** Joins the run with the next one if they touch; gives the message if it is whole. */
  #joinNext(index: number): InboundMessage | undefined {
    const run = this.#runs[index]!;
    const next = this.#runs[index + 1];
    if (next && next.firstTsn === ((run.lastTsn + 1) | 0)) {
      if (!next.begins && continues(run, next)) {
        this.#append(run, next.data, 0, next.length);
        run.lastTsn = next.lastTsn;
        run.ends = next.ends;
        this.#remove(index + 1);
      } else {
        if (!next.begins) this.#drop(index + 1);
        if (!run.ends) {
          this.#drop(index);
          return undefined;
        }
      }
    }
    return run.begins && run.ends ? this.#finish(index) : undefined;
  }

  #finish(index: number): InboundMessage {
    const { streamId, ssn, unordered, ppid, data, length } = this.#runs[index]!;
    this.#remove(index);
    const message = { streamId, ssn, unordered, ppid };
    if (length > this.#maxBytes) {
      this.#stats.droppedMessages++;
      return { ...message, data: undefined };
    }
    this.#usualBytes = length;
    const wasteful = data.length - length > length / 4;
    return { ...message, data: wasteful ? data.slice(0, length) : data.subarray(0, length) };
  }

  /** Drops the fragment at `index` and what would only have continued it. */
  #dropOrphan(index: number): undefined {
    const orphan = this.#runs[index]!;
    const next = this.#runs[index + 1];
    if (next && !next.begins && next.firstTsn === ((orphan.lastTsn + 1) | 0)) this.#remove(index + 1);
    this.#drop(index);
  }

  #drop(index: number): void {
    this.#stats.droppedMessages++;
    this.#remove(index);
  }

  #remove(index: number): void {
    const run = this.#runs[index]!;
    this.#memory.remove(run.length + ITEM_OVERHEAD_BYTES);
    this.#runs.splice(index, 1);
  }
}

/** A copy for sure: `slice` of a subclass may be a view. */
function copyOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const copy = new Uint8Array(to - from);
  copy.set(bytes.subarray(from, to));
  return copy;
}

/** Whether `next` carries on the message of `run`, with the TSN that follows. */
function continues(run: Run, next: DataChunk | Run): boolean {
  const tsn = "tsn" in next ? next.tsn : next.firstTsn;
  const unordered = "tsn" in next ? (next.flags & FLAG_UNORDERED) !== 0 : next.unordered;
  return (
    !run.ends &&
    tsn === ((run.lastTsn + 1) | 0) &&
    next.streamId === run.streamId &&
    unordered === run.unordered &&
    (unordered || next.ssn === run.ssn)
  );
}
