/**
 * Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
 * Arrival times are counted in ticks of 250 µs; the reference time of a message is a multiple of 64 ms (256 ticks).
 */
import { readInt32, writeInt32 } from "../rtp/header.ts";
import { FORMAT_TWCC, writeFeedbackHead } from "./feedback.ts";
import { TRANSPORT_FEEDBACK } from "./packet.ts";

/** Ticks per millisecond. */
export const TWCC_TICKS_PER_MS = 4;
/** Ticks in one unit of the reference time. */
export const REFERENCE_TICKS = 256;
const HEAD_BYTES = 20;
/** One run-length chunk says this much at most; no sane report is longer. */
const MAX_COUNT = 8191;

const MISSING = 0;
const SMALL_DELTA = 1;
const LARGE_DELTA = 2;

/** How much one message took: set by `writeTwccFeedback`. */
export interface TwccWritten {
  /** Bytes of the message; 0 = nothing to say. */
  length: number;
  /** Sequence numbers covered from the base on. */
  count: number;
}

/** What to report; all about one peer. */
export interface TwccReport {
  sender: number;
  media: number;
  /** Counts messages, 8 bits. */
  feedbackCount: number;
  baseSequence: number;
  /** Sequence numbers to report from the base on. */
  count: number;
  /** Arrival of sequence number s in ticks at `ticks[s & mask]`; negative = not arrived. */
  ticks: Float64Array;
  readonly mask: number;
}

const symbols = new Uint8Array(MAX_COUNT);

/**
 * Writes one message of at most `capacity` bytes. It covers fewer sequence numbers than asked for when the room ends
 * or a gap in time cannot be expressed; the caller goes on from there.
 */
export function writeTwccFeedback(u8: Uint8Array, at: number, capacity: number, report: TwccReport, into: TwccWritten) {
  const { ticks, mask, baseSequence } = report;
  const wanted = Math.min(report.count, MAX_COUNT);
  into.length = 0;
  into.count = 0;
  let first = 0;
  while (first < wanted && ticks[(baseSequence + first) & mask]! < 0) first++;
  if (first === wanted) return;
  const reference = Math.floor(ticks[(baseSequence + first) & mask]! / REFERENCE_TICKS);

  let last = reference * REFERENCE_TICKS;
  let deltaBytes = 0;
  let count = 0;
  for (; count < wanted; count++) {
    const tick = ticks[(baseSequence + count) & mask]!;
    let symbol = MISSING;
    if (tick >= 0) {
      const delta = tick - last;
      if (delta < -0x8000 || delta > 0x7fff) break;
      symbol = delta >= 0 && delta <= 255 ? SMALL_DELTA : LARGE_DELTA;
      last = tick;
    }
    const bytes = deltaBytes + symbol;
    // Seven per chunk is the worst that the encoder below does.
    if (HEAD_BYTES + 2 * Math.ceil((count + 1) / 7) + bytes + 3 > capacity) break;
    deltaBytes = bytes;
    symbols[count] = symbol;
  }
  while (count > 0 && symbols[count - 1] === MISSING && count < wanted) count--;
  if (count === 0) return;

  let end = writeChunks(u8, at + HEAD_BYTES, count);
  end = writeDeltas(u8, end, report, count, reference * REFERENCE_TICKS);
  const padding = (at - end) & 3;
  for (let i = 1; i <= padding; i++) u8[end++] = i === padding ? padding : 0;
  writeFeedbackHead(u8, at, TRANSPORT_FEEDBACK, FORMAT_TWCC, report.sender, report.media, end - at);
  if (padding > 0) u8[at] = u8[at]! | 0x20;
  writeInt32(u8, at + 12, (baseSequence << 16) | count);
  writeInt32(u8, at + 16, ((reference & 0xffffff) << 8) | (report.feedbackCount & 255));
  into.length = end - at;
  into.count = count;
}

function writeChunks(u8: Uint8Array, from: number, count: number): number {
  let at = from;
  for (let i = 0; i < count;) {
    const symbol = symbols[i]!;
    const left = count - i;
    let run = 1;
    while (run < left && symbols[i + run] === symbol) run++;
    const oneBit = fitsOneBit(i, Math.min(left, 14));
    let chunk = 0;
    if (run >= 14 || run === left || (run >= 7 && !oneBit)) {
      chunk = (symbol << 13) | run;
      i += run;
    } else if (oneBit) {
      chunk = 0x8000;
      for (let k = 0; k < 14 && i + k < count; k++) chunk |= symbols[i + k]! << (13 - k);
      i += 14;
    } else {
      chunk = 0xc000;
      for (let k = 0; k < 7 && i + k < count; k++) chunk |= symbols[i + k]! << (12 - 2 * k);
      i += 7;
    }
    u8[at++] = chunk >> 8;
    u8[at++] = chunk;
  }
  return at;
}

