/** CRC-32 of ITU V.42 (polynomial 0x04C11DB7, reflected), as the STUN FINGERPRINT uses it (RFC 8489 section 14.7). */

const TABLE = buildTable();

/** CRC-32 of `length` bytes at `at`, as an unsigned integer. The range must lie inside `bytes`. */
export function crc32(bytes: Uint8Array, at: number, length: number): number {
  let crc = -1;
  for (let i = at; i < at + length; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function buildTable(): Int32Array {
  const table = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    let value = n;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    table[n] = value;
  }
  return table;
}
