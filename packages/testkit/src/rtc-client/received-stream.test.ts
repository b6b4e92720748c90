import assert from "node:assert/strict";
import { test } from "node:test";
import { ReceivedStream } from "./received-stream.ts";

function receive(sequences: readonly number[]): ReceivedStream {
  const stream = new ReceivedStream(1, 96, false);
  for (const sequence of sequences) stream.handle(Uint8Array.of(0x80, 96, sequence >> 8, sequence & 255), 0, 4);
  return stream;
}

test("gaps count as lost until the packet comes", () => {
  const stream = receive([10, 11, 14]);
  assert.deepEqual([stream.packets, stream.expected, stream.lost, stream.reordered], [3, 5, 2, 0]);
  stream.handle(Uint8Array.of(0x80, 96, 0, 12), 0, 4);
  assert.deepEqual([stream.lost, stream.reordered], [1, 1]);
});

test("the sequence number wraps", () => {
  const stream = receive([65_534, 65_535, 0, 1]);
  assert.deepEqual([stream.expected, stream.lost], [4, 0]);
  assert.equal(stream.report(0).highestSequence, 65_537);
});

test("a report tells the share lost since the last one, and all of it", () => {
  const stream = receive([1, 2, 4]);
  assert.equal(stream.report(0).fractionLost, 64);
  const next = stream.report(0);
  assert.deepEqual([next.fractionLost, next.cumulativeLost], [0, 1]);
});
