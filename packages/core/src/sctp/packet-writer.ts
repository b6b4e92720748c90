/** The one buffer in which an association builds its packets. */
import { padded } from "@stoa/wire/sctp/bytes";
import { PACKET_HEADER_BYTES, finishPacket, startPacket } from "@stoa/wire/sctp/packet";

/** Chunks are appended between `start` and `finish`; a chunk is only written when `room` says that it fits. */
export class PacketWriter {
  readonly bytes: Uint8Array;
  /** Where the next chunk starts. */
  end = 0;
  /** Where the packet ends at the latest, a multiple of 4; `start` gives it the whole buffer. */
  limit: number;
  readonly #localPort: number;
  readonly #remotePort: number;

  constructor(mtu: number, localPort: number, remotePort: number) {
    this.bytes = new Uint8Array(mtu);
    this.limit = mtu;
    this.#localPort = localPort;
    this.#remotePort = remotePort;
  }

  start(tag: number): void {
    this.limit = this.bytes.length;
    this.end = startPacket(this.bytes, this.#localPort, this.#remotePort, tag);
  }

  /** Bytes left, a multiple of 4; negative when the limit was lowered below what is in it. */
  get room(): number {
    return this.limit - this.end;
  }

  get empty(): boolean {
    return this.end === PACKET_HEADER_BYTES;
  }

  fits(bytes: number): boolean {
    return padded(bytes) <= this.room;
  }

  /** Appends a chunk that is encoded already, padding included. */
  append(chunk: Uint8Array): void {
    this.bytes.set(chunk, this.end);
    this.end += chunk.length;
  }

  /** The packet, or undefined without a chunk. A view that the next `start` overwrites. */
  finish(withChecksum: boolean): Uint8Array | undefined {
    if (this.empty) return undefined;
    if (withChecksum) finishPacket(this.bytes, this.end);
    return this.bytes.subarray(0, this.end);
  }
}
