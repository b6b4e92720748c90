/**
 * The state cookie (RFC 9260 section 5.1.3): all that the association needs to know when the peer echoes it. DTLS already
 * authenticates the peer, so a random mark in place of a MAC is enough to tell our cookies from foreign bytes; a peer that
 * forges one only lies about itself.
 */
import { readI32, readU16, readU32, writeU16, writeU32 } from "@stoa/wire/sctp/bytes";
import type { InitChunk } from "@stoa/wire/sctp/init";

const COOKIE_BYTES = 44;
const FLAG_FORWARD_TSN = 1;
const FLAG_RE_CONFIG = 2;
const FLAG_ZERO_CHECKSUM = 4;

/** What the handshake tells about the peer. */
export interface PeerInit {
  readonly tag: number;
  readonly initialTsn: number;
  readonly windowBytes: number;
  readonly inboundStreams: number;
  readonly forwardTsn: boolean;
  readonly reConfig: boolean;
  readonly zeroChecksum: boolean;
}

/** Content of a cookie. Tie tags are those of the association that existed when it was made, or 0. */
export interface Cookie {
  readonly localTag: number;
  readonly localTsn: number;
  readonly peer: PeerInit;
  readonly tieLocalTag: number;
  readonly tiePeerTag: number;
}

/** Length of the mark. */
export const COOKIE_MARK_BYTES = 8;

/** The peer as its INIT or INIT ACK describes it. */
export function peerOf(init: InitChunk): PeerInit {
  return {
    tag: init.initiateTag,
    initialTsn: init.initialTsn,
    windowBytes: init.window,
    inboundStreams: init.inboundStreams,
    forwardTsn: init.forwardTsn,
    reConfig: init.reConfig,
    zeroChecksum: init.zeroChecksum,
  };
}

/** The bytes of a cookie behind our `mark`. */
export function writeCookie(mark: Uint8Array, cookie: Cookie): Uint8Array {
  const bytes = new Uint8Array(COOKIE_BYTES);
  const { peer } = cookie;
  bytes.set(mark);
  writeU32(bytes, 8, cookie.localTag);
  writeU32(bytes, 12, cookie.localTsn);
  writeU32(bytes, 16, peer.tag);
  writeU32(bytes, 20, peer.initialTsn);
  writeU32(bytes, 24, peer.windowBytes);
  writeU32(bytes, 28, cookie.tieLocalTag);
  writeU32(bytes, 32, cookie.tiePeerTag);
  writeU16(bytes, 36, peer.inboundStreams);
  bytes[38] =
    (peer.forwardTsn ? FLAG_FORWARD_TSN : 0) |
    (peer.reConfig ? FLAG_RE_CONFIG : 0) |
    (peer.zeroChecksum ? FLAG_ZERO_CHECKSUM : 0);
  return bytes;
}

/** The cookie between `from` and `to`, or undefined when it does not carry our mark. */
export function parseCookie(mark: Uint8Array, bytes: Uint8Array, from: number, to: number): Cookie | undefined {
  if (to - from !== COOKIE_BYTES) return undefined;
  for (let i = 0; i < COOKIE_MARK_BYTES; i++) if (bytes[from + i] !== mark[i]) return undefined;
  const flags = bytes[from + 38]!;
  const peer: PeerInit = {
    tag: readU32(bytes, from + 16),
    initialTsn: readI32(bytes, from + 20),
    windowBytes: readU32(bytes, from + 24),
    inboundStreams: readU16(bytes, from + 36),
    forwardTsn: (flags & FLAG_FORWARD_TSN) !== 0,
    reConfig: (flags & FLAG_RE_CONFIG) !== 0,
    zeroChecksum: (flags & FLAG_ZERO_CHECKSUM) !== 0,
  };
  return {
    localTag: readU32(bytes, from + 8),
    localTsn: readI32(bytes, from + 12),
    peer,
    tieLocalTag: readU32(bytes, from + 28),
    tiePeerTag: readU32(bytes, from + 32),
  };
}
