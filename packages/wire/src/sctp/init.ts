/**
 * INIT and INIT ACK chunks with the parameters that WebRTC uses (RFC 9260 sections 3.3.2 and 3.3.3, RFC 3758, RFC 5061
 * for the list of extensions, RFC 9653). Address parameters are accepted and ignored: the path is DTLS's.
 */
import { readI32, readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import { FORWARD_TSN, RE_CONFIG } from "./chunk-types.ts";
import { closeChunk } from "./packet.ts";
import {
  PARAM_FORWARD_TSN_SUPPORTED,
  PARAM_HEADER_BYTES,
  PARAM_STATE_COOKIE,
  PARAM_SUPPORTED_EXTENSIONS,
  PARAM_UNRECOGNIZED,
  PARAM_ZERO_CHECKSUM,
  closeParam,
  nextParam,
  paramEnd,
} from "./parameters.ts";

const FIXED_BYTES = 20;
/** Error detection method "lower layer is DTLS" (RFC 9653 section 6). */
const EDMID_DTLS = 1;
/** IPv4, IPv6, cookie preservative, host name, supported address types; then ECN and the ASCONF family. */
const IGNORED_PARAMS = new Set([5, 6, 9, 11, 12, 0x8000, 0x8002, 0x8003, 0x8004, 0xc006]);
const MAX_UNRECOGNIZED = 8;

/** An INIT or INIT ACK. */
export interface InitChunk {
  /** Unsigned, never 0. */
  readonly initiateTag: number;
  /** Advertised receive window in bytes. */
  readonly window: number;
  readonly outboundStreams: number;
  readonly inboundStreams: number;
  /** Signed, see `serial.ts`. */
  readonly initialTsn: number;
  readonly forwardTsn: boolean;
  readonly reConfig: boolean;
  /** Packets without checksum are accepted, because DTLS protects them. */
  readonly zeroChecksum: boolean;
  /** State cookie; only in an INIT ACK. A view into what was parsed. */
  readonly cookie?: Uint8Array;
  /** Unknown parameters that ask to be reported, with their headers. Views into what was parsed. */
  readonly unrecognized?: readonly Uint8Array[];
}

interface Parameters {
  forwardTsn: boolean;
  reConfig: boolean;
  zeroChecksum: boolean;
  cookie: Uint8Array | undefined;
  unrecognized: Uint8Array[];
}

/** The INIT or INIT ACK between `at` and `end`, or undefined when it is malformed or breaks a MUST of its fields. */
export function parseInit(bytes: Uint8Array, at: number, end: number): InitChunk | undefined {
  if (end - at < FIXED_BYTES) return undefined;
  const initiateTag = readU32(bytes, at + 4);
  const outboundStreams = readU16(bytes, at + 12);
  const inboundStreams = readU16(bytes, at + 14);
  if (initiateTag === 0 || outboundStreams === 0 || inboundStreams === 0) return undefined;
  const found: Parameters = {
    forwardTsn: false,
    reConfig: false,
    zeroChecksum: false,
    cookie: undefined,
    unrecognized: [],
  };
  if (!readParameters(bytes, at + FIXED_BYTES, end, found)) return undefined;
  const { cookie, ...rest } = found;
  return {
    initiateTag,
    window: readU32(bytes, at + 8),
    outboundStreams,
    inboundStreams,
    initialTsn: readI32(bytes, at + 16),
    ...rest,
    ...(cookie && { cookie }),
  };
}

function readParameters(bytes: Uint8Array, first: number, limit: number, found: Parameters): boolean {
  for (let at = first; at < limit;) {
    const end = paramEnd(bytes, at, limit);
    if (end < 0) return false;
    const type = readU16(bytes, at);
    if (type === PARAM_STATE_COOKIE) found.cookie = bytes.subarray(at + PARAM_HEADER_BYTES, end);
    else if (type === PARAM_FORWARD_TSN_SUPPORTED) found.forwardTsn = true;
    else if (type === PARAM_SUPPORTED_EXTENSIONS) readExtensions(bytes, at + PARAM_HEADER_BYTES, end, found);
    else if (type === PARAM_ZERO_CHECKSUM) {
      if (end - at === 8 && readU32(bytes, at + 4) === EDMID_DTLS) found.zeroChecksum = true;
    } else if (!IGNORED_PARAMS.has(type) && type !== PARAM_UNRECOGNIZED) {
      if ((type & 0x4000) !== 0 && found.unrecognized.length < MAX_UNRECOGNIZED) {
        found.unrecognized.push(bytes.subarray(at, end));
      }
      if ((type & 0x8000) === 0) return true;
    }
    at = nextParam(at, end);
  }
  return true;
}

function readExtensions(bytes: Uint8Array, from: number, to: number, found: Parameters): void {
  for (let i = from; i < to; i++) {
    if (bytes[i] === RE_CONFIG) found.reConfig = true;
    else if (bytes[i] === FORWARD_TSN) found.forwardTsn = true;
  }
}

/** An upper bound of what `writeInit` writes. */
export function initBytes(init: InitChunk): number {
  let bytes = 48 + (init.cookie?.length ?? 0) + 4;
  for (const one of init.unrecognized ?? []) bytes += one.length + 8;
  return bytes;
}

/** Writes an INIT or INIT ACK (`type`) at `at`. Returns the padded end. */
export function writeInit(bytes: Uint8Array, at: number, type: number, init: InitChunk): number {
  writeU32(bytes, at + 4, init.initiateTag);
  writeU32(bytes, at + 8, init.window);
  writeU16(bytes, at + 12, init.outboundStreams);
  writeU16(bytes, at + 14, init.inboundStreams);
  writeU32(bytes, at + 16, init.initialTsn);
  // The chunk's length leaves out the padding of its last parameter (RFC 9260 section 3.2), hence two ends.
  let next = at + FIXED_BYTES;
  let end = next;
  const add = (param: number, value: ArrayLike<number>): void => {
    bytes.set(value, next + PARAM_HEADER_BYTES);
    end = next + PARAM_HEADER_BYTES + value.length;
    next = closeParam(bytes, next, param, end);
  };
  if (init.cookie) add(PARAM_STATE_COOKIE, init.cookie);
  if (init.forwardTsn) add(PARAM_FORWARD_TSN_SUPPORTED, []);
  const extensions = [...(init.reConfig ? [RE_CONFIG] : []), ...(init.forwardTsn ? [FORWARD_TSN] : [])];
  if (extensions.length > 0) add(PARAM_SUPPORTED_EXTENSIONS, extensions);
  if (init.zeroChecksum) add(PARAM_ZERO_CHECKSUM, [0, 0, 0, EDMID_DTLS]);
  for (const one of init.unrecognized ?? []) add(PARAM_UNRECOGNIZED, one);
  return closeChunk(bytes, at, type, 0, end);
}
