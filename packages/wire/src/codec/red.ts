/**
 * Redundant audio (RFC 2198): a payload with the frame of its packet, the primary one, and earlier frames before it.
 * Reading stays inside the payload and looks at the two newest earlier frames only (as many as anybody sends and uses).
 */

/** Earlier frames that are read or written at most. */
export const MAX_EARLIER = 2;
/** Limits of the header of an earlier frame: 14 bits of timestamp, 10 bits of length. */
const MAX_AGE_TICKS = 0x3fff;
const MAX_EARLIER_BYTES = 0x3ff;

/** Where the frames of a payload lie, as offsets in the array; filled in by `readRed`, meant to be reused. */
export interface RedFrames {
  primaryAt: number;
  primaryLength: number;
  /** Payload type of the primary frame's codec. */
  payloadType: number;
  /** Earlier frames in the lists below, the newest of them first. */
  count: number;
  readonly at: Int32Array;
  readonly length: Int32Array;
  /** How much older than the primary frame, in timestamp units. */
  readonly ageTicks: Int32Array;
}

/** An empty record to be filled in. */
export function newRedFrames(): RedFrames {
  return {
    primaryAt: 0,
    primaryLength: 0,
    payloadType: 0,
    count: 0,
    at: new Int32Array(MAX_EARLIER),
    length: new Int32Array(MAX_EARLIER),
    ageTicks: new Int32Array(MAX_EARLIER),
  };
}

/** Offset of the primary block from the payload's start, or -1 if the payload is malformed. */
export function redPrimaryOffset(u8: Uint8Array, at: number, length: number): number {
  let head = 0;
  let redundant = 0;
  while (head < length) {
    if ((u8[at + head]! & 0x80) === 0) {
      const primary = head + 1 + redundant;
      return primary <= length ? primary : -1;
    }
    if (head + 4 > length) return -1;
    redundant += blockLength(u8, at + head);
    head += 4;
  }
  return -1;
}

/** Finds the frames of a payload; false if it is malformed. */
export function readRed(u8: Uint8Array, at: number, length: number, into: RedFrames): boolean {
  const primary = redPrimaryOffset(u8, at, length);
  if (primary < 0) return false;
  let head = at;
  while ((u8[head]! & 0x80) !== 0) head += 4;
  into.primaryAt = at + primary;
  into.primaryLength = length - primary;
  into.payloadType = u8[head]!;
  into.count = 0;
  // Backwards: the last header before the primary one is that of the newest earlier frame.
  let end = at + primary;
  while (head > at && into.count < MAX_EARLIER) {
    head -= 4;
    const size = blockLength(u8, head);
    end -= size;
    into.at[into.count] = end;
    into.length[into.count] = size;
    into.ageTicks[into.count] = (u8[head + 1]! << 6) | (u8[head + 2]! >> 2);
    into.count++;
  }
  return true;
}

/**
 * Writes a payload at `to` from frames that lie elsewhere in the same array, all of the codec `frames.payloadType`. An
 * earlier frame that is too old, too long, or does not fit in `capacity` bytes is left out with those before it.
 * Returns the length, or -1 if not even the primary frame fits.
 */
export function writeRed(u8: Uint8Array, to: number, capacity: number, frames: RedFrames): number {
  let total = 1 + frames.primaryLength;
  if (total > capacity) return -1;
  let count = 0;
  for (; count < frames.count; count++) {
    const size = frames.length[count]!;
    const age = frames.ageTicks[count]!;
    if (size > MAX_EARLIER_BYTES || age <= 0 || age > MAX_AGE_TICKS || total + 4 + size > capacity) break;
    total += 4 + size;
  }
  let head = to;
  for (let i = count - 1; i >= 0; i--) {
    const age = frames.ageTicks[i]!;
    const size = frames.length[i]!;
    u8[head] = 0x80 | frames.payloadType;
    u8[head + 1] = age >> 6;
    u8[head + 2] = (age << 2) | (size >> 8);
    u8[head + 3] = size;
    head += 4;
  }
  u8[head++] = frames.payloadType & 0x7f;
  for (let i = count - 1; i >= 0; i--) {
    u8.copyWithin(head, frames.at[i]!, frames.at[i]! + frames.length[i]!);
    head += frames.length[i]!;
  }
  u8.copyWithin(head, frames.primaryAt, frames.primaryAt + frames.primaryLength);
  return total;
}

function blockLength(u8: Uint8Array, head: number): number {
  return ((u8[head + 2]! & 3) << 8) | u8[head + 3]!;
}
