/** SCTP chunks that a step of a case describes, aimed at what an association expects just now. */
import { writeU16 } from "@stoa/wire/sctp/bytes";
import { writeCause } from "@stoa/wire/sctp/causes";
import * as type from "@stoa/wire/sctp/chunk-types";
import { writeDataHeader } from "@stoa/wire/sctp/data";
import {
  PPID_BINARY,
  PPID_BINARY_EMPTY,
  PPID_DCEP,
  PPID_STRING,
  writeDcepAck,
  writeDcepOpen,
} from "@stoa/wire/sctp/dcep";
import { writeForwardTsn } from "@stoa/wire/sctp/forward-tsn";
import { writeInit } from "@stoa/wire/sctp/init";
import { closeChunk } from "@stoa/wire/sctp/packet";
import { writeReConfig } from "@stoa/wire/sctp/re-config";
import type { ReConfigParam } from "@stoa/wire/sctp/re-config";
import { writeSackHeader } from "@stoa/wire/sctp/sack";
import { choose, operand } from "./engine.ts";
import type { Step } from "./engine.ts";
import { noise } from "./mutate.ts";

/** What a sniffer knows of the victim's state. */
export interface Aim {
  /** The TSN that the victim expects next. */
  readonly nextTsn: number;
  /** Sequence number of the RE-CONFIG request that the victim expects next. */
  readonly nextRequest: number;
  /** The last TSN that the victim sent. */
  readonly victimTsn: number;
  /** Sequence number of the victim's last RE-CONFIG request. */
  readonly victimRequest: number;
}

const KINDS = [
  type.DATA,
  type.DATA,
  type.DATA,
  type.SACK,
  type.SACK,
  type.FORWARD_TSN,
  type.FORWARD_TSN,
  type.RE_CONFIG,
  type.RE_CONFIG,
  type.INIT,
  type.INIT_ACK,
  type.HEARTBEAT,
  type.HEARTBEAT_ACK,
  type.ERROR,
  type.COOKIE_ECHO,
  type.COOKIE_ACK,
  type.SHUTDOWN,
  type.SHUTDOWN_ACK,
  type.SHUTDOWN_COMPLETE,
  0x3f,
  0x7f,
  0xbf,
  0xff,
  type.ABORT,
];
const PPIDS = [PPID_BINARY, PPID_STRING, PPID_DCEP, PPID_BINARY_EMPTY, 0, 99];
const LENGTHS = [1, 2, 100, 1000, 1112, 3];
const WINDOWS = [100_000, 0, 1, 1100, 0xffffffff];
/** Longest chunk that is made here. */
const MAX_FORGED_BYTES = 3000;

/** The chunk that operands 1 … 7 describe, padded. */
export function forgedChunk(step: Step, aim: Aim): Uint8Array {
  const bytes = new Uint8Array(MAX_FORGED_BYTES);
  return bytes.subarray(0, write(bytes, choose(KINDS, operand(step, 1)), step, aim));
}

/** `base` or a number around it, seldom a far one. */
function near(base: number, by: number): number {
  if ((by & 3) === 3) return by;
  return (base + (by & 3 ? (by >>> 2) % 40 : 0) - (by & 2 ? 20 : 0)) | 0;
}

/** Mostly a number that is in use. */
function lowOrAny(by: number): number {
  return by & 3 ? (by >>> 2) & 7 : (by >>> 2) & 0xffff;
}

