/** The readers of SCTP packets and chunks on changed packets, each asked for every kind of chunk. */
import assert from "node:assert/strict";
import { readI32 } from "@stoa/wire/sctp/bytes";
import { firstCause } from "@stoa/wire/sctp/causes";
import * as type from "@stoa/wire/sctp/chunk-types";
import { parseData } from "@stoa/wire/sctp/data";
import { parseDcep, writeDcepOpen } from "@stoa/wire/sctp/dcep";
import { parseForwardTsn, skippedSsn, skippedStream } from "@stoa/wire/sctp/forward-tsn";
import { initBytes, parseInit, writeInit } from "@stoa/wire/sctp/init";
import { PACKET_HEADER_BYTES, chunkEnd, nextChunk, parsePacket } from "@stoa/wire/sctp/packet";
import { parseReConfig, writeReConfig } from "@stoa/wire/sctp/re-config";
import { duplicateTsn, gapEnd, gapStart, parseSack } from "@stoa/wire/sctp/sack";
import { choose, operand } from "./engine.ts";
import type { Case, Target } from "./engine.ts";
import { mutated } from "./mutate.ts";
import { forgedChunk } from "./sctp-forge.ts";
import { packetOf, resealed } from "./sctp-world.ts";

const AIM = { nextTsn: 1000, nextRequest: 1000, victimTsn: 2000, victimRequest: 2000 };

/** See `about`. */
export const sctpParser: Target = {
  name: "sctp-parser",
  about: "changed SCTP packets: no reader throws, or reads outside of its chunk, or differs from its writer",
  maxSteps: 12,
  run(steps: Case): string {
    // The first steps are chunks, the others change the packet.
    const chunks = steps.slice(0, 1 + (operand(steps[0] ?? [], 0) % 3)).map((step) => forgedChunk(step, AIM));
    let packet = packetOf(1, ...chunks);
    for (const step of steps.slice(chunks.length)) packet = mutated(packet, step, 0, 0);
    const intact = parsePacket(packet) !== undefined;
    const sealed = parsePacket(resealed(packet)) !== undefined;
    return `${intact}${sealed}${readAll(packet)}`;
  },
};

/** Walks over the chunks; gives what was found in short. */
function readAll(packet: Uint8Array): string {
  let found = "";
  for (let at = PACKET_HEADER_BYTES; at < packet.length;) {
    const end = chunkEnd(packet, at);
    if (end < 0) return `${found}!`;
    assert.ok(end >= at + 4 && end <= packet.length && nextChunk(at, end) > at);
    const seen = readers.map((read) => (read(packet, at, end) ? "1" : "0")).join("");
    found += ` ${packet[at]}:${Number.parseInt(seen, 2)}:${Math.min(3, (end - at) >> 6)}`;
    at = nextChunk(at, end);
  }
  return found;
}

type Reader = (bytes: Uint8Array, at: number, end: number) => boolean;

/** Each reads the chunk as if it were of its kind, and checks what it gets. */
const readers: readonly Reader[] = [
  (bytes, at, end) => {
    const data = parseData(bytes, at, end);
    if (data) assert.ok(data.from > at && data.to > data.from && data.to <= end);
    return data !== undefined;
  },
  (bytes, at, end) => {
    const sack = parseSack(bytes, at, end);
    if (!sack) return false;
    assert.ok(sack.gapsAt + 4 * (sack.gapCount + sack.duplicateCount) <= end);
    for (let i = 0; i < sack.gapCount; i++) assertWord(gapStart(bytes, sack, i), gapEnd(bytes, sack, i));
    for (let i = 0; i < sack.duplicateCount; i++) assert.equal(duplicateTsn(bytes, sack, i) | 0, duplicateTsn(bytes, sack, i)); // prettier-ignore
    return true;
  },
  (bytes, at, end) => {
    const forward = parseForwardTsn(bytes, at, end);
    if (!forward) return false;
    assert.ok(forward.streamsAt + 4 * forward.streamCount <= end);
    for (let i = 0; i < forward.streamCount; i++) {
      assertWord(skippedStream(bytes, forward, i), skippedSsn(bytes, forward, i));
    }
    return true;
  },
  readsReConfig,
  readsInit,
  readsDcep,
  (bytes, at, end) => firstCause(bytes, at, end) !== 0,
];

function readsReConfig(bytes: Uint8Array, at: number, end: number): boolean {
  const params = parseReConfig(bytes, at, end);
  if (!params) return false;
  assert.ok(params.length >= 1 && params.length <= 2);
  for (const param of params) {
    const again = new Uint8Array(bytes.length + 64);
    assert.deepEqual(parseReConfig(again.subarray(0, writeReConfig(again, 0, param)), 0, readLength(again)), [param]);
  }
  return true;
}

function readsInit(bytes: Uint8Array, at: number, end: number): boolean {
  const init = parseInit(bytes, at, end);
  if (!init) return false;
  assert.ok(init.initiateTag > 0 && init.inboundStreams > 0 && init.outboundStreams > 0);
  for (const view of [init.cookie, ...(init.unrecognized ?? [])]) {
    if (view) assert.ok(view.byteOffset >= bytes.byteOffset + at && view.byteOffset + view.length <= bytes.byteOffset + end); // prettier-ignore
  }
  const again = new Uint8Array(initBytes(init));
  const { unrecognized: _, ...rest } = init;
  writeInit(again, 0, type.INIT, rest);
  const { unrecognized: __, ...back } = parseInit(again, 0, readLength(again))!;
  assert.deepEqual(back, rest);
  return true;
}

function readsDcep(bytes: Uint8Array, at: number, end: number): boolean {
  const payload = bytes.slice(at, end);
  // So that more than one chunk in 256 is a message at all.
  payload[0] = choose([2, 3, 3, 3], readI32(bytes, at));
  const message = parseDcep(payload);
  if (message?.type !== "open") return message !== undefined;
  const { label, protocol } = message.open;
  assert.ok(label.length + protocol.length <= payload.length);
  const again = parseDcep(writeDcepOpen(message.open) ?? payload);
  assert.deepEqual(again, message);
  return true;
}

function readLength(chunk: Uint8Array): number {
  return (chunk[2]! << 8) | chunk[3]!;
}

function assertWord(...values: readonly number[]): void {
  for (const value of values) assert.ok(value >= 0 && value <= 0xffff);
}
