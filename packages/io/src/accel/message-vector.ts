/**
 * An array of Linux `mmsghdr` with their `iovec`s in the slab, for `recvmmsg` and `sendmmsg` on 64-bit little-endian systems:
 *
 *   mmsghdr  0 name pointer | 8 name length | 16 iovec pointer | 24 iovec count | 32 control pointer | 40 control length
 *            | 48 flags | 56 bytes transferred;  64 in all          iovec  0 pointer | 8 length;  16 in all
 */
import type { Slab } from "@stoa/core/slab";

/** Bytes of one `mmsghdr`. */
export const MMSGHDR_BYTES = 64;

const IOVEC_BYTES = 16;

/** Space of one control message that carries a 16-bit value (`CMSG_SPACE(2)`), rounded up. */
const CONTROL_STRIDE = 32;
const CONTROL_LENGTH = 24;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;

/** Headers of `count` messages; all pointers are given as slab offsets. */
export class MessageVector {
  /** Slab offset of the first header. */
  readonly at: number;
  readonly #iovecs: number;
  readonly #controls: number;
  readonly #words: Int32Array;
  /** Low half (as unsigned number) and high half of the slab's machine address. */
  readonly #baseLow: number;
  readonly #baseHigh: number;

  constructor(slab: Slab, base: number, count: number) {
    this.#words = new Int32Array(slab.u8.buffer);
    this.#baseLow = base % 2 ** 32;
    this.#baseHigh = Math.floor(base / 2 ** 32);
    this.at = zeroed(slab, count * MMSGHDR_BYTES);
    this.#iovecs = zeroed(slab, count * IOVEC_BYTES);
    this.#controls = zeroed(slab, count * CONTROL_STRIDE);
    for (let i = 0; i < count; i++) {
      const control = (this.#controls + i * CONTROL_STRIDE) >> 2;
      this.#words[control] = 18; // CMSG_LEN(2), a 64-bit field
      this.#words[control + 2] = SOL_UDP;
      this.#words[control + 3] = UDP_SEGMENT;
    }
  }

  /** Where buffer i is, and how long. */
  setBuffer(i: number, at: number, length: number): void {
    const word = (this.#iovecs + i * IOVEC_BYTES) >> 2;
    this.#setPointer(word, at);
    this.#words[word + 2] = length;
  }

  /** Length of buffer i alone. */
  setLength(i: number, length: number): void {
    this.#words[(this.#iovecs + i * IOVEC_BYTES + 8) >> 2] = length;
  }

  /** Message i: its address, and the buffers first … first + count − 1. `segment` > 0: cut into packets of that size. */
  setMessage(i: number, name: number, nameLength: number, first: number, count: number, segment: number): void {
    const word = (this.at + i * MMSGHDR_BYTES) >> 2;
    const words = this.#words;
    this.#setPointer(word, name);
    words[word + 2] = nameLength;
    this.#setPointer(word + 4, this.#iovecs + first * IOVEC_BYTES);
    words[word + 6] = count;
    if (segment > 0) {
      const control = this.#controls + i * CONTROL_STRIDE;
      this.#setPointer(word + 8, control);
      words[word + 10] = CONTROL_LENGTH;
      words[(control + 16) >> 2] = segment;
    } else {
      words[word + 10] = 0;
    }
  }

  /** Restores the field that `recvmmsg` overwrites. */
  setNameLength(i: number, length: number): void {
    this.#words[(this.at + i * MMSGHDR_BYTES + 8) >> 2] = length;
  }

  /** Flags that `recvmmsg` wrote. */
  flags(i: number): number {
    return this.#words[(this.at + i * MMSGHDR_BYTES + 48) >> 2]!;
  }

  /** Bytes that message i transferred. */
  transferred(i: number): number {
    return this.#words[(this.at + i * MMSGHDR_BYTES + 56) >> 2]!;
  }

  #setPointer(word: number, at: number): void {
    const low = this.#baseLow + at;
    this.#words[word] = low | 0;
    this.#words[word + 1] = low >= 2 ** 32 ? this.#baseHigh + 1 : this.#baseHigh;
  }
}

function zeroed(slab: Slab, bytes: number): number {
  const at = slab.alloc(bytes);
  slab.u8.fill(0, at, at + bytes);
  return at;
}
