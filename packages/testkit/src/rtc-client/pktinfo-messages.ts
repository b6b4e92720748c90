/**
 * Headers and buffers for `recvmmsg` and `sendmmsg` with IP_PKTINFO on 64-bit little-endian Linux: which of our addresses a
 * datagram came to, and which one it is sent from.
 *
 *   mmsghdr  0 name pointer | 8 name length | 16 iovec pointer | 24 iovec count | 32 control pointer | 40 control length
 *            | 48 flags | 56 bytes transferred;  64 in all          iovec  0 pointer | 8 length;  16 in all
 *   control  0 length | 8 level | 12 type | 16 interface | 20 source to use | 24 destination;  32 in all
 *
 * Everything of message i lies at a fixed place, so that pointers are written once. IPv4 only; addresses and ports are words as
 * they lie in memory: `name` = family and port, `address` = the four bytes.
 */
import { type Slab, SLOT_BYTES } from "@stoa/core/slab";

const HEADER_BYTES = 64;
const IOVEC_BYTES = 16;
const NAME_BYTES = 16;
const CONTROL_BYTES = 32;
/** Not a power of two, so that the buffers do not fall on the same cache sets. */
const BUFFER_STRIDE = SLOT_BYTES + 64;
const AF_INET = 2;
const SOL_IP = 0;
const CONTROL_LENGTH = 28;

/** Option and control message of Linux. */
export const IP_PKTINFO = 8;

/** A fixed number of messages in the slab. */
export class PktInfoMessages {
  readonly headers: number;
  readonly #iovecs: number;
  readonly #names: number;
  readonly #controls: number;
  readonly #buffers: number;
  readonly #words: Int32Array;

  /** `base`: machine address of the slab. */
  constructor(slab: Slab, base: number, count: number) {
    this.#words = new Int32Array(slab.u8.buffer);
    this.headers = slab.alloc(count * HEADER_BYTES);
    this.#iovecs = slab.alloc(count * IOVEC_BYTES);
    this.#names = slab.alloc(count * NAME_BYTES);
    this.#controls = slab.alloc(count * CONTROL_BYTES);
    this.#buffers = slab.alloc(count * BUFFER_STRIDE);
    const point = (at: number, to: number): void => slab.view.setBigUint64(at, BigInt(base + to), true);
    for (let i = 0; i < count; i++) {
      const header = this.headers + i * HEADER_BYTES;
      slab.u8.fill(0, header, header + HEADER_BYTES);
      point(header, this.#names + i * NAME_BYTES);
      point(header + 16, this.#iovecs + i * IOVEC_BYTES);
      this.#words[(header + 24) >> 2] = 1;
      point(header + 32, this.#controls + i * CONTROL_BYTES);
      point(this.#iovecs + i * IOVEC_BYTES, this.bufferAt(i));
      slab.u8.fill(0, this.#iovecs + i * IOVEC_BYTES + 8, this.#iovecs + (i + 1) * IOVEC_BYTES);
      slab.u8.fill(0, this.#names + i * NAME_BYTES, this.#names + (i + 1) * NAME_BYTES);
      slab.u8.fill(0, this.#controls + i * CONTROL_BYTES, this.#controls + (i + 1) * CONTROL_BYTES);
      this.prepareReceive(i);
    }
  }

  /** Slab offset of the packet of message i. */
  bufferAt(i: number): number {
    return this.#buffers + i * BUFFER_STRIDE;
  }

  /** Slab offset of the header of message i. */
  headerAt(i: number): number {
    return this.headers + i * HEADER_BYTES;
  }

  /** Restores the lengths that `recvmmsg` overwrites. */
  prepareReceive(i: number): void {
    this.#setLengths(i, SLOT_BYTES, CONTROL_BYTES);
  }

  /** Bytes received; 0 for what was cut off. */
  received(i: number): number {
    const header = (this.headers + i * HEADER_BYTES) >> 2;
    return this.#words[header + 12] === 0 ? this.#words[header + 14]! : 0;
  }

  /** Family and port of the sender. */
  sourceName(i: number): number {
    return this.#words[(this.#names + i * NAME_BYTES) >> 2]!;
  }

  sourceAddress(i: number): number {
    return this.#words[((this.#names + i * NAME_BYTES) >> 2) + 1]!;
  }

  /** Which of our addresses it was sent to. */
  destination(i: number): number {
    return this.#words[(this.#controls + i * CONTROL_BYTES + 24) >> 2]!;
  }

  /** The packet of message i goes from our address `source` to `name`, `address`. */
  prepareSend(i: number, length: number, name: number, address: number, source: number): void {
    const words = this.#words;
    const to = (this.#names + i * NAME_BYTES) >> 2;
    words[to] = name;
    words[to + 1] = address;
    const control = (this.#controls + i * CONTROL_BYTES) >> 2;
    words[control] = CONTROL_LENGTH;
    words[control + 1] = 0;
    words[control + 2] = SOL_IP;
    words[control + 3] = IP_PKTINFO;
    words[control + 4] = 0;
    words[control + 5] = source;
    this.#setLengths(i, length, CONTROL_LENGTH);
  }

  #setLengths(i: number, buffer: number, control: number): void {
    const header = (this.headers + i * HEADER_BYTES) >> 2;
    this.#words[header + 2] = NAME_BYTES;
    this.#words[header + 10] = control;
    this.#words[(this.#iovecs + i * IOVEC_BYTES + 8) >> 2] = buffer;
  }
}

/** The first word of a socket address: family and port. */
export function nameWord(port: number): number {
  return AF_INET | ((port & 0xff) << 24) | ((port >> 8) << 16);
}

/** The word of four address bytes. */
export function addressWord(bytes: Uint8Array): number {
  return bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24);
}
