/** Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb). */
import { writeInt32 } from "../rtp/header.ts";
import { FEEDBACK_BYTES, FORMAT_APPLICATION, writeFeedbackHead } from "./feedback.ts";
import { PAYLOAD_FEEDBACK } from "./packet.ts";

/** "REMB" */
const MAGIC = 0x52454d42;
const HEAD_BYTES = FEEDBACK_BYTES + 8;

/** The estimate in bit/s of an application feedback message of `length` bytes, or undefined if it is not a REMB. */
export function parseRembBps(u8: Uint8Array, at: number, length: number): number | undefined {
  if (length < HEAD_BYTES) return undefined;
  for (let i = 0; i < 4; i++) if (u8[at + FEEDBACK_BYTES + i] !== ((MAGIC >>> (24 - 8 * i)) & 255)) return undefined;
  const exponent = u8[at + 17]! >> 2;
  const mantissa = ((u8[at + 17]! & 3) << 16) | (u8[at + 18]! << 8) | u8[at + 19]!;
  return mantissa * 2 ** exponent;
}

/** Writes an estimate for `ssrcs` (at most 255); returns the length. */
export function writeRemb(u8: Uint8Array, at: number, sender: number, bps: number, ssrcs: readonly number[]): number {
  let exponent = 0;
  let mantissa = Math.max(0, Math.floor(bps));
  while (mantissa > 0x3ffff) {
    mantissa = Math.floor(mantissa / 2);
    exponent++;
  }
  const count = Math.min(ssrcs.length, 255);
  const length = HEAD_BYTES + count * 4;
  writeFeedbackHead(u8, at, PAYLOAD_FEEDBACK, FORMAT_APPLICATION, sender, 0, length);
  writeInt32(u8, at + FEEDBACK_BYTES, MAGIC);
  writeInt32(u8, at + FEEDBACK_BYTES + 4, (count << 24) | (exponent << 18) | mantissa);
  for (let i = 0; i < count; i++) writeInt32(u8, at + HEAD_BYTES + i * 4, ssrcs[i]!);
  return length;
}
