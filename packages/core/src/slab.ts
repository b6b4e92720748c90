/**
 * One block of memory that the sockets, the ciphers and the packet path share, and the slots that packets live in.
 * `core` addresses it by byte offset; `io` provides the buffer (outside the garbage collector on the fast path)
 * and alone knows its machine address. Offsets stay below 2^30, so that they are small integers in V8.
 */
import { StoaError } from "./errors.ts";

const ALIGN = 64;

/** Bytes of one packet slot: an MTU with room on both sides. A longer datagram is dropped by `io`. */
export const SLOT_BYTES = 2048;

/** The first 64 bytes of every slab, which `alloc` never gives out: for values that live within one call (an IV, a tag). */
export const SCRATCH_AT = 0;

/** A bump allocator over one buffer with a free list per size. Not for the packet path: use `PacketPool` there. */
export class Slab {
  readonly u8: Uint8Array;
  readonly view: DataView;
  #next = ALIGN;
  readonly #free = new Map<number, number[]>();

  constructor(buffer: ArrayBufferLike) {
    this.u8 = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Reserves `bytes`, aligned to 64; the content is undefined. Throws `slab_exhausted`. */
  alloc(bytes: number): number {
    const size = (bytes + ALIGN - 1) & -ALIGN;
    const reused = this.#free.get(size)?.pop();
    if (reused !== undefined) return reused;
    const at = this.#next;
    if (at + size > this.u8.length) {
      throw new StoaError(
        "slab_exhausted",
        `packet memory of ${this.u8.length} bytes is used up; raise its size or add media workers`,
      );
    }
    this.#next = at + size;
    return at;
  }

  /** Returns what `alloc(bytes)` gave. */
  free(at: number, bytes: number): void {
    const size = (bytes + ALIGN - 1) & -ALIGN;
    const list = this.#free.get(size);
    if (list) list.push(at);
    else this.#free.set(size, [at]);
  }
}

const CHUNK_SLOTS = 256;

/** Packet slots of `SLOT_BYTES`: received datagrams and what the rings keep. Taking and giving allocate nothing. */
export class PacketPool {
  readonly slab: Slab;
  #stack: Int32Array;
  #depth = 0;
  #total = 0;
  readonly #limit: number;

  /** `limit`: the most slots this pool ever holds. */
  constructor(slab: Slab, limit: number) {
    this.slab = slab;
    this.#limit = limit;
    this.#stack = new Int32Array(Math.max(limit, CHUNK_SLOTS));
  }

  /** Offset of a free slot, or -1 when the pool is exhausted. */
  take(): number {
    if (this.#depth === 0 && !this.#grow()) return -1;
    return this.#stack[--this.#depth]!;
  }

  /** Gives a slot back; the caller forgets the offset. */
  give(at: number): void {
    this.#stack[this.#depth++] = at;
  }

  /** Slots that are out at the moment. */
  get used(): number {
    return this.#total - this.#depth;
  }

  #grow(): boolean {
    const count = Math.min(CHUNK_SLOTS, this.#limit - this.#total);
    if (count <= 0) return false;
    const at = this.slab.alloc(count * SLOT_BYTES);
    for (let i = 0; i < count; i++) this.#stack[this.#depth++] = at + i * SLOT_BYTES;
    this.#total += count;
    return true;
  }
}
