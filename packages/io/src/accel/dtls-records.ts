/**
 * Whether a datagram may have come from the other side of an open session (RFC 6347 section 4.1). OpenSSL drops most forgeries in
 * silence, as it should, but ends the session for a record that is too short to hold what its cipher adds: one datagram in
 * plain text from a forged address would do. So the records of a datagram are looked at first.
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

/**
 * True when the datagram is a row of whole records of DTLS 1.2, none of the encrypted ones shorter than `minBytes`. With anything else
 * in it, OpenSSL might take the border of a record to be elsewhere.
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
