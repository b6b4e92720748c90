/** Control chunks that wait for a packet. Bounded: what does not fit is forgotten, since the peer asks again. */
import { Fifo } from "./fifo.ts";
import type { PacketWriter } from "./packet-writer.ts";

const MAX_ALONE = 8;
const MAX_BUNDLED = 32;

interface Alone {
  readonly tag: number;
  readonly chunk: Uint8Array;
}

/** Chunks are encoded and padded. */
export class Outbox {
  readonly #alone = new Fifo<Alone>();
  readonly #bundled = new Fifo<Uint8Array>();

  /** A chunk that needs a packet of its own under this verification tag: INIT, INIT ACK, ABORT … */
  sendAlone(tag: number, chunk: Uint8Array): void {
    if (this.#alone.size < MAX_ALONE) this.#alone.push({ tag, chunk });
  }

  /** A chunk for the next packet to the peer. */
  bundle(chunk: Uint8Array): void {
    if (this.#bundled.size < MAX_BUNDLED) this.#bundled.push(chunk);
  }

  /** Starts a packet with the next lonely chunk; false if there is none. */
  writeAlone(packet: PacketWriter): boolean {
    const next = this.#alone.shift();
    if (!next) return false;
    packet.start(next.tag);
    if (packet.fits(next.chunk.length)) packet.append(next.chunk);
    return true;
  }

  /** Appends bundled chunks as long as they fit. */
  writeBundled(packet: PacketWriter): void {
    for (let chunk = this.#bundled.peek(); chunk; chunk = this.#bundled.peek()) {
      if (!packet.fits(chunk.length) && !packet.empty) return;
      this.#bundled.shift();
      // A chunk longer than a packet can only be an echo of something absurd.
      if (packet.fits(chunk.length)) packet.append(chunk);
    }
  }

  clear(): void {
    while (this.#alone.shift());
    while (this.#bundled.shift());
  }
}
