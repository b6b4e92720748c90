/** All chunk formats: what is written is read again, known bytes of other stacks are read, hostile ones give undefined. */
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { writeU16, writeU32 } from "./bytes.ts";
import { CAUSE_USER_ABORT, firstCause, writeCause, writeOpaque } from "./causes.ts";
import { ABORT, COOKIE_ECHO, INIT, INIT_ACK, reportsUnknownChunk, skipsUnknownChunk } from "./chunk-types.ts";
import { FLAG_BEGIN, FLAG_END, parseData, writeDataHeader } from "./data.ts";
import { parseForwardTsn, skippedSsn, skippedStream, writeForwardTsn } from "./forward-tsn.ts";
import { initBytes, parseInit, writeInit } from "./init.ts";
import { chunkEnd } from "./packet.ts";
import { parseReConfig, writeReConfig } from "./re-config.ts";
import type { ReConfigParam } from "./re-config.ts";
import { duplicateTsn, gapEnd, gapStart, parseSack, writeSackHeader } from "./sack.ts";
import { nextSsn, ssnDiff, tsnAdd, tsnDiff } from "./serial.ts";

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const u32 = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const u16 = fc.integer({ min: 0, max: 0xffff });

test("DATA: written and read again; without payload it is none", () => {
  fc.assert(
    fc.property(i32, u16, u16, u32, fc.uint8Array({ minLength: 1, maxLength: 50 }), (tsn, sid, ssn, ppid, payload) => {
      const bytes = new Uint8Array(100);
      bytes.set(payload, 12 + 16);
      const end = writeDataHeader(bytes, 12, FLAG_BEGIN | FLAG_END, tsn, sid, ssn, ppid, payload.length);
      assert.equal(end % 4, 0);
      const data = parseData(bytes, 12, chunkEnd(bytes, 12))!;
      assert.deepEqual({ ...data }, { flags: 3, tsn, streamId: sid, ssn, ppid, from: 28, to: 28 + payload.length });
    }),
  );
  const empty = new Uint8Array(32);
  writeDataHeader(empty, 12, 3, 1, 0, 0, 51, 0);
  assert.equal(parseData(empty, 12, 28), undefined);
});

test("SACK: blocks and duplicates are read in place, and must fit", () => {
  const bytes = new Uint8Array(60);
  writeU16(bytes, 16, 2);
  writeU16(bytes, 18, 3);
  writeU16(bytes, 20, 5);
  writeU16(bytes, 22, 65_535);
  writeU32(bytes, 24, 0xfffffff0);
  const end = writeSackHeader(bytes, 0, -7, 4_000_000_000, 2, 1);
  assert.equal(end, 28);
  const sack = parseSack(bytes, 0, end)!;
  assert.equal(sack.cumulativeTsn, -7);
  assert.equal(sack.window, 4_000_000_000);
  assert.deepEqual([gapStart(bytes, sack, 0), gapEnd(bytes, sack, 0)], [2, 3]);
  assert.deepEqual([gapStart(bytes, sack, 1), gapEnd(bytes, sack, 1)], [5, 65_535]);
  assert.equal(duplicateTsn(bytes, sack, 0), -16);
  assert.equal(parseSack(bytes, 0, end - 1), undefined);
  assert.equal(parseSack(bytes, 0, 15), undefined);
});

test("INIT: written and read again", () => {
  const flags = fc.boolean();
  fc.assert(
    fc.property(
      u32,
      u32,
      i32,
      flags,
      flags,
      flags,
      (initiateTag, window, initialTsn, forwardTsn, reConfig, zeroChecksum) => {
        const init = {
          initiateTag,
          window,
          outboundStreams: 65_535,
          inboundStreams: 2048,
          initialTsn,
          forwardTsn,
          reConfig,
          zeroChecksum,
        };
        const bytes = new Uint8Array(initBytes(init));
        const end = writeInit(bytes, 0, INIT, init);
        assert.deepEqual(
          { ...parseInit(bytes, 0, chunkEnd(bytes.subarray(0, end), 0)) },
          { ...init, unrecognized: [] },
        );
      },
    ),
  );
});

