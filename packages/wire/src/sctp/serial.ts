/**
 * Serial number arithmetic of SCTP (RFC 9260 section 1.6). A TSN is kept as a signed 32-bit integer and an SSN as an
 * unsigned 16-bit one; both wrap, so only their differences mean anything.
 */

/** How far TSN `a` is ahead of TSN `b`; negative = behind. */
export function tsnDiff(a: number, b: number): number {
  return (a - b) | 0;
}

/** The TSN `count` behind `tsn`. */
export function tsnAdd(tsn: number, count: number): number {
  return (tsn + count) | 0;
}

/** How far SSN `a` is ahead of SSN `b`; negative = behind. */
export function ssnDiff(a: number, b: number): number {
  return ((a - b) << 16) >> 16;
}

/** The SSN that follows `ssn`. */
export function nextSsn(ssn: number): number {
  return (ssn + 1) & 0xffff;
}
