/**
 * The receiving side of `udp-linux`: node reads the datagram that wakes the event loop, `recvmmsg` puts those behind it
 * straight into slots of the packet pool.
 *
 * Invariants: slots 0 … ready − 1 belong to the receiver and are what the headers point at; a slot that `core` took is
 * replaced before the next call; when the pool is exhausted, one private slot still drains the socket, so that what comes
 * once there is room again is fresh, and what lands there is dropped and counted.
 */
import type { Path } from "@stoa/core/paths";
import { NO_PATH } from "@stoa/core/paths";
import { SLOT_BYTES } from "@stoa/core/slab";
import { parseIp } from "../ip-address.ts";
import { BatchBuffer } from "../receive-batch.ts";
import { SOCKADDR_BYTES, writeSockaddr } from "./address-table.ts";
import { MMSGHDR_BYTES, MessageVector } from "./message-vector.ts";
import type { LibC, NativeCall } from "./native.ts";
import type { UdpContext } from "./udp.ts";
import { BATCH_PACKETS } from "./udp.ts";

const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const NAME_BYTES = 28;

/** A batch can mean thousands of packets to send; after this long, commands and other sockets get their turn. */
const MAX_WAKE_MS = 4;

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
  /** Whether this turn of the event loop has had its share. */
  #spent = false;

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

  /**
   * Takes the datagram that woke us, then reads the socket until it is empty or this turn's share of time is used up.
   * After that the event loop may still hand over a few datagrams before it goes on: they wait for its next turn.
   */
  handleMessage(socket: number, fd: number, first: Uint8Array, from: string, port: number): void {
    if (!this.#open) return;
    this.#refill();
    this.#context.beforeBatch();
    this.#takeFirst(socket, first, from, port);
    if (this.#spent && this.#batch.count < BATCH_PACKETS) return;
    const startMs = performance.now();
    for (;;) {
      const more = this.#readMore(socket, fd);
      this.#deliver();
      if (!more || !this.#open) return;
      if (performance.now() - startMs > MAX_WAKE_MS) break;
      this.#refill();
      this.#context.beforeBatch();
    }
    if (this.#spent) return;
    this.#spent = true;
    setImmediate(() => {
      this.#spent = false;
      this.#deliver();
    });
  }

  /** Whether datagrams wait to be delivered. */
  get waiting(): boolean {
    return this.#batch.count > 0;
  }

  /** Gives the slots back to the pool; from within a batch, at its end. */
  close(): void {
    this.#open = false;
    if (this.#delivering) return;
    this.#batch.count = 0;
    this.#releaseSlots();
  }

  #releaseSlots(): void {
    for (let i = 0; i < this.#ready; i++) if (this.#slots[i]! >= 0) this.#context.pool.give(this.#slots[i]!);
    this.#ready = 0;
  }

  /** Copies a datagram that node read into the next slot. */
  #takeFirst(socket: number, bytes: Uint8Array, from: string, port: number): void {
    const { slab, table, counters } = this.#context;
    const address = parseIp(from);
    const next = this.#batch.count;
    if (!address || bytes.length === 0) return;
    if (bytes.length > SLOT_BYTES) counters.droppedTooLong += 1;
    else if (next >= this.#ready) counters.droppedNoMemory += 1;
    else {
      writeSockaddr(slab, this.#names, address, port);
      slab.u8.set(bytes, this.#slots[next]!);
      this.#add(next, bytes.length, table.find(socket, this.#names));
    }
  }

  /** One `recvmmsg` behind what the batch holds; true if there may be more. */
  #readMore(socket: number, fd: number): boolean {
    const { table, counters } = this.#context;
    const messages = this.#messages;
    const offset = this.#batch.count;
    const room = this.#ready === 0 ? this.#useSpare() : this.#ready - offset;
    if (room === 0) return true;
    const count = this.#recvmmsg(fd, this.#headers + offset * MMSGHDR_BYTES, room, MSG_DONTWAIT, 0);
    for (let i = offset; i < offset + count; i++) {
      const length = messages.transferred(i);
      if (this.#ready === 0) counters.droppedNoMemory += 1;
      else if ((messages.flags(i) & MSG_TRUNC) !== 0) counters.droppedTooLong += 1;
      else if (length > 0) this.#add(i, length, table.find(socket, this.#names + i * SOCKADDR_BYTES));
      messages.setNameLength(i, NAME_BYTES);
    }
    return count === room;
  }

  #add(slot: number, length: number, path: Path): void {
    if (path === NO_PATH) {
      this.#context.counters.droppedNoPath += 1;
      return;
    }
    this.#origin[this.#batch.count] = slot;
    this.#batch.add(this.#slots[slot]!, length, path);
    this.#context.counters.received += 1;
  }

  #deliver(): void {
    const batch = this.#batch;
    if (batch.count === 0) return;
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