test("INIT ACK: the cookie and the report of unknown parameters", () => {
  const cookie = Uint8Array.of(1, 2, 3, 4, 5);
  const init = {
    initiateTag: 1,
    window: 1500,
    outboundStreams: 1,
    inboundStreams: 1,
    initialTsn: 0,
    forwardTsn: true,
    reConfig: true,
    zeroChecksum: false,
    cookie,
    unrecognized: [hex("c0ff 0006 abcd")],
  };
  const bytes = new Uint8Array(initBytes(init));
  const end = writeInit(bytes, 0, INIT_ACK, init);
  const read = parseInit(bytes, 0, chunkEnd(bytes.subarray(0, end), 0))!;
  assert.deepEqual([...read.cookie!], [...cookie]);
  assert.equal(read.forwardTsn && read.reConfig, true);
});

test("INIT: unknown parameters stop, are skipped or are reported as their high bits say", () => {
  const fixed = "01000000 00000001 00001000 00010001 00000007";
  const forward = "c0000004";
  const parse = (params: string) => {
    const bytes = hex(fixed + params);
    writeU16(bytes, 2, bytes.length);
    return parseInit(bytes, 0, bytes.length);
  };
  for (const [param, goesOn, reported] of [
    ["3f000004", false, 0],
    ["7f000004", false, 1],
    ["bf000004", true, 0],
    ["ff000005 01000000", true, 1],
  ] as const) {
    const init = parse(param + forward)!;
    assert.equal(init.forwardTsn, goesOn);
    assert.equal(init.unrecognized?.length, reported);
  }
  // Parameters of addresses and the like are known, not needed.
  assert.equal(parse("000c0006 00050000" + "8000 0004" + forward)!.unrecognized?.length, 0);
  assert.equal(parse("c000 0003 00000000"), undefined, "a length below the header");
  assert.equal(parse("c000 0008"), undefined, "a length beyond the chunk");
});

test("INIT: tag 0 or no streams are refused", () => {
  for (const bad of [
    "01000014 00000000 00001000 00010001 00000007",
    "01000014 00000001 00001000 00000001 00000007",
    "01000014 00000001 00001000 00010000 00000007",
    "01000010 00000001 00001000 00010001",
  ]) {
    const bytes = hex(bad);
    assert.equal(parseInit(bytes, 0, bytes.length), undefined);
  }
});

test("the INIT of a browser is read", () => {
  // As dcSCTP lays it out: FORWARD-TSN supported, then the list of RE-CONFIG and FORWARD-TSN (made up values).
  const bytes = hex("01000020 aabbccdd 00500000 ffffffff 01020304 c0000004 80080006 82c00000");
  assert.deepEqual(
    { ...parseInit(bytes, 0, 0x20 - 2) },
    {
      initiateTag: 0xaabbccdd,
      window: 0x500000,
      outboundStreams: 65_535,
      inboundStreams: 65_535,
      initialTsn: 0x01020304,
      forwardTsn: true,
      reConfig: true,
      zeroChecksum: false,
      unrecognized: [],
    },
  );
});

test("FORWARD TSN: pairs of stream and SSN", () => {
  const bytes = new Uint8Array(40);
  const end = writeForwardTsn(bytes, 4, -1, [7, 65_535, 1023, 0]);
  const chunk = parseForwardTsn(bytes, 4, end)!;
  assert.equal(chunk.newCumulativeTsn, -1);
  assert.equal(chunk.streamCount, 2);
  assert.deepEqual([skippedStream(bytes, chunk, 0), skippedSsn(bytes, chunk, 0)], [7, 65_535]);
  assert.deepEqual([skippedStream(bytes, chunk, 1), skippedSsn(bytes, chunk, 1)], [1023, 0]);
  assert.equal(parseForwardTsn(bytes, 4, end - 2), undefined);
  assert.equal(parseForwardTsn(bytes, 4, 11), undefined);
});

