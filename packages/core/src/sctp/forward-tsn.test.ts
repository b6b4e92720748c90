/** FORWARD TSN as a peer sees it that loses what it likes, and takes back what it has reported. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HEARTBEAT } from "@stoa/wire/sctp/chunk-types";
import type { ChannelTerms } from "@stoa/wire/sctp/dcep";
import { closeChunk } from "@stoa/wire/sctp/packet";
import { BOTH, Rogue } from "./rogue.test.ts";

/** Streams in one chunk. */
const MAX_STREAMS = 128;
/** What goes over a path that has lost the longest packets: half of 1,160. */
const NARROW_BYTES = 586;

/** A server that has sent a message on each of so many channels, never to be sent again. */
function setup(channels: number, terms: Partial<ChannelTerms> = {}): Rogue {
  const rogue = new Rogue();
  for (let i = 0; i < channels; i++) rogue.open(2 * i, { maxRetransmits: 0, ...terms });
  rogue.acknowledgeAll();
  for (let i = 0; i < channels; i++) rogue.server.send(2 * i, Uint8Array.of(i), true, rogue.pair.nowMs);
  rogue.pair.run(20);
  assert.equal(rogue.takeData().length, channels);
  return rogue;
}

test("streams that were skipped are named if they are ordered", () => {
  for (const ordered of [true, false]) {
    const rogue = setup(1, { ordered });
    rogue.pair.run(3000);
    assert.deepEqual(rogue.takeForwards()[0], { tsn: (rogue.serverTsn + 1) | 0, streams: ordered ? [0] : [] });
  }
});

test("hundreds of streams are skipped in chunks of bounded length, one after the other", () => {
  const rogue = setup(400);
  const named: number[] = [];
  while (rogue.server.sendHeldBytes > 0) {
    rogue.pair.run(4000);
    const [forward] = rogue.takeForwards();
    assert.ok(forward && forward.streams.length <= MAX_STREAMS, `${forward?.streams.length} streams`);
    named.push(...forward.streams);
    rogue.sack(forward.tsn);
  }
  assert.deepEqual(
    named,
    Array.from({ length: 400 }, (_, i) => 2 * i),
  );
});

test("a packet that holds something else has room for few streams, and stays as short as the path needs it", () => {
  const rogue = setup(100);
  const { pair, server } = rogue;
  const beat = rogue.packet((bytes, at) => closeChunk(bytes, at, HEARTBEAT, 0, at + 300));
  // The answer to the heartbeat and the FORWARD TSN are due at the same moment.
  for (let i = 0; server.stats.abandonedMessages === 0; i++) {
    assert.ok(i < 10);
    rogue.longestBytes = 0;
    pair.nowMs = server.nextTimeoutMs();
    server.handlePacket(beat.slice(), pair.nowMs);
    server.handleTimeout(pair.nowMs);
    pair.run(0);
  }
  assert.ok(rogue.longestBytes > 500 && rogue.longestBytes <= NARROW_BYTES, `${rogue.longestBytes} bytes`);
  for (let i = 0; server.sendHeldBytes > 0; i++) {
    assert.ok(i < 10, "all are skipped in the end");
    pair.run(4000);
    const forward = rogue.takeForwards().at(-1);
    if (forward) rogue.sack(forward.tsn);
  }
});

test("a reliable message that was reported is not skipped, since the peer may take it back", () => {
  const rogue = new Rogue();
  rogue.open(0, { maxRetransmits: 0 });
  rogue.open(2);
  rogue.acknowledgeAll();
  for (const stream of [0, 2, 0]) rogue.server.send(stream, new Uint8Array(100), true, rogue.pair.nowMs);
  rogue.pair.run(20);
  const sent = rogue.takeData();
  assert.deepEqual(
    sent.map(({ streamId }) => streamId),
    [0, 2, 0],
  );
  const [skipped, kept, last] = sent.map(({ tsn }) => tsn) as [number, number, number];
  rogue.sack(rogue.serverTsn, [[2, 2]]);
  rogue.pair.run(3000);
  const forwards = rogue.takeForwards();
  assert.ok(forwards.length > 0 && forwards.every(({ tsn }) => tsn === skipped));
  rogue.sack(skipped);
  rogue.pair.run(3000);
  assert.ok(
    rogue.takeData().some(({ tsn }) => tsn === kept),
    "it comes again",
  );
  rogue.sack(kept);
  rogue.pair.run(3000);
  assert.equal(rogue.takeForwards().at(-1)?.tsn, last);
});

test("a stream never goes back: neither a FORWARD TSN nor a message with an older SSN counts", () => {
  const rogue = new Rogue();
  rogue.open(0);
  for (const ssn of [1, 2, 3]) rogue.data(BOTH, 0, ssn, Uint8Array.of(ssn));
  rogue.forward(rogue.tsn++, [0, 1]);
  rogue.data(BOTH, 0, 2, Uint8Array.of(22));
  rogue.data(BOTH, 0, 4, Uint8Array.of(4));
  assert.deepEqual(
    rogue.messages().map(([mark]) => mark),
    [1, 2, 3, 4],
  );
});
