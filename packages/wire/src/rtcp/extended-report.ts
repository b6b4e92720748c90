/**
 * Extended reports (RFC 3611), of which two blocks matter here: with "receiver reference time" one that sends nothing says
 * when it is, and with "delay since the last receiver report" we answer, so that it can measure the round trip.
 */
import { readInt32, writeInt32 } from "../rtp/header.ts";
import { ntpMiddle } from "./ntp.ts";
import { EXTENDED_REPORT, RTCP_MIN_BYTES, writeRtcpHeader } from "./packet.ts";

const REFERENCE_TIME = 4;
const REFERENCE_TIME_WORDS = 2;
const DELAYS = 5;
const DELAY_WORDS = 3;
/** Bytes of an extended report with one answer. */
export const DELAY_REPORT_BYTES = RTCP_MIN_BYTES + 4 + 4 * DELAY_WORDS;

/** Middle 32 bits (unsigned) of the reference time in an extended report of `length` bytes; 0 if it has none. */
export function referenceTime(u8: Uint8Array, at: number, length: number): number {
  const end = at + length;
  for (let block = at + RTCP_MIN_BYTES; block + 4 <= end;) {
    const words = (u8[block + 2]! << 8) | u8[block + 3]!;
    const next = block + 4 + 4 * words;
    if (next > end) return 0;
    if (u8[block] === REFERENCE_TIME && words === REFERENCE_TIME_WORDS) {
      return ntpMiddle(readInt32(u8, block + 4) >>> 0, readInt32(u8, block + 8) >>> 0);
    }
    block = next;
  }
  return 0;
}

/**
 * Writes an answer of `sender` to the reference time of `receiver`: its middle bits, and how long ago it came in 1/65536 s.
 * Returns the length.
 */
export function writeDelayReport(
  u8: Uint8Array,
  at: number,
  sender: number,
  receiver: number,
  middle: number,
  delay: number,
): number {
  writeRtcpHeader(u8, at, EXTENDED_REPORT, 0, DELAY_REPORT_BYTES);
  writeInt32(u8, at + 4, sender);
  writeInt32(u8, at + 8, (DELAYS << 24) | DELAY_WORDS);
  writeInt32(u8, at + 12, receiver);
  writeInt32(u8, at + 16, middle);
  writeInt32(u8, at + 20, delay);
  return DELAY_REPORT_BYTES;
}