test("RE-CONFIG: every parameter comes back", () => {
  const streams = fc.array(u16, { maxLength: 20 });
  const param: fc.Arbitrary<ReConfigParam> = fc.oneof(
    fc.record(
      { type: fc.constant("outgoingReset" as const), requestSeq: i32, responseSeq: i32, lastTsn: i32, streams },
      { noNullPrototype: true },
    ),
    fc.record({ type: fc.constant("incomingReset" as const), requestSeq: i32, streams }, { noNullPrototype: true }),
    fc.record({ type: fc.constant("tsnReset" as const), requestSeq: i32 }, { noNullPrototype: true }),
    fc.record(
      { type: fc.constant("addStreams" as const), requestSeq: i32, outgoing: fc.boolean(), count: u16 },
      { noNullPrototype: true },
    ),
    fc.record(
      { type: fc.constant("response" as const), responseSeq: i32, result: fc.integer({ min: 0, max: 6 }) },
      { noNullPrototype: true },
    ),
  );
  fc.assert(
    fc.property(param, (one) => {
      const bytes = new Uint8Array(100);
      const end = writeReConfig(bytes, 0, one);
      assert.equal(end % 4, 0);
      assert.deepEqual(parseReConfig(bytes, 0, chunkEnd(bytes.subarray(0, end), 0)), [one]);
    }),
  );
  // A request and a response in one chunk, as usrsctp sends them.
  const two = hex("82000022 000d0012 00000001 00000002 00000003 00050000 0010000c 00000009 00000001");
  writeU16(two, 2, two.length);
  assert.deepEqual(
    parseReConfig(two, 0, two.length)?.map((one) => one.type),
    ["outgoingReset", "response"],
  );
  for (const bad of [
    "82000004",
    "82000008 000d0004",
    "82000010 000d000c 00000001 00000002",
    "8200000c 00ff0008 00000001",
  ]) {
    const bytes = hex(bad);
    assert.equal(parseReConfig(bytes, 0, bytes.length), undefined);
  }
});

test("causes and opaque chunks", () => {
  const bytes = new Uint8Array(40);
  const end = writeCause(bytes, 0, ABORT, CAUSE_USER_ABORT, Uint8Array.of(1, 2, 3));
  assert.equal(end, 12);
  assert.equal(firstCause(bytes, 0, chunkEnd(bytes, 0)), CAUSE_USER_ABORT);
  assert.equal(firstCause(bytes, 0, 4), 0);
  assert.equal(writeOpaque(bytes, 0, COOKIE_ECHO, 0, Uint8Array.of(9)), 8);
  assert.deepEqual([...bytes.subarray(0, 8)], [10, 0, 0, 5, 9, 0, 0, 0]);
});

test("the high bits of unknown chunks", () => {
  assert.deepEqual([0x3f, 0x7f, 0xbf, 0xff].map(skipsUnknownChunk), [false, false, true, true]);
  assert.deepEqual([0x3f, 0x7f, 0xbf, 0xff].map(reportsUnknownChunk), [false, true, false, true]);
});

test("serial numbers wrap", () => {
  assert.equal(tsnDiff(tsnAdd(0x7fffffff, 1), 0x7fffffff), 1);
  assert.equal(tsnDiff(-1, 0), -1);
  assert.equal(ssnDiff(0, 65_535), 1);
  assert.equal(ssnDiff(65_535, 0), -1);
  assert.equal(nextSsn(65_535), 0);
});

test("arbitrary bytes give a value or undefined, never an error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 120 }), (bytes) => {
      const end = bytes.length;
      parseData(bytes, 0, end);
      const sack = parseSack(bytes, 0, end);
      if (sack?.gapCount) assert.ok(gapEnd(bytes, sack, sack.gapCount - 1) >= 0);
      if (sack?.duplicateCount) assert.ok(Number.isInteger(duplicateTsn(bytes, sack, sack.duplicateCount - 1)));
      for (const one of parseInit(bytes, 0, end)?.unrecognized ?? []) assert.ok(one.length >= 4);
      const forward = parseForwardTsn(bytes, 0, end);
      if (forward?.streamCount) assert.ok(skippedSsn(bytes, forward, forward.streamCount - 1) >= 0);
      parseReConfig(bytes, 0, end);
      assert.ok(firstCause(bytes, 0, end) >= 0);
    }),
    { numRuns: 2000 },
  );
});
