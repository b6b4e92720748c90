/**
 * Which packets are the peer's: by their checksum, their ports, and the tag that their first chunk calls for (RFC 9260 sections
 * 6.8 and 8.5, RFC 9653).
 *
 * Invariant: a packet that is not the peer's changes nothing but a count.
 */
import { ABORT, COOKIE_ECHO, FLAG_T, INIT, SHUTDOWN_COMPLETE } from "@stoa/wire/sctp/chunk-types";
import { PACKET_HEADER_BYTES, parsePacket } from "@stoa/wire/sctp/packet";
import type { Handshake } from "./handshake.ts";
import type { SctpSettings } from "./options.ts";
import type { SctpStats } from "./stats.ts";

/** Looks at every packet before its chunks are read. */
export class Verification {
  readonly #settings: SctpSettings;
  readonly #handshake: Handshake;
  readonly #stats: SctpStats;

  constructor(settings: SctpSettings, handshake: Handshake, stats: SctpStats) {
    this.#settings = settings;
    this.#handshake = handshake;
    this.#stats = stats;
  }

  /** The tag of a packet of the peer; -1 when it is not. */
  tagOf(bytes: Uint8Array): number {
    const header = parsePacket(bytes, acceptsZeroChecksum(bytes));
    const { localPort, remotePort } = this.#settings;
    if (!header || header.sourcePort !== remotePort || header.destinationPort !== localPort) {
      this.#stats.badPackets++;
      return -1;
    }
    if (this.#acceptsTag(header.tag, bytes)) return header.tag;
    this.#stats.strayPackets++;
    return -1;
  }

  #acceptsTag(tag: number, bytes: Uint8Array): boolean {
    const first = bytes[PACKET_HEADER_BYTES]!;
    if (first === INIT) return tag === 0;
    // Its tag is checked against the one in the cookie.
    if (first === COOKIE_ECHO) return true;
    const reflected = (bytes[PACKET_HEADER_BYTES + 1]! & FLAG_T) !== 0;
    if ((first === ABORT || first === SHUTDOWN_COMPLETE) && reflected) return tag === this.#handshake.peer?.tag;
    return tag === this.#handshake.localTag;
  }
}

/** Our INIT says that DTLS is checksum enough (RFC 9653), but never for the chunks that make an association. */
function acceptsZeroChecksum(bytes: Uint8Array): boolean {
  const first = bytes[PACKET_HEADER_BYTES];
  return first !== INIT && first !== COOKIE_ECHO;
}
