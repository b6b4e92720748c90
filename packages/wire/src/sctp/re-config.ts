/** RE-CONFIG chunks (RFC 6525): stream resets, the other requests of that RFC, and the answers to them. */
import { readI32, readU16, writeU16, writeU32 } from "./bytes.ts";
import { RE_CONFIG } from "./chunk-types.ts";
import { CHUNK_HEADER_BYTES, closeChunk } from "./packet.ts";
import {
  PARAM_ADD_INCOMING,
  PARAM_ADD_OUTGOING,
  PARAM_INCOMING_RESET,
  PARAM_OUTGOING_RESET,
  PARAM_RECONFIG_RESPONSE,
  PARAM_TSN_RESET,
  closeParam,
  nextParam,
  paramEnd,
} from "./parameters.ts";

/** Result codes, section 4.4. */
export const RESULT_NOTHING_TO_DO = 0;
export const RESULT_PERFORMED = 1;
export const RESULT_DENIED = 2;
export const RESULT_WRONG_SSN = 3;
export const RESULT_ALREADY_IN_PROGRESS = 4;
export const RESULT_BAD_SEQUENCE = 5;
export const RESULT_IN_PROGRESS = 6;

/** One parameter of a RE-CONFIG. Sequence numbers and TSNs are signed, see `serial.ts`. */
export type ReConfigParam =
  | {
      readonly type: "outgoingReset";
      readonly requestSeq: number;
      readonly responseSeq: number;
      readonly lastTsn: number;
      /** Empty = all streams. */
      readonly streams: readonly number[];
    }
  | { readonly type: "incomingReset"; readonly requestSeq: number; readonly streams: readonly number[] }
  | { readonly type: "tsnReset"; readonly requestSeq: number }
  | { readonly type: "addStreams"; readonly requestSeq: number; readonly outgoing: boolean; readonly count: number }
  | { readonly type: "response"; readonly responseSeq: number; readonly result: number };

/** The one or two parameters of the RE-CONFIG between `at` and `end`; undefined when it is malformed. */
export function parseReConfig(bytes: Uint8Array, at: number, end: number): ReConfigParam[] | undefined {
  const params: ReConfigParam[] = [];
  let next = at + CHUNK_HEADER_BYTES;
  while (next < end && params.length < 2) {
    const last = paramEnd(bytes, next, end);
    if (last < 0) return undefined;
    const param = parseParam(bytes, next, last);
    if (!param) return undefined;
    params.push(param);
    next = nextParam(next, last);
  }
  return params.length > 0 ? params : undefined;
}

function parseParam(bytes: Uint8Array, at: number, end: number): ReConfigParam | undefined {
  const length = end - at;
  if (length < 8) return undefined;
  const requestSeq = readI32(bytes, at + 4);
  switch (readU16(bytes, at)) {
    case PARAM_OUTGOING_RESET: {
      const streams = length < 16 ? undefined : readStreams(bytes, at + 16, end);
      if (!streams) return undefined;
      const responseSeq = readI32(bytes, at + 8);
      return { type: "outgoingReset", requestSeq, responseSeq, lastTsn: readI32(bytes, at + 12), streams };
    }
    case PARAM_INCOMING_RESET: {
      const streams = readStreams(bytes, at + 8, end);
      return streams && { type: "incomingReset", requestSeq, streams };
    }
    case PARAM_TSN_RESET:
      return { type: "tsnReset", requestSeq };
    case PARAM_ADD_OUTGOING:
    case PARAM_ADD_INCOMING: {
      if (length < 12) return undefined;
      const outgoing = readU16(bytes, at) === PARAM_ADD_OUTGOING;
      return { type: "addStreams", requestSeq, outgoing, count: readU16(bytes, at + 8) };
    }
    case PARAM_RECONFIG_RESPONSE:
      if (length < 12) return undefined;
      return { type: "response", responseSeq: requestSeq, result: readI32(bytes, at + 8) };
    default:
      return undefined;
  }
}

function readStreams(bytes: Uint8Array, from: number, to: number): number[] | undefined {
  if ((to - from) % 2 !== 0) return undefined;
  const streams: number[] = [];
  for (let at = from; at < to; at += 2) streams.push(readU16(bytes, at));
  return streams;
}

/** Writes a RE-CONFIG of one parameter. Returns the padded end. */
export function writeReConfig(bytes: Uint8Array, at: number, param: ReConfigParam): number {
  const start = at + CHUNK_HEADER_BYTES;
  let end = start + 8;
  let type = PARAM_TSN_RESET;
  writeU32(bytes, start + 4, param.type === "response" ? param.responseSeq : param.requestSeq);
  if (param.type === "outgoingReset") {
    type = PARAM_OUTGOING_RESET;
    writeU32(bytes, start + 8, param.responseSeq);
    writeU32(bytes, start + 12, param.lastTsn);
    end = writeStreams(bytes, start + 16, param.streams);
  } else if (param.type === "incomingReset") {
    type = PARAM_INCOMING_RESET;
    end = writeStreams(bytes, start + 8, param.streams);
  } else if (param.type === "addStreams") {
    type = param.outgoing ? PARAM_ADD_OUTGOING : PARAM_ADD_INCOMING;
    writeU16(bytes, start + 8, param.count);
    writeU16(bytes, start + 10, 0);
    end = start + 12;
  } else if (param.type === "response") {
    type = PARAM_RECONFIG_RESPONSE;
    writeU32(bytes, start + 8, param.result);
    end = start + 12;
  }
  // The chunk's length leaves out the padding of its last parameter (RFC 9260 section 3.2).
  closeParam(bytes, start, type, end);
  return closeChunk(bytes, at, RE_CONFIG, 0, end);
}

function writeStreams(bytes: Uint8Array, at: number, streams: readonly number[]): number {
  let end = at;
  for (const stream of streams) {
    writeU16(bytes, end, stream);
    end += 2;
  }
  return end;
}
