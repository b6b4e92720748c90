/**
 * The receiving side of `udp-linux`: `recvmmsg` puts datagrams straight into slots of the packet pool.
 *
 * Invariants: slots 0 … ready − 1 belong to the receiver and are what the headers point at; a slot that `core` took is
 * replaced before the next call; when the pool is exhausted, one private slot still drains the socket, and what lands
 * there is dropped and counted (a readable socket that nobody reads would wake the loop for ever).
 */
import { NO_PATH } from "@stoa/core/paths";
import { SLOT_BYTES } from "@stoa/core/slab";
import { BatchBuffer } from "../receive-batch.ts";
import { SOCKADDR_BYTES } from "./address-table.ts";
import { MessageVector } from "./message-vector.ts";
import type { LibC, NativeCall } from "./native.ts";
import type { UdpContext } from "./udp.ts";
import { BATCHES_PER_WAKE, BATCH_PACKETS } from "./udp.ts";

const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const NAME_BYTES = 28;

/** Shared by all sockets of a worker, which are read one after the other. */
export class Receiver {
  readonly #context: UdpContext;
  readonly #recvmmsg: NativeCall;
  readonly #messages: MessageVector;
  readonly #headers: number;
  readonly #names: number;
  readonly #batch = new BatchBuffer(BATCH_PACKETS);
  readonly #slots = new Int32Array(BATCH_PACKETS);
  /** Slot index of each datagram of the batch. */
  readonly #origin = new Int32Array(BATCH_PACKETS);
  readonly #spare: number;
  #ready = 0;
  #open = true;
  #delivering = false;

  constructor(context: UdpContext, base: number, libc: LibC) {
    this.#context = context;
    this.#recvmmsg = libc.recvmmsg;
    this.#messages = new MessageVector(context.slab, base, BATCH_PACKETS);
    this.#headers = base + this.#messages.at;
    this.#names = context.slab.alloc(BATCH_PACKETS * SOCKADDR_BYTES);
    this.#spare = context.slab.alloc(SLOT_BYTES);
    context.slab.u8.fill(0, this.#names, this.#names + BATCH_PACKETS * SOCKADDR_BYTES);
    for (let i = 0; i < BATCH_PACKETS; i++) {
      this.#messages.setMessage(i, this.#names + i * SOCKADDR_BYTES, NAME_BYTES, i, 1, 0);
    }
  }

  /** Reads one socket until it is empty or other work is due. */
  drain(socket: number, fd: number): void {
    for (let round = 0; round < BATCHES_PER_WAKE; round++) {
      if (!this.#open) return;
      this.#refill();
      const room = this.#ready === 0 ? this.#useSpare() : this.#ready;
      const count = this.#recvmmsg(fd, this.#headers, room, MSG_DONTWAIT, 0);
      if (count <= 0) return;
      if (this.#ready === 0) this.#context.counters.droppedNoMemory += count;
      else this.#collect(socket, count);
      for (let i = 0; i < count; i++) this.#messages.setNameLength(i, NAME_BYTES);
      if (this.#batch.count > 0) this.#deliver();
      if (count < room) return;
    }
  }

  /** Gives the slots back to the pool; from within a batch, at its end. */
  close(): void {
    this.#open = false;
    if (!this.#delivering) this.#releaseSlots();
  }

  #releaseSlots(): void {
    for (let i = 0; i < this.#ready; i++) if (this.#slots[i]! >= 0) this.#context.pool.give(this.#slots[i]!);
    this.#ready = 0;
  }

  #collect(socket: number, count: number): void {
    const { table, counters, beforeBatch } = this.#context;
    const messages = this.#messages;
    beforeBatch();
    for (let i = 0; i < count; i++) {
      if ((messages.flags(i) & MSG_TRUNC) !== 0) {
        counters.droppedTooLong += 1;
        continue;
      }
      const length = messages.transferred(i);
      if (length === 0) continue;
      const path = table.find(socket, this.#names + i * SOCKADDR_BYTES);
      if (path === NO_PATH) {
        counters.droppedNoPath += 1;
        continue;
      }
      this.#origin[this.#batch.count] = i;
      this.#batch.add(this.#slots[i]!, length, path);
      counters.received += 1;
    }
  }

  #deliver(): void {
    const batch = this.#batch;
    this.#delivering = true;
    try {
      this.#context.onBatch(batch);
    } finally {
      for (let i = 0; i < batch.count; i++) if (batch.taken[i] === 1) this.#slots[this.#origin[i]!] = -1;
      batch.count = 0;
      this.#delivering = false;
      if (!this.#open) this.#releaseSlots();
    }
  }

  /** Fills the holes of taken slots, from the pool or else from the end, and points the headers at them. */
  #refill(): void {
    const slots = this.#slots;
    let i = 0;
    while (i < BATCH_PACKETS) {
      if (i < this.#ready && slots[i]! >= 0) {
        i += 1;
        continue;
      }
      const at = this.#context.pool.take();
      if (at < 0) break;
      this.#place(i, at);
      if (i === this.#ready) this.#ready += 1;
      i += 1;
    }
    // The pool is exhausted: close the holes that are left with slots from the end.
    for (; i < this.#ready; i++) {
      while (this.#ready > i && slots[this.#ready - 1]! < 0) this.#ready -= 1;
      if (i < this.#ready && slots[i]! < 0) {
        this.#ready -= 1;
        this.#place(i, slots[this.#ready]!);
      }
    }
  }

  #place(i: number, at: number): void {
    this.#slots[i] = at;
    this.#messages.setBuffer(i, at, SLOT_BYTES);
  }

  #useSpare(): number {
    this.#messages.setBuffer(0, this.#spare, SLOT_BYTES);
    return 1;
  }
}
