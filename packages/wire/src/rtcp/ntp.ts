/** NTP timestamps (RFC 3550 section 4) and Unix milliseconds. */

/** Seconds from 1900 to 1970. */
const NTP_UNIX_OFFSET_SECONDS = 2_208_988_800;
const FRACTION = 4_294_967_296;

/** Whole NTP seconds of a Unix time, unsigned 32 bits. */
export function ntpSeconds(unixMs: number): number {
  return (Math.floor(unixMs / 1000) + NTP_UNIX_OFFSET_SECONDS) % FRACTION;
}

/** Fraction of the second of a Unix time in units of 2^-32 s. */
export function ntpFraction(unixMs: number): number {
  // Times before 1970 occur: some senders count from their start.
  return Math.floor((unixMs / 1000 - Math.floor(unixMs / 1000)) * FRACTION);
}

/** Unix milliseconds of an NTP time. */
export function ntpToUnixMs(seconds: number, fraction: number): number {
  return (seconds - NTP_UNIX_OFFSET_SECONDS) * 1000 + (fraction * 1000) / FRACTION;
}

/** The middle 32 bits (unsigned), as report blocks quote them. */
export function ntpMiddle(seconds: number, fraction: number): number {
  return ((seconds << 16) | (fraction >>> 16)) >>> 0;
}
