/**
 * How large a packet the path takes. Nobody tells: routers drop what is too large, and their ICMP messages end at firewalls or
 * in the kernel. So the acknowledgements tell, in the manner of RFC 8899: one large packet at a time is watched. Until one has
 * arrived, and whenever several in a row have not, the path counts as narrow, and only now and then a large packet asks again.
 *
 * A chunk that was sent cannot be divided any more. So chunks are made small enough for a narrow path, two to a packet. Only what
 * may be lost, and a bulk transfer, get chunks that fill a packet, on a path that has proven itself: twice as many chunks would
 * cost the transfer a tenth of its throughput, and a fifth to a browser. If the path narrows under it, IP has to divide what is on
 * its way (RFC 9260 section 6.9): our sockets let routers of IPv4 do so (`io/accel/udp-linux`), and the path then counts as wide.
 * Only where routers may not (the portable sockets), or where fragments are dropped, does the association end by its timeouts.
 */
import { DATA_HEADER_BYTES } from "@stoa/wire/sctp/data";
import { PACKET_HEADER_BYTES } from "@stoa/wire/sctp/packet";

/** Bytes queued or unacknowledged from which on a transfer is bulk. */
const BULK_BYTES = 65_536;
/** Large packets in a row that are lost on a path that took one before: random loss of 5 % does that once in 8,000. */
const MAX_FAILURES = 3;
/** A narrow path is asked again after this, then each time after twice as long. */
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 64_000;

/** One path, as its sender learns it. Sizes in bytes of SCTP packets. */
export class PathSize {
  /** What a narrow path takes: one chunk. Every path is expected to; with DTLS, UDP and IPv6 it is 661 bytes for an MTU of 1,144. */
  readonly #narrowBytes: number;
  /** Two chunks; the packet that proves a path. */
  readonly #fullBytes: number;
  /** A large packet is on its way; `watchedTsn` is a chunk in it. */
  watching = false;
  watchedTsn = 0;
  #watchedBytes = 0;
  #proven = false;
  #narrow = false;
  #failures = 0;
  #askAtMs = 0;
  #waitMs = FIRST_WAIT_MS;

  constructor(mtu: number) {
    const chunkBytes = ((mtu - PACKET_HEADER_BYTES) >> 1) & -4;
    this.#narrowBytes = PACKET_HEADER_BYTES + chunkBytes;
    this.#fullBytes = PACKET_HEADER_BYTES + 2 * chunkBytes;
  }

  /** Largest packet that may be sent now. `repairing`: what was lost goes first, and is not used to ask. */
  packetBytes(repairing: boolean, nowMs: number): number {
    const asks = !repairing && !this.watching && nowMs >= this.#askAtMs;
    return this.#narrow && !asks ? this.#narrowBytes : this.#fullBytes;
  }

  /** Largest payload of a new chunk while `heldBytes` are queued or unacknowledged; `mayBeLost`: it can be given up. */
  payloadBytes(heldBytes: number, mayBeLost: boolean): number {
    const full = (mayBeLost || heldBytes >= BULK_BYTES) && this.#proven && this.#failures === 0;
    const bytes = full ? this.#fullBytes : this.#narrowBytes;
    return bytes - PACKET_HEADER_BYTES - DATA_HEADER_BYTES;
  }

  /** A packet of `bytes` went out with the chunk `tsn` in it. */
  sent(bytes: number, tsn: number): void {
    if (bytes <= this.#narrowBytes || this.watching) return;
    this.watching = true;
    this.#watchedBytes = bytes;
    this.watchedTsn = tsn;
  }

  /** The peer has the chunk that is watched. */
  arrived(): void {
    this.watching = false;
    if (this.#watchedBytes < this.#fullBytes) return;
    this.#proven = true;
    this.#narrow = false;
    this.#failures = 0;
    this.#waitMs = FIRST_WAIT_MS;
  }

  /** The chunk that is watched was lost. */
  failed(nowMs: number): void {
    this.watching = false;
    if (this.#proven && ++this.#failures < MAX_FAILURES) return;
    this.#proven = false;
    this.#narrow = true;
    this.#failures = 0;
    this.#askAtMs = nowMs + this.#waitMs;
    this.#waitMs = Math.min(2 * this.#waitMs, MAX_WAIT_MS);
  }
}