function fitsOneBit(from: number, count: number): boolean {
  for (let k = 0; k < count; k++) if (symbols[from + k] === LARGE_DELTA) return false;
  return true;
}

function writeDeltas(u8: Uint8Array, from: number, report: TwccReport, count: number, reference: number): number {
  let at = from;
  let last = reference;
  for (let i = 0; i < count; i++) {
    if (symbols[i] === MISSING) continue;
    const tick = report.ticks[(report.baseSequence + i) & report.mask]!;
    const delta = tick - last;
    last = tick;
    if (symbols[i] === LARGE_DELTA) u8[at++] = delta >> 8;
    u8[at++] = delta;
  }
  return at;
}

/** In `TwccArrivals.ticks`: the packet did not arrive. */
export const NOT_ARRIVED = 0x7fffffff;

/** What one message says; a reusable value, filled by `readTwccFeedback`. */
export interface TwccArrivals {
  media: number;
  baseSequence: number;
  /** Sequence numbers covered from the base on. */
  count: number;
  feedbackCount: number;
  /** Reference time of the message in units of 64 ms, 24 bits. */
  reference: number;
  /** The first `count` hold: arrival of `baseSequence + i` in ticks after the reference time, or `NOT_ARRIVED`. */
  readonly ticks: Int32Array;
}

/** A value for `readTwccFeedback` to fill. */
export function newTwccArrivals(): TwccArrivals {
  return { media: 0, baseSequence: 0, count: 0, feedbackCount: 0, reference: 0, ticks: new Int32Array(MAX_COUNT) };
}

/** Reads a message of `length` bytes (header included). False if it is malformed; then `into` is not to be used. */
export function readTwccFeedback(u8: Uint8Array, at: number, length: number, into: TwccArrivals): boolean {
  if (length < HEAD_BYTES + 2) return false;
  const count = (u8[at + 14]! << 8) | u8[at + 15]!;
  if (count === 0 || count > MAX_COUNT) return false;
  const end = at + length;
  let p = parseChunks(u8, at + HEAD_BYTES, end, count);
  if (p < 0) return false;
  let tick = 0;
  for (let i = 0; i < count; i++) {
    const symbol = symbols[i]!;
    if (p + symbol > end) return false;
    if (symbol === SMALL_DELTA) tick += u8[p]!;
    else if (symbol === LARGE_DELTA) tick += ((u8[p]! << 24) >> 16) | u8[p + 1]!;
    into.ticks[i] = symbol === MISSING ? NOT_ARRIVED : tick;
    p += symbol;
  }
  into.media = readInt32(u8, at + 8);
  into.baseSequence = (u8[at + 12]! << 8) | u8[at + 13]!;
  into.count = count;
  into.feedbackCount = u8[at + 19]!;
  into.reference = readInt32(u8, at + 16) >>> 8;
  return true;
}

/** A parsed message. */
export interface TwccFeedback {
  readonly media: number;
  readonly baseSequence: number;
  readonly feedbackCount: number;
  /** Arrival of sequence number `baseSequence + i` in ticks, counted from zero of the 24-bit reference; NaN = lost. */
  readonly ticks: Float64Array;
}

/** Parses a message of `length` bytes (header included) into a value of its own. */
export function parseTwccFeedback(u8: Uint8Array, at: number, length: number): TwccFeedback | undefined {
  const read = newTwccArrivals();
  if (!readTwccFeedback(u8, at, length, read)) return undefined;
  const { media, baseSequence, feedbackCount, reference, count } = read;
  const ticks = Float64Array.from(read.ticks.subarray(0, count), (tick) =>
    tick === NOT_ARRIVED ? Number.NaN : reference * REFERENCE_TICKS + tick,
  );
  return { media, baseSequence, feedbackCount, ticks };
}

/** Fills `symbols`; returns where the deltas begin or -1. */
function parseChunks(u8: Uint8Array, from: number, end: number, count: number): number {
  let p = from;
  let filled = 0;
  while (filled < count) {
    if (p + 2 > end) return -1;
    const chunk = (u8[p]! << 8) | u8[p + 1]!;
    p += 2;
    if ((chunk & 0x8000) === 0) {
      const symbol = (chunk >> 13) & 3;
      if (symbol === 3) return -1;
      for (let run = chunk & 0x1fff; run > 0 && filled < count; run--) symbols[filled++] = symbol;
      continue;
    }
    const wide = (chunk & 0x4000) !== 0;
    for (let k = 0; k < (wide ? 7 : 14) && filled < count; k++) {
      const symbol = wide ? (chunk >> (12 - 2 * k)) & 3 : (chunk >> (13 - k)) & 1;
      if (symbol === 3) return -1;
      symbols[filled++] = symbol;
    }
  }
  return p;
}
