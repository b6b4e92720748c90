import { test } from "node:test";
import assert from "node:assert/strict";
import { KIND_DTLS, KIND_RTCP, KIND_RTP, KIND_STUN, packetKind } from "./demux.ts";

test("datagrams are told apart by their first bytes", () => {
  const kind = (first: number, second: number, length: number) =>
    packetKind(Uint8Array.of(first, second, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0, length);
  assert.equal(kind(0, 1, 12), KIND_STUN);
  assert.equal(kind(22, 254, 12), KIND_DTLS);
  assert.equal(kind(0x80, 96, 12), KIND_RTP);
  assert.equal(kind(0x90, 0x80 | 111, 12), KIND_RTP);
  assert.equal(kind(0x80, 200, 8), KIND_RTCP);
  assert.equal(kind(0x8f, 206, 12), KIND_RTCP);
  for (const [first, second, length] of [
    [0x80, 96, 11],
    [0x80, 200, 7],
    [4, 0, 12],
    [19, 0, 12],
    [64, 0, 12],
    [192, 0, 12],
    [0, 0, 0],
  ] as const) {
    assert.equal(kind(first, second, length), 0);
  }
});
