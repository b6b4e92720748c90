/**
 * All paths of one worker: which address a `Path` handle stands for, and who holds it. UDP addresses are kept as Linux
 * socket addresses in the slab, so that `sendmmsg` can point at them and a received name is compared word by word.
 *
 * Invariants: a lookup allocates nothing; a retained handle never changes its address; an unretained UDP handle lives
 * until the next `sweep`, which the owner calls only while no waiting packet refers to a path. Freed handles are reused
 * oldest first. The hash is seeded, because strangers choose the addresses.
 */
import type { Path, PathInfo } from "@stoa/core/paths";
import { NO_PATH } from "@stoa/core/paths";
import type { Random } from "@stoa/core/crypto";
import type { Slab } from "@stoa/core/slab";

/** Bytes of one stored socket address; `sockaddr_in6` has 28. */
export const SOCKADDR_BYTES = 32;

/** Linux address families, the first 16-bit word of a socket address. */
export const AF_INET = 2;
export const AF_INET6 = 10;

const FREE = 0;
const UDP = 1;
const TCP = 2;

/** Handles, addresses, owners. */
export class AddressTable {
  /** Slab offset of the address of handle 0. */
  readonly #entries: number;
  readonly #words: Int32Array;
  readonly #slab: Slab;
  readonly #capacity: number;
  readonly #kind: Uint8Array;
  readonly #socket: Uint8Array;
  readonly #retained: Int32Array;
  readonly #generation: Int32Array;
  /** 1 while the handle stands in `#transient`. */
  readonly #listed: Uint8Array;
  readonly #transient: Int32Array;
  #transientCount = 0;
  /** Ring of free handles. */
  readonly #free: Int32Array;
  #freeHead = 0;
  #freeCount: number;
  /** Open addressing, linear probing; handle + 1, 0 = empty. Twice the capacity, a power of two. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #seed: number;

  /** `capacity`: most paths at one time; 32 bytes of slab each. */
  constructor(slab: Slab, capacity: number, random: Random) {
    this.#slab = slab;
    this.#capacity = capacity;
    this.#entries = slab.alloc(capacity * SOCKADDR_BYTES);
    this.#words = new Int32Array(slab.u8.buffer);
    this.#kind = new Uint8Array(capacity);
    this.#socket = new Uint8Array(capacity);
    this.#retained = new Int32Array(capacity);
    this.#generation = new Int32Array(capacity);
    this.#listed = new Uint8Array(capacity);
    this.#transient = new Int32Array(capacity);
    this.#free = new Int32Array(capacity);
    for (let i = 0; i < capacity; i++) this.#free[i] = i;
    this.#freeCount = capacity;
    const size = 2 ** Math.ceil(Math.log2(capacity * 2));
    this.#slots = new Int32Array(size);
    this.#mask = size - 1;
    this.#seed = random.uint32() | 0;
  }

  /** Paths in use. */
  get size(): number {
    return this.#capacity - this.#freeCount;
  }

