/** RFC 4571 framing: each packet on a TCP connection stands behind its length in two bytes, most significant first. */
import { SLOT_BYTES } from "@stoa/core/slab";

/** Takes a stream apart into packets; holds at most one unfinished packet. */
export class FrameReader {
  /** Grows with what has come of an unfinished packet, never beyond one packet. */
  #partial: Uint8Array = new Uint8Array(0);

  /** Hands each complete packet to `onPacket` (a view, valid during the call). False: a packet is too long; give up. */
  read(chunk: Uint8Array, onPacket: (packet: Uint8Array) => void): boolean {
    let rest = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    while (rest.length >= 2) {
      const end = 2 + ((rest[0]! << 8) | rest[1]!);
      if (end - 2 > SLOT_BYTES) return false;
      if (rest.length < end) break;
      if (end > 2) onPacket(rest.subarray(2, end));
      rest = rest.subarray(end);
    }
    this.#partial = rest.slice();
    return true;
  }
}

/** A packet behind its length. */
export function frame(bytes: Uint8Array, at: number, length: number): Buffer {
  const framed = Buffer.allocUnsafe(2 + length);
  framed.writeUInt16BE(length, 0);
  framed.set(bytes.subarray(at, at + length), 2);
  return framed;
}
