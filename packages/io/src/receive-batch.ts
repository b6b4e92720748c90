/** The batch that `core` gets, and the inbox that fills one from datagrams in JavaScript memory (node's UDP, TCP). */
import type { DatagramBatch, Path } from "@stoa/core/paths";
import type { PacketPool } from "@stoa/core/slab";
import { SLOT_BYTES } from "@stoa/core/slab";
import type { NetworkCounters } from "./accel/udp.ts";

/** A `DatagramBatch` that its owner fills again and again. */
export class BatchBuffer implements DatagramBatch {
  count = 0;
  readonly at: Int32Array;
  readonly length: Int32Array;
  readonly path: Int32Array;
  readonly taken: Uint8Array;

  constructor(capacity: number) {
    this.at = new Int32Array(capacity);
    this.length = new Int32Array(capacity);
    this.path = new Int32Array(capacity);
    this.taken = new Uint8Array(capacity);
  }

  /** Adds a datagram; the caller knows that there is room. */
  add(at: number, length: number, path: Path): void {
    const i = this.count++;
    this.at[i] = at;
    this.length[i] = length;
    this.path[i] = path;
    this.taken[i] = 0;
  }
}

/** Copies datagrams into pool slots and delivers them in batches. */
export class Inbox {
  readonly #batch: BatchBuffer;
  readonly #pool: PacketPool;
  readonly #counters: NetworkCounters;
  readonly #onBatch: (batch: DatagramBatch) => void;

  constructor(capacity: number, pool: PacketPool, counters: NetworkCounters, onBatch: (batch: DatagramBatch) => void) {
    this.#batch = new BatchBuffer(capacity);
    this.#pool = pool;
    this.#counters = counters;
    this.#onBatch = onBatch;
  }

  /** Whether datagrams wait to be delivered. */
  get waiting(): boolean {
    return this.#batch.count > 0;
  }

  /** Adds one datagram and delivers the batch once it is full. */
  push(bytes: Uint8Array, path: Path): void {
    if (bytes.length === 0) return;
    if (bytes.length > SLOT_BYTES) {
      this.#counters.droppedTooLong += 1;
      return;
    }
    const at = this.#pool.take();
    if (at < 0) {
      this.#counters.droppedNoMemory += 1;
      return;
    }
    this.#pool.slab.u8.set(bytes, at);
    this.#batch.add(at, bytes.length, path);
    this.#counters.received += 1;
    if (this.#batch.count === this.#batch.at.length) this.deliver();
  }

  /** Delivers what is there and takes back the slots that nobody kept. */
  deliver(): void {
    const batch = this.#batch;
    if (batch.count === 0) return;
    try {
      this.#onBatch(batch);
    } finally {
      for (let i = 0; i < batch.count; i++) if (batch.taken[i] === 0) this.#pool.give(batch.at[i]!);
      batch.count = 0;
    }
  }
}
