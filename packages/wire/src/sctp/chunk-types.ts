/** Chunk types (RFC 9260, 3758, 6525), their flags, and what the high bits of an unknown one ask for. */

export const DATA = 0;
export const INIT = 1;
export const INIT_ACK = 2;
export const SACK = 3;
export const HEARTBEAT = 4;
export const HEARTBEAT_ACK = 5;
export const ABORT = 6;
export const SHUTDOWN = 7;
export const SHUTDOWN_ACK = 8;
export const ERROR = 9;
export const COOKIE_ECHO = 10;
export const COOKIE_ACK = 11;
export const SHUTDOWN_COMPLETE = 14;
export const RE_CONFIG = 130;
export const FORWARD_TSN = 192;

/** Flag of ABORT and SHUTDOWN COMPLETE: the sender had no association and reflects the tag (section 8.5.1). */
export const FLAG_T = 1;

const KNOWN = new Set([
  DATA,
  INIT,
  INIT_ACK,
  SACK,
  HEARTBEAT,
  HEARTBEAT_ACK,
  ABORT,
  SHUTDOWN,
  SHUTDOWN_ACK,
  ERROR,
  COOKIE_ECHO,
  COOKIE_ACK,
  SHUTDOWN_COMPLETE,
  RE_CONFIG,
  FORWARD_TSN,
]);

/** Whether we know the chunk type. */
export function isKnownChunk(type: number): boolean {
  return KNOWN.has(type);
}

/** Whether the chunks after one of an unknown type are still to be read (section 3.2). */
export function skipsUnknownChunk(type: number): boolean {
  return (type & 0x80) !== 0;
}

/** Whether an unknown chunk is to be reported in an ERROR. */
export function reportsUnknownChunk(type: number): boolean {
  return (type & 0x40) !== 0;
}
