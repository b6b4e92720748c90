/** The abs-send-time header extension: 24 bits, 6 integer and 18 fractional bits of seconds. */

/** Bytes of the element. */
export const ABS_SEND_TIME_BYTES = 3;

/** The 24-bit value of a time in milliseconds. */
export function absSendTime(timeMs: number): number {
  return Math.floor(((timeMs % 64_000) * 262_144) / 1000) & 0xffffff;
}

/** Milliseconds within the 64 s that the value can express. */
export function absSendTimeMs(value: number): number {
  return (value * 1000) / 262_144;
}
