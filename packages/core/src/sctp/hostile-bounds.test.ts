/** A peer that looks for lists without a bound: streams, fragments, channels, resets, answers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RE_CONFIG } from "@stoa/wire/sctp/chunk-types";
import { FLAG_BEGIN, FLAG_END } from "@stoa/wire/sctp/data";
import { PPID_BINARY, PPID_DCEP, writeDcepOpen } from "@stoa/wire/sctp/dcep";
import { RESULT_ALREADY_IN_PROGRESS, RESULT_PERFORMED, writeReConfig } from "@stoa/wire/sctp/re-config";
import { MAX_CHANNELS } from "./options.ts";
import { BOTH, Rogue } from "./rogue.test.ts";

const TINY = Uint8Array.of(1);

function count(rogue: Rogue, type: "channelOpen" | "channelClosed"): number {
  return rogue.pair.server.events.filter((event) => event.type === type).length;
}

/** The even ids from `from` on. */
function ids(from: number, length = MAX_CHANNELS): number[] {
  return Array.from({ length }, (_, i) => from + 2 * i);
}

test("ordered messages on more streams than there can be channels are dropped, until the peer resets some", () => {
  const rogue = new Rogue();
  rogue.open(0);
  for (let stream = 1; stream < 3000; stream++) rogue.data(BOTH, stream, 0, TINY);
  rogue.open(4000);
  assert.equal(count(rogue, "channelOpen"), 1);
  rogue.data(BOTH, 0, 1, TINY);
  assert.equal(rogue.messages().length, 1, "an open channel does not mind");
  rogue.reset();
  rogue.grantResets();
  rogue.open(4002);
  assert.equal(count(rogue, "channelOpen"), 2);
});

test("pieces of messages are bounded in number, also where they lie side by side; the next in order still gets in", () => {
  const rogue = new Rogue();
  for (let i = 0; i < 2000; i++) {
    rogue.data(FLAG_END, 0, 1, TINY, PPID_BINARY, (rogue.tsn + 3 * i + 1) | 0);
    rogue.data(FLAG_BEGIN, 0, 1, TINY, PPID_BINARY, (rogue.tsn + 3 * i + 2) | 0);
  }
  assert.ok(rogue.server.stats.droppedChunks >= 4000 - 2048, `${rogue.server.stats.droppedChunks}`);
  assert.ok(rogue.server.receiveHeldBytes <= 2048 * 257, `${rogue.server.receiveHeldBytes}`);
  rogue.open(0);
  assert.equal(count(rogue, "channelOpen"), 1);
});

test("pieces that continue nothing are not kept", () => {
  const rogue = new Rogue();
  rogue.open(0);
  for (let i = 0; i < 100; i++) {
    rogue.data(0, 0, 1, new Uint8Array(1000));
    assert.equal(rogue.server.receiveHeldBytes, 0);
  }
});

test("pieces of two messages of a stream do not make one", () => {
  const rogue = new Rogue();
  rogue.open(0);
  rogue.data(FLAG_BEGIN, 0, 1, TINY);
  rogue.data(FLAG_END, 0, 2, TINY);
  assert.equal(rogue.messages().length, 0);
  rogue.data(BOTH, 0, 1, TINY);
  assert.equal(rogue.messages().length, 1);
});

test("of channels beyond their number only so many are reset as there can be; the others hear nothing", () => {
  const rogue = new Rogue();
  for (const id of ids(0, 4000)) {
    rogue.open(id);
    // Otherwise the peer has touched too many streams before.
    if (id >= 2 * MAX_CHANNELS) rogue.reset(id);
  }
  assert.equal(count(rogue, "channelOpen"), MAX_CHANNELS);
  assert.deepEqual(rogue.grantResets(), ids(2 * MAX_CHANNELS));
});

test("channels that come and go while nobody polls are refused in the end", () => {
  const rogue = new Rogue();
  rogue.pair.server.paused = true;
  for (const id of ids(0, 6000)) {
    rogue.open(id);
    rogue.acknowledgeAll();
    rogue.reset(id);
    rogue.grantResets();
  }
  rogue.pair.server.paused = false;
  rogue.pair.run(0);
  const { length } = rogue.pair.server.events;
  assert.ok(length > 4000 && length < 10 * MAX_CHANNELS, `${length} events`);
  rogue.open(20_000);
  assert.ok(rogue.pair.server.events.at(-1)?.type === "channelOpen", "not once they are polled");
});

