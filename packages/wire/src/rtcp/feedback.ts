/** NACK, PLI (RFC 4585) and FIR (RFC 5104), read and written in place. */
import { readInt32, writeInt32 } from "../rtp/header.ts";
import { PAYLOAD_FEEDBACK, TRANSPORT_FEEDBACK, writeRtcpHeader } from "./packet.ts";

/** Formats of TRANSPORT_FEEDBACK. */
export const FORMAT_NACK = 1;
export const FORMAT_TWCC = 15;
/** Formats of PAYLOAD_FEEDBACK. */
export const FORMAT_PLI = 1;
export const FORMAT_FIR = 4;
/** Application layer feedback: REMB. */
export const FORMAT_APPLICATION = 15;

/** Bytes of the common part: header, sender and media SSRC. */
export const FEEDBACK_BYTES = 12;
const NACK_ITEM_BYTES = 4;
const FIR_ITEM_BYTES = 8;

/** The SSRC a feedback message is about. Needs `length >= 12`. */
export function feedbackMedia(u8: Uint8Array, at: number): number {
  return readInt32(u8, at + 8);
}

/** How many items (a packet id and a bit mask) a NACK of `length` bytes holds. */
export function nackItemCount(length: number): number {
  return Math.max(0, (length - FEEDBACK_BYTES) >> 2);
}

/** First lost sequence number of item `index`. */
export function nackItemSequence(u8: Uint8Array, at: number, index: number): number {
  const item = at + FEEDBACK_BYTES + index * NACK_ITEM_BYTES;
  return (u8[item]! << 8) | u8[item + 1]!;
}

/** Bit mask of item `index`: bit i set = the first sequence number + 1 + i is lost too. */
export function nackItemMask(u8: Uint8Array, at: number, index: number): number {
  const item = at + FEEDBACK_BYTES + index * NACK_ITEM_BYTES;
  return (u8[item + 2]! << 8) | u8[item + 3]!;
}

/**
 * Writes a NACK for the first `count` of `sequences` (rising; only 16 bits count). Returns the length.
 * It needs at most 12 + 4 × count bytes.
 */
export function writeNack(
  u8: Uint8Array,
  at: number,
  sender: number,
  media: number,
  sequences: Int32Array,
  count: number,
): number {
  let end = FEEDBACK_BYTES;
  for (let i = 0; i < count;) {
    const first = sequences[i++]! & 0xffff;
    let mask = 0;
    while (i < count) {
      const distance = (sequences[i]! - first) & 0xffff;
      if (distance === 0 || distance > 16) break;
      mask |= 1 << (distance - 1);
      i++;
    }
    writeInt32(u8, at + end, (first << 16) | mask);
    end += NACK_ITEM_BYTES;
  }
  writeFeedbackHead(u8, at, TRANSPORT_FEEDBACK, FORMAT_NACK, sender, media, end);
  return end;
}

/** Writes a picture loss indication; returns the length. */
export function writePli(u8: Uint8Array, at: number, sender: number, media: number): number {
  writeFeedbackHead(u8, at, PAYLOAD_FEEDBACK, FORMAT_PLI, sender, media, FEEDBACK_BYTES);
  return FEEDBACK_BYTES;
}

/** Writes a full intra request for one source; `command` counts requests (8 bits). Returns the length. */
export function writeFir(u8: Uint8Array, at: number, sender: number, media: number, command: number): number {
  const length = FEEDBACK_BYTES + FIR_ITEM_BYTES;
  writeFeedbackHead(u8, at, PAYLOAD_FEEDBACK, FORMAT_FIR, sender, 0, length);
  writeInt32(u8, at + FEEDBACK_BYTES, media);
  writeInt32(u8, at + FEEDBACK_BYTES + 4, (command & 255) << 24);
  return length;
}

/** How many sources a FIR of `length` bytes asks for. */
export function firItemCount(length: number): number {
  return Math.max(0, (length - FEEDBACK_BYTES) >> 3);
}

/** The source of FIR item `index`. */
export function firItemSsrc(u8: Uint8Array, at: number, index: number): number {
  return readInt32(u8, at + FEEDBACK_BYTES + index * FIR_ITEM_BYTES);
}

/** Writes the common part of a feedback message of `length` bytes. */
export function writeFeedbackHead(
  u8: Uint8Array,
  at: number,
  type: number,
  format: number,
  sender: number,
  media: number,
  length: number,
): void {
  writeRtcpHeader(u8, at, type, format, length);
  writeInt32(u8, at + 4, sender);
  writeInt32(u8, at + 8, media);
}
