/** CRC-32C (Castagnoli) as SCTP's checksum, RFC 9260 appendix A. Eight bytes per step ("slice by 8"). */

const POLYNOMIAL = 0x82f63b78;

/** Table k (256 entries from 256·k) advances a byte over k further zero bytes. */
const TABLES = makeTables();

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[i] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!;
    tables[i] = (before >>> 8) ^ tables[before & 0xff]!;
  }
  return tables;
}

/** The register before the first byte; `crc32cUpdate` takes and gives the register, `crc32c` the finished sum. */
export const CRC32C_START = -1;

/** Runs the register over bytes `from` … `to`; complement the last value to finish. */
export function crc32cUpdate(register: number, bytes: Uint8Array, from: number, to: number): number {
  const t = TABLES;
  let crc = register;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      t[1792 + (crc & 0xff)]! ^
      t[1536 + ((crc >>> 8) & 0xff)]! ^
      t[1280 + ((crc >>> 16) & 0xff)]! ^
      t[1024 + (crc >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^
      t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!;
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!;
  return crc;
}

/** CRC-32C of bytes `from` … `to` as a signed 32-bit integer. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  return ~crc32cUpdate(CRC32C_START, bytes, from, to);
}
