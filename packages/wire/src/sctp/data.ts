/** DATA chunks (RFC 9260 section 3.3.1, RFC 7053 for the I bit). The payload stays where it is. */
import { readI32, readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import { DATA } from "./chunk-types.ts";
import { closeChunk } from "./packet.ts";

/** Bytes before the payload, chunk header included. */
export const DATA_HEADER_BYTES = 16;

/** Last fragment of a message. */
export const FLAG_END = 1;
/** First fragment of a message. */
export const FLAG_BEGIN = 2;
/** The message has no place in the order of its stream. */
export const FLAG_UNORDERED = 4;
/** The sender wants the SACK at once. */
export const FLAG_IMMEDIATE = 8;

/** One DATA chunk; `from` … `to` is its payload in the packet. */
export interface DataChunk {
  readonly flags: number;
  /** Signed, see `serial.ts`. */
  readonly tsn: number;
  readonly streamId: number;
  readonly ssn: number;
  readonly ppid: number;
  readonly from: number;
  readonly to: number;
}

/** The DATA chunk between `at` and `end`, or undefined without at least one byte of payload. */
export function parseData(bytes: Uint8Array, at: number, end: number): DataChunk | undefined {
  if (end - at <= DATA_HEADER_BYTES) return undefined;
  return {
    flags: bytes[at + 1]!,
    tsn: readI32(bytes, at + 4),
    streamId: readU16(bytes, at + 8),
    ssn: readU16(bytes, at + 10),
    ppid: readU32(bytes, at + 12),
    from: at + DATA_HEADER_BYTES,
    to: end,
  };
}

/** Writes a DATA chunk whose `length` payload bytes stand already behind the header. Returns the padded end. */
export function writeDataHeader(
  bytes: Uint8Array,
  at: number,
  flags: number,
  tsn: number,
  streamId: number,
  ssn: number,
  ppid: number,
  length: number,
): number {
  writeU32(bytes, at + 4, tsn);
  writeU16(bytes, at + 8, streamId);
  writeU16(bytes, at + 10, ssn);
  writeU32(bytes, at + 12, ppid);
  return closeChunk(bytes, at, DATA, flags, at + DATA_HEADER_BYTES + length);
}
