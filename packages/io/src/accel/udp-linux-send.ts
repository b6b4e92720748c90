/**
 * The send queue of `udp-linux`: packets wait in slots of the slab, and `flush` hands them over with one `sendmmsg` per
 * socket. Neighbours of equal length to one path go as one message that the kernel cuts up (UDP GSO).
 *
 * Invariants: order is kept per path; what the system does not take now stays for the next flush as long as there is
 * room, then new packets are dropped and counted; the loop always moves on, whatever a single packet's error is.
 */
import type { Path } from "@stoa/core/paths";
import { SLOT_BYTES } from "@stoa/core/slab";
import type { AddressTable } from "./address-table.ts";
import { MMSGHDR_BYTES, MessageVector } from "./message-vector.ts";
import type { LibC, NativeCall } from "./native.ts";
import { ERRNO, lastErrno } from "./native.ts";
import type { NetworkCounters, UdpContext } from "./udp.ts";

/** Packets that the queue holds, the backlog of a full socket included (1 MiB of slots). */
const CAPACITY = 512;

/** A flush starts by itself when this many new packets wait. */
const FLUSH_AT = 64;

/** Not a power of two, so that the slots' headers do not fall on the same cache sets. */
const STRIDE = SLOT_BYTES + 64;

const MSG_DONTWAIT = 0x40;

/** Limits of one GSO message: segments (older kernels), and bytes with room for headers. */
const MAX_SEGMENTS = 64;
const MAX_SEGMENTED_BYTES = 65_000;

const DONE = 0;
const KEEP = 1;

/** Queue over all UDP sockets of a worker. */
export class SendQueue {
  readonly #table: AddressTable;
  readonly #counters: NetworkCounters;
  readonly #sendmmsg: NativeCall;
  readonly #messages: MessageVector;
  readonly #headers: number;
  readonly #fds: readonly number[];
  /** One more than the capacity: there is always a slot to reserve. */
  readonly #slots = new Int32Array(CAPACITY + 1);
  readonly #paths = new Int32Array(CAPACITY);
  readonly #lengths = new Int32Array(CAPACITY);
  readonly #state = new Uint8Array(CAPACITY);
  readonly #waiting: Int32Array;
  /** First entry and number of entries of each message of the current pass. */
  readonly #first = new Int32Array(CAPACITY);
  readonly #entries = new Int32Array(CAPACITY);
  #count = 0;
  #flushAt = FLUSH_AT;
  #gso: boolean;
  #open = true;

  constructor(context: UdpContext, base: number, libc: LibC, fds: readonly number[], gso: boolean) {
    this.#table = context.table;
    this.#counters = context.counters;
    this.#sendmmsg = libc.sendmmsg;
    this.#fds = fds;
    this.#gso = gso;
    this.#waiting = new Int32Array(fds.length);
    this.#messages = new MessageVector(context.slab, base, CAPACITY);
    this.#headers = base + this.#messages.at;
    const memory = context.slab.alloc((CAPACITY + 1) * STRIDE);
    for (let i = 0; i <= CAPACITY; i++) this.#slots[i] = memory + i * STRIDE;
    for (let i = 0; i < CAPACITY; i++) this.#messages.setBuffer(i, this.#slots[i]!, 0);
  }

  get pending(): number {
    return this.#count;
  }

  reserve(): number {
    return this.#slots[this.#count]!;
  }