test("requests that come faster than they can be answered are answered in part", () => {
  const rogue = new Rogue();
  const requestSeq = (rogue.requestSeq + 1000) | 0;
  const packet = rogue.packet((bytes, at) => writeReConfig(bytes, at, { type: "tsnReset", requestSeq }));
  for (let i = 0; i < 1000; i++) rogue.server.handlePacket(packet.slice(), rogue.pair.nowMs);
  rogue.answers.length = 0;
  rogue.pair.run(0);
  const answers = rogue.answers.filter((kind) => kind === RE_CONFIG).length;
  assert.ok(answers > 0 && answers < 20, `${answers} answers`);
});

test("every stream that is to be reset is reset, however many wait while the peer does not answer", () => {
  const rogue = new Rogue();
  const [first, refused, second] = [ids(0), ids(2048), ids(4096)];
  const resetAll = (streams: readonly number[]) => {
    rogue.reset(...streams.slice(0, 512));
    rogue.reset(...streams.slice(512));
  };
  for (const id of [...first, ...refused]) rogue.open(id);
  rogue.acknowledgeAll();
  resetAll(first);
  // Those are done, so their ids may come again: under a label that is refused, when no more are noted as refused.
  const label = "x".repeat(5000);
  const spec = { label, protocol: "", ordered: true, maxRetransmits: undefined, maxPacketLifeTimeMs: undefined };
  const bytes = writeDcepOpen({ ...spec, priority: 256 })!;
  for (const id of first) {
    for (let at = 0; at < bytes.length; at += 1000) {
      const flags = (at === 0 ? FLAG_BEGIN : 0) | (at + 1000 >= bytes.length ? FLAG_END : 0);
      rogue.data(flags, id, 0, bytes.subarray(at, at + 1000), PPID_DCEP);
    }
  }
  resetAll(first);
  for (const id of second) rogue.open(id);
  rogue.acknowledgeAll();
  assert.equal(count(rogue, "channelOpen"), 2 * MAX_CHANNELS);
  resetAll(second);
  const granted = rogue.grantResets().toSorted((a, b) => a - b);
  assert.deepEqual(granted, [...first, ...refused, ...second]);
});

test("a reset for which the peer has no time yet is asked for again, and frees the id when it is done", () => {
  const rogue = new Rogue();
  rogue.open(0);
  rogue.acknowledgeAll();
  rogue.server.closeChannel(0);
  rogue.pair.run(0);
  for (const result of [RESULT_ALREADY_IN_PROGRESS, RESULT_ALREADY_IN_PROGRESS, RESULT_PERFORMED]) {
    const [asked] = rogue.takeResets();
    assert.deepEqual(asked?.streams, [0]);
    rogue.reConfig({ type: "response", responseSeq: asked!.requestSeq, result });
  }
  assert.equal(rogue.takeResets().length, 0);
  assert.equal(count(rogue, "channelClosed"), 1);
  rogue.reset(0);
  rogue.open(0);
  assert.equal(count(rogue, "channelOpen"), 2);
});

test("what waits for a channel that the peer closes is not sent any more, but for the message that has begun", () => {
  const rogue = new Rogue();
  rogue.open(0);
  rogue.acknowledgeAll();
  for (let i = 0; i < 50; i++) rogue.server.send(0, new Uint8Array(30_000), true, rogue.pair.nowMs);
  rogue.pair.run(0);
  rogue.takeData();
  const before = rogue.server.bufferedAmount(0);
  rogue.reset(0);
  assert.equal(rogue.server.bufferedAmount(0), before % 30_000);
  rogue.sack((rogue.serverTsn + 1) | 0);
  assert.ok(rogue.server.sendHeldBytes < 31_000);
});

test("a sender that was told that the buffer is full hears when there is room, not before", () => {
  const rogue = new Rogue({ sendBufferBytes: 10_000 });
  rogue.open(0);
  rogue.acknowledgeAll();
  const { server, pair } = rogue;
  const lows = () => pair.server.events.filter((event) => event.type === "bufferedLow").length;
  const send = () => server.send(0, new Uint8Array(6000), true, pair.nowMs);
  assert.equal(send(), "queued");
  assert.equal(send(), "full");
  pair.run(100);
  assert.equal(server.bufferedAmount(0), 0, "all of it is on its way");
  assert.equal(lows(), 0);
  assert.equal(send(), "full");
  rogue.acknowledgeAll();
  assert.equal(lows(), 1);
  assert.equal(send(), "queued");
});
