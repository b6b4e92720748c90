/**
 * The records of a datagram (RFC 6347 section 4.1), looked at before OpenSSL gets them, for two weaknesses of it. It ends an open session
 * for a record that is too short to hold what its cipher adds, where it drops other forgeries in silence: one datagram in plain text
 * from a forged address would do. And of a record of another version it skips the header only, so that all behind it in the datagram is lost:
 * such as what follows a ClientHello that is sent again.
 */

const HEADER_BYTES = 13;
const DTLS_1_2 = 0xfefd;

/** Shortest record of each sort of cipher: nonce and tag; tag; vector, one byte, digest and padding in whole blocks. */
const GCM_BYTES = 8 + 16;
const POLY1305_BYTES = 16;
const CBC_SHA1_BYTES = 16 + 32;

const CHACHA20_POLY1305 = [0xcca8, 0xcca9];
const AES_128_CBC_SHA = [0xc009, 0xc013];

/** Bytes that no encrypted record is shorter than, by the number of its cipher suite; ours are these and those with GCM. */
export function minRecordBytes(suite: number): number {
  if (CHACHA20_POLY1305.includes(suite)) return POLY1305_BYTES;
  return AES_128_CBC_SHA.includes(suite) ? CBC_SHA1_BYTES : GCM_BYTES;
}

/** Where the record at `at` ends, or what there is of it. */
export function recordEnd(datagram: Uint8Array, at: number): number {
  if (at + HEADER_BYTES > datagram.length) return datagram.length;
  return Math.min(at + HEADER_BYTES + ((datagram[at + 11]! << 8) | datagram[at + 12]!), datagram.length);
}

/**
 * Whether these bytes may come from the other side of an open session: whole records of DTLS 1.2 and nothing else, none of the encrypted
 * ones shorter than `minBytes`.
 */
export function isPlausible(datagram: Uint8Array, minBytes: number): boolean {
  let at = 0;
  while (at + HEADER_BYTES <= datagram.length) {
    const version = (datagram[at + 1]! << 8) | datagram[at + 2]!;
    const epoch = (datagram[at + 3]! << 8) | datagram[at + 4]!;
    const length = (datagram[at + 11]! << 8) | datagram[at + 12]!;
    if (version !== DTLS_1_2 || (epoch > 0 && length < minBytes)) return false;
    at += HEADER_BYTES + length;
  }
  return at === datagram.length;
}