  commit(path: Path, length: number): void {
    const i = this.#count;
    if (!this.#open || !this.#table.isUdp(path)) {
      this.#counters.droppedPathGone += 1;
      return;
    }
    if (i === CAPACITY || length > SLOT_BYTES) {
      if (i === CAPACITY) this.#counters.droppedFull += 1;
      else this.#counters.droppedTooLong += 1;
      return;
    }
    this.#messages.setLength(i, length);
    this.#paths[i] = path;
    this.#lengths[i] = length;
    this.#state[i] = KEEP;
    this.#waiting[this.#table.socketOf(path)]! += 1;
    this.#count = i + 1;
    if (this.#count >= this.#flushAt) this.flush();
  }

  flush(): void {
    if (this.#count === 0 || !this.#open) return;
    let kept = 0;
    for (let socket = 0; socket < this.#fds.length; socket++) {
      if (this.#waiting[socket] === 0) continue;
      // A refused GSO message makes the pass start over without GSO, which then ends.
      let finished = this.#pass(socket, this.#gso);
      if (!finished) finished = this.#pass(socket, false);
      kept += this.#waiting[socket]!;
    }
    if (kept === 0) this.#count = 0;
    else this.#compact();
    this.#flushAt = Math.min(this.#count + FLUSH_AT, CAPACITY);
  }

  /** Sends what waits, then nothing any more: the descriptors may become others'. */
  close(): void {
    this.flush();
    this.#open = false;
    this.#count = 0;
  }

  /** Sends what waits for one socket. False when it must run again without GSO. */
  #pass(socket: number, gso: boolean): boolean {
    const total = this.#build(socket, gso);
    const fd = this.#fds[socket]!;
    let next = 0;
    while (next < total) {
      const sent = this.#sendmmsg(fd, this.#headers + next * MMSGHDR_BYTES, total - next, MSG_DONTWAIT);
      if (sent > 0) {
        for (let i = next; i < next + sent; i++) this.#counters.sent += this.#settle(socket, i);
        next += sent;
        continue;
      }
      const errno = lastErrno();
      if (errno === ERRNO.EINTR) continue;
      if (errno === ERRNO.EAGAIN || errno === ERRNO.ENOBUFS || errno === ERRNO.ENOMEM) return true;
      if (this.#entries[next]! > 1 && (errno === ERRNO.EIO || errno === ERRNO.EINVAL || errno === ERRNO.EMSGSIZE)) {
        if (errno !== ERRNO.EMSGSIZE) this.#gso = false; // the device cannot; a small path MTU is one path's affair
        return false;
      }
      this.#counters.droppedRefused += this.#settle(socket, next);
      next += 1;
    }
    return true;
  }

  /** Marks the entries of message i as done; how many. */
  #settle(socket: number, i: number): number {
    const first = this.#first[i]!;
    const entries = this.#entries[i]!;
    for (let entry = first; entry < first + entries; entry++) this.#state[entry] = DONE;
    this.#waiting[socket]! -= entries;
    return entries;
  }

  /** Lays out the messages of one socket; how many. */
  #build(socket: number, gso: boolean): number {
    let total = 0;
    let i = 0;
    while (i < this.#count) {
      const path = this.#paths[i]!;
      if (this.#state[i] === DONE || this.#table.socketOf(path) !== socket) {
        i += 1;
        continue;
      }
      const entries = gso ? this.#run(i) : 1;
      const segment = entries > 1 ? this.#lengths[i]! : 0;
      this.#messages.setMessage(
        total,
        this.#table.addressAt(path),
        this.#table.addressLength(path),
        i,
        entries,
        segment,
      );
      this.#first[total] = i;
      this.#entries[total] = entries;
      total += 1;
      i += entries;
    }
    return total;
  }

  /** How many entries from i on fit in one GSO message: same path, same length but for a shorter last one. */
  #run(i: number): number {
    const path = this.#paths[i]!;
    const segment = this.#lengths[i]!;
    const limit = Math.min(this.#count, i + MAX_SEGMENTS);
    let bytes = segment;
    let end = i + 1;
    while (end < limit && this.#paths[end] === path && this.#state[end] === KEEP) {
      const length = this.#lengths[end]!;
      bytes += length;
      if (length > segment || length === 0 || bytes > MAX_SEGMENTED_BYTES) break;
      end += 1;
      if (length < segment) break;
    }
    return end - i;
  }

  /** Moves what was kept to the front, in order; slots change places with their entries. */
  #compact(): void {
    let to = 0;
    for (let from = 0; from < this.#count; from++) {
      if (this.#state[from] === DONE) continue;
      if (to !== from) {
        const slot = this.#slots[from]!;
        this.#slots[from] = this.#slots[to]!;
        this.#slots[to] = slot;
        this.#paths[to] = this.#paths[from]!;
        this.#lengths[to] = this.#lengths[from]!;
        this.#state[to] = KEEP;
        this.#messages.setBuffer(to, slot, this.#lengths[to]!);
        this.#messages.setBuffer(from, this.#slots[from]!, 0);
      }
      to += 1;
    }
    this.#count = to;
  }
}