function write(bytes: Uint8Array, kind: number, step: Step, aim: Aim): number {
  const a = operand(step, 2);
  const b = operand(step, 3);
  const c = operand(step, 4);
  const d = operand(step, 5);
  switch (kind) {
    case type.DATA:
      return writeData(bytes, step, aim);
    case type.SACK: {
      const gaps = (c & 7) === 7 ? 300 : c & 3;
      for (let i = 0; i < gaps; i++) {
        writeU16(bytes, 16 + 4 * i, 2 + 3 * i + (d % 5));
        writeU16(bytes, 18 + 4 * i, 2 + 3 * i + ((d >>> 4) % 7));
      }
      return writeSackHeader(bytes, 0, near(aim.victimTsn, a), choose(WINDOWS, b), gaps, (c >>> 4) & 3);
    }
    case type.FORWARD_TSN: {
      const streams = Array.from({ length: 2 * (b % 6) }, (_, i) => (i % 2 === 0 ? lowOrAny(c) + i / 2 : lowOrAny(d)));
      return writeForwardTsn(bytes, 0, near(aim.nextTsn, a), streams);
    }
    case type.RE_CONFIG:
      return writeReConfig(bytes, 0, reConfig(a, b, c, d, aim));
    case type.INIT:
    case type.INIT_ACK:
      return writeInit(bytes, 0, kind, {
        initiateTag: a || 1,
        window: choose(WINDOWS, b),
        outboundStreams: (c & 0xff) + 1,
        inboundStreams: ((c >>> 8) & 0xff) + 1,
        initialTsn: near(aim.nextTsn, d),
        forwardTsn: (b & 8) === 0,
        reConfig: (b & 16) === 0,
        zeroChecksum: (b & 32) === 0,
        ...((b & 64) === 0 && { cookie: noise(c, 44) }),
      });
    case type.SHUTDOWN:
      bytes.set([aim.victimTsn >>> 24, aim.victimTsn >>> 16, aim.victimTsn >>> 8, aim.victimTsn + (a % 3) - 1], 4);
      return closeChunk(bytes, 0, kind, 0, b & 1 ? 4 : 8);
    case type.ERROR:
    case type.ABORT:
      // An end is an end: most cases are to go on.
      return writeCause(bytes, 0, d % 8 === 0 ? kind : type.ERROR, a % 16, noise(b, c % 64));
    default:
      bytes.set(noise(a, b % 1200), 4);
      return closeChunk(bytes, 0, kind, c & 1, 4 + (b % 1200));
  }
}

/** A DATA chunk with these fields. */
export function dataChunk(
  tsn: number,
  flags: number,
  stream: number,
  ssn: number,
  ppid: number,
  payload: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(16 + payload.length + 3);
  bytes.set(payload, 16);
  return bytes.subarray(0, writeDataHeader(bytes, 0, flags, tsn, stream, ssn & 0xffff, ppid, payload.length));
}

function writeData(bytes: Uint8Array, step: Step, aim: Aim): number {
  const length = choose(LENGTHS, operand(step, 6));
  const ppid = choose(PPIDS, operand(step, 7));
  const label = { label: "forged", protocol: "", priority: 256, ordered: (length & 1) === 0 };
  const limits = { maxRetransmits: length & 2 ? 0 : undefined, maxPacketLifeTimeMs: undefined };
  const open = writeDcepOpen({ ...label, ...limits })!;
  const payload = ppid !== PPID_DCEP ? noise(length, length) : operand(step, 6) & 1 ? writeDcepAck() : open;
  bytes.set(payload, 16);
  const tsn = near(aim.nextTsn, operand(step, 2));
  const flags = operand(step, 3) & 15;
  const [stream, ssn] = [lowOrAny(operand(step, 4)), lowOrAny(operand(step, 5))];
  return writeDataHeader(bytes, 0, flags, tsn, stream, ssn, ppid, payload.length);
}

function reConfig(a: number, b: number, c: number, d: number, aim: Aim): ReConfigParam {
  const requestSeq = near(aim.nextRequest, b);
  const streams = Array.from({ length: c % 6 }, (_, i) => (lowOrAny(d) + i) & 0xffff);
  switch (a % 6) {
    case 0:
    case 1:
      return { type: "outgoingReset", requestSeq, responseSeq: 0, lastTsn: near(aim.nextTsn - 1, d), streams };
    case 2:
      return { type: "incomingReset", requestSeq, streams };
    case 3:
      return { type: "tsnReset", requestSeq };
    case 4:
      return { type: "addStreams", requestSeq, outgoing: (c & 1) === 0, count: d & 0xffff };
    default:
      return { type: "response", responseSeq: near(aim.victimRequest, b), result: d % 9 };
  }
}
