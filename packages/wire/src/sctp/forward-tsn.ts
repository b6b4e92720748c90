/** FORWARD TSN chunks (RFC 3758 section 3.2): TSNs that the sender gives up, and the ordered messages among them. */
import { readI32, readU16, writeU16, writeU32 } from "./bytes.ts";
import { FORWARD_TSN } from "./chunk-types.ts";
import { closeChunk } from "./packet.ts";

/** Bytes before the list of streams, chunk header included. */
export const FORWARD_TSN_HEADER_BYTES = 8;

/** One FORWARD TSN; the pairs stay in the packet. */
export interface ForwardTsnChunk {
  /** Signed, see `serial.ts`. */
  readonly newCumulativeTsn: number;
  readonly streamCount: number;
  readonly streamsAt: number;
}

/** The FORWARD TSN between `at` and `end`, or undefined when it is too short or its pairs are not whole. */
export function parseForwardTsn(bytes: Uint8Array, at: number, end: number): ForwardTsnChunk | undefined {
  const rest = end - at - FORWARD_TSN_HEADER_BYTES;
  if (rest < 0 || rest % 4 !== 0) return undefined;
  return {
    newCumulativeTsn: readI32(bytes, at + 4),
    streamCount: rest / 4,
    streamsAt: at + FORWARD_TSN_HEADER_BYTES,
  };
}

/** Stream id of pair `index`. */
export function skippedStream(bytes: Uint8Array, chunk: ForwardTsnChunk, index: number): number {
  return readU16(bytes, chunk.streamsAt + 4 * index);
}

/** Last SSN that is skipped on the stream of pair `index`. */
export function skippedSsn(bytes: Uint8Array, chunk: ForwardTsnChunk, index: number): number {
  return readU16(bytes, chunk.streamsAt + 4 * index + 2);
}

/** Writes a FORWARD TSN with `streams` as flat pairs (stream id, SSN). Returns the end. */
export function writeForwardTsn(
  bytes: Uint8Array,
  at: number,
  newCumulativeTsn: number,
  streams: ArrayLike<number>,
): number {
  writeU32(bytes, at + 4, newCumulativeTsn);
  let end = at + FORWARD_TSN_HEADER_BYTES;
  for (let i = 0; i < streams.length; i++, end += 2) writeU16(bytes, end, streams[i]!);
  return closeChunk(bytes, at, FORWARD_TSN, 0, end);
}
