/** Small chunks ready to be sent: encoded and padded, each a fresh array. */
import { padded } from "@stoa/wire/sctp/bytes";
import { CAUSE_UNRECOGNIZED_CHUNK, CAUSE_USER_ABORT, writeCause, writeOpaque } from "@stoa/wire/sctp/causes";
import { ABORT, ERROR, HEARTBEAT_ACK } from "@stoa/wire/sctp/chunk-types";
import { initBytes, writeInit } from "@stoa/wire/sctp/init";
import type { InitChunk } from "@stoa/wire/sctp/init";
import { CHUNK_HEADER_BYTES } from "@stoa/wire/sctp/packet";
import { encodeUtf8 } from "@stoa/wire/text";

/** How much of an unknown chunk is sent back. */
const MAX_ECHO_BYTES = 256;
const MAX_REASON_CHARS = 64;
const NOTHING = new Uint8Array(0);

/** A chunk of `type` that carries `value`, or nothing. */
export function opaqueChunk(type: number, value: Uint8Array = NOTHING): Uint8Array {
  const chunk = new Uint8Array(padded(CHUNK_HEADER_BYTES + value.length));
  writeOpaque(chunk, 0, type, 0, value);
  return chunk;
}

/** An INIT or INIT ACK. */
export function initChunk(type: number, init: InitChunk): Uint8Array {
  const bytes = new Uint8Array(initBytes(init));
  return bytes.subarray(0, writeInit(bytes, 0, type, init));
}

/** The answer to the HEARTBEAT between `at` and `end`: the same information. */
export function heartbeatAck(bytes: Uint8Array, at: number, end: number): Uint8Array {
  return opaqueChunk(HEARTBEAT_ACK, bytes.subarray(at + CHUNK_HEADER_BYTES, end));
}

/** ERROR: the chunk between `at` and `end` is of an unknown type. */
export function unknownChunkError(bytes: Uint8Array, at: number, end: number): Uint8Array {
  return causeChunk(ERROR, CAUSE_UNRECOGNIZED_CHUNK, bytes.subarray(at, Math.min(end, at + MAX_ECHO_BYTES)));
}

/** ABORT by the user of the association. */
export function abortChunk(reason: string): Uint8Array {
  return causeChunk(ABORT, CAUSE_USER_ABORT, encodeUtf8(reason.slice(0, MAX_REASON_CHARS)));
}

function causeChunk(type: number, cause: number, info: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(padded(2 * CHUNK_HEADER_BYTES + info.length));
  writeCause(chunk, 0, type, cause, info);
  return chunk;
}