  /**
   * The handle of the socket address at slab offset `at` (4-aligned) on the socket number `socket`; an unknown one becomes
   * a transient path. `NO_PATH` when the table is full.
   */
  find(socket: number, at: number): Path {
    let slot = this.#hash(socket, at) & this.#mask;
    for (;;) {
      const handle = this.#slots[slot]! - 1;
      if (handle < 0) break;
      if (this.#socket[handle] === socket && this.#equal(handle, at)) return handle;
      slot = (slot + 1) & this.#mask;
    }
    const handle = this.#takeFree();
    if (handle === NO_PATH) return NO_PATH;
    this.#slots[slot] = handle + 1;
    this.#kind[handle] = UDP;
    this.#socket[handle] = socket;
    const from = at >> 2;
    const to = (this.#entries + handle * SOCKADDR_BYTES) >> 2;
    const count = isV6(this.#words[from]!) ? 7 : 2;
    for (let i = 0; i < count; i++) this.#words[to + i] = this.#words[from + i]!;
    this.#list(handle);
    return handle;
  }

  /** A handle for a TCP connection, which lives until `drop`. `NO_PATH` when the table is full. */
  addTcp(info: PathInfo): Path {
    const handle = this.#takeFree();
    if (handle === NO_PATH) return NO_PATH;
    this.#kind[handle] = TCP;
    this.#socket[handle] = 0;
    writeSockaddr(this.#slab, this.#entries + handle * SOCKADDR_BYTES, info.address, info.port);
    return handle;
  }

  /** A TCP connection ended: its handle is free as soon as nobody retains it. */
  drop(path: Path): void {
    if (this.isTcp(path)) this.#list(path);
  }

  isUdp(path: Path): boolean {
    return path >= 0 && path < this.#capacity && this.#kind[path] === UDP;
  }

  isTcp(path: Path): boolean {
    return path >= 0 && path < this.#capacity && this.#kind[path] === TCP;
  }

  /** Number of the socket of a UDP path. */
  socketOf(path: Path): number {
    return this.#socket[path]!;
  }

  /** Slab offset of the socket address of a path. */
  addressAt(path: Path): number {
    return this.#entries + path * SOCKADDR_BYTES;
  }

  /** Length of the socket address of a path, as `sendmmsg` wants it. */
  addressLength(path: Path): number {
    return isV6(this.#words[(this.#entries + path * SOCKADDR_BYTES) >> 2]!) ? 28 : 16;
  }

  /** Changes whenever the handle gets another address. */
  generation(path: Path): number {
    return this.#generation[path]!;
  }

  retainCount(path: Path): number {
    return this.#retained[path] ?? 0;
  }

  /** See `Paths.retain`. */
  retain(path: Path): void {
    if (this.isUdp(path) || this.isTcp(path)) this.#retained[path]! += 1;
  }

  /** See `Paths.release`; true when nobody holds the path any more. */
  release(path: Path): boolean {
    if (path < 0 || path >= this.#capacity || this.#retained[path]! === 0) return false;
    this.#retained[path]! -= 1;
    if (this.#retained[path]! > 0) return false;
    if (this.#kind[path] === UDP) this.#list(path);
    return true;
  }

  /** See `Paths.describe`. */
  describe(path: Path): PathInfo | undefined {
    const tcp = this.isTcp(path);
    if (!tcp && !this.isUdp(path)) return undefined;
    return { protocol: tcp ? "tcp" : "udp", ...readSockaddr(this.#slab, this.addressAt(path)) };
  }

  /** Frees the paths that nobody retained since they came up. Only while no waiting packet refers to a path. */
  sweep(): void {
    const count = this.#transientCount;
    this.#transientCount = 0;
    for (let i = 0; i < count; i++) {
      const handle = this.#transient[i]!;
      this.#listed[handle] = 0;
      if (this.#retained[handle]! > 0) {
        if (this.#kind[handle] === TCP) this.#list(handle); // its connection is gone, its holder not yet
        continue;
      }
      if (this.#kind[handle] === UDP) this.#unhash(handle);
      this.#kind[handle] = FREE;
      this.#free[(this.#freeHead + this.#freeCount) % this.#capacity] = handle;
      this.#freeCount += 1;
    }
  }

  #takeFree(): Path {
    if (this.#freeCount === 0) return NO_PATH;
    const handle = this.#free[this.#freeHead]!;
    this.#freeHead = (this.#freeHead + 1) % this.#capacity;
    this.#freeCount -= 1;
    this.#generation[handle]! += 1;
    return handle;
  }

  #list(handle: Path): void {
    if (this.#listed[handle] === 1) return;
    this.#listed[handle] = 1;
    this.#transient[this.#transientCount++] = handle;
  }

  #equal(handle: Path, at: number): boolean {
    const words = this.#words;
    const a = (this.#entries + handle * SOCKADDR_BYTES) >> 2;
    const b = at >> 2;
    if (words[a] !== words[b] || words[a + 1] !== words[b + 1]) return false;
    if (!isV6(words[a]!)) return true;
    for (let i = 2; i < 7; i++) if (words[a + i] !== words[b + i]) return false;
    return true;
  }

  #hash(socket: number, at: number): number {
    const words = this.#words;
    const from = at >> 2;
    const count = isV6(words[from]!) ? 7 : 2;
    let h = this.#seed ^ socket;
    for (let i = 0; i < count; i++) {
      h = Math.imul(h ^ words[from + i]!, 0x9e3779b1);
      h ^= h >>> 15;
    }
    h = Math.imul(h ^ this.#seed, 0x85ebca6b);
    return h ^ (h >>> 13);
  }

  /** Removes a handle from the hash and moves later ones of its run up (no tombstones). */
  #unhash(handle: Path): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = this.#hash(this.#socket[handle]!, this.addressAt(handle)) & mask;
    while (slots[hole] !== handle + 1) hole = (hole + 1) & mask;
    for (let next = (hole + 1) & mask; slots[next] !== 0; next = (next + 1) & mask) {
      const other = slots[next]! - 1;
      const home = this.#hash(this.#socket[other]!, this.addressAt(other)) & mask;
      // `other` may fill the hole unless its home lies cyclically behind the hole.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      slots[hole] = other + 1;
      hole = next;
    }
    slots[hole] = 0;
  }
}

/** First word of a socket address: family in the low half (little endian), port in the high half. */
function isV6(firstWord: number): boolean {
  return (firstWord & 0xffff) === AF_INET6;
}

/** Writes a Linux socket address (32 bytes, the rest zero). Returns its length: 16 or 28. */
export function writeSockaddr(slab: Slab, at: number, address: Uint8Array, port: number): number {
  const v6 = address.length === 16;
  slab.u8.fill(0, at, at + SOCKADDR_BYTES);
  slab.view.setUint16(at, v6 ? AF_INET6 : AF_INET, true);
  slab.view.setUint16(at + 2, port);
  slab.u8.set(address, at + (v6 ? 8 : 4));
  return v6 ? 28 : 16;
}

/** Reads a Linux socket address; an IPv4-mapped IPv6 address becomes IPv4. */
export function readSockaddr(slab: Slab, at: number): { address: Uint8Array; port: number } {
  const v6 = isV6(slab.view.getUint16(at, true));
  const address = v6 ? slab.u8.slice(at + 8, at + 24) : slab.u8.slice(at + 4, at + 8);
  return { address: unmap(address), port: slab.view.getUint16(at + 2) };
}

/** ::ffff:a.b.c.d → a.b.c.d */
function unmap(address: Uint8Array): Uint8Array {
  if (address.length !== 16 || address[10] !== 0xff || address[11] !== 0xff) return address;
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return address;
  return address.slice(12);
}
