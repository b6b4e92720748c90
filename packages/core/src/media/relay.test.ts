/** From a publisher at one worker to viewers at another: two forwarders, and a way between them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { frame, readRtp, readVp8, rtp, vp8 } from "./harness-packets.test.ts";
import { nack, pli, rtcpKind, senderReport } from "./harness-rtcp.test.ts";
import { videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const WAY = 7;
const RIDS = { ssrcs: [], rids: ["q", "h"] };
const RID = { q: [113], h: [104] };

/** The near world has the publisher, the far one a viewer; `carry` brings what was sent on the way to its other end. */
function twoWorlds(changes = {}) {
  const near = new World(1);
  const far = new World(2);
  near.addPeer(PUBLISHER, [videoReceiver(changes)], []);
  near.addPeer(WAY, [], []);
  near.forwarder.setRelay(WAY, PUBLISHER);
  far.addPeer(WAY, [videoReceiver(changes)], []);
  far.addPeer(VIEWER, [], [videoSender()]);
  const carry = () => {
    const sent = near.sent.filter(({ peer }) => peer === WAY);
    near.sent = near.sent.filter(({ peer }) => peer !== WAY);
    for (const { bytes } of sent) far.feed(WAY, bytes);
    const back = far.sent.filter(({ peer }) => peer === WAY);
    far.sent = far.sent.filter(({ peer }) => peer !== WAY);
    for (const { bytes } of back) near.feed(WAY, bytes);
  };
  return { near, far, carry };
}

test("what is published goes as it came, header extensions and padding included", () => {
  const { near } = twoWorlds();
  const packet = rtp({
    sequence: 9,
    timestamp: 3,
    ssrc: 1000,
    marker: true,
    payload: vp8({ key: true }),
    extensions: { 2: [97], 4: [0, 1] },
    padding: 4,
  });
  near.feed(PUBLISHER, packet);
  const [sent] = near.sent.filter(({ peer }) => peer === WAY);
  assert.deepEqual(sent?.bytes, packet);
  near.feed(PUBLISHER, packet.subarray(0, 8));
  near.feed(PUBLISHER, rtp({ sequence: 10, ssrc: 1000, payload: Array<number>(2020).fill(0) }));
  assert.equal(
    near.sent.filter(({ peer }) => peer === WAY).length,
    1,
    "what is no RTP, or could not be protected, does not go",
  );
});

test("the viewer at the other worker sees it, and its wish for a key frame travels back", () => {
  const { near, far, carry } = twoWorlds();
  for (let sequence = 1; sequence < 5; sequence++) near.feed(PUBLISHER, frame(sequence));
  carry();
  assert.deepEqual(far.takeRtp(VIEWER), []);
  far.advance(200);
  near.takeRtcp(PUBLISHER);
  carry();
  near.advance(100);
  const asked = near.takeRtcp(PUBLISHER).filter((packet) => rtcpKind(packet) === "206/1");
  assert.deepEqual(
    asked.map((packet) => [...packet.subarray(8)]),
    [[0, 0, 3, 232]],
  );
  near.feed(PUBLISHER, frame(5, true));
  near.feed(PUBLISHER, frame(6));
  carry();
  assert.deepEqual(
    far.takeRtp(VIEWER).map(({ payload }) => readVp8(payload).pictureId),
    [5, 6],
  );
});

test("a lost packet is asked for at the publisher alone, and its retransmission is passed on", () => {
  const { near, far, carry } = twoWorlds();
  near.feed(PUBLISHER, frame(1, true));
  near.feed(PUBLISHER, frame(3));
  near.feed(WAY, nack(1000, 2)); // the other worker misses it too
  carry();
  const original = readRtp(frame(2)).payload;
  near.feed(
    PUBLISHER,
    rtp({ payloadType: 97, sequence: 77, timestamp: 6000, ssrc: 1001, marker: true, payload: [0, 2, ...original] }),
  );
  carry();
  assert.deepEqual(
    far
      .takeRtp(VIEWER)
      .map(({ payload }) => readVp8(payload).pictureId)
      .toSorted((a, b) => a - b),
    [1, 2, 3],
  );
});

test("which streams there are is told, for clients name them only at their start", () => {
  const { near } = twoWorlds(RIDS);
  const layer = (rid: "q" | "h", ssrc: number, sequence: number) =>
    rtp({ sequence, ssrc, payload: vp8({ key: true }), extensions: { 1: [49], 2: RID[rid] } });
  const told = () => near.events.filter((event) => event.type === "relayedStreams");
  near.feed(PUBLISHER, layer("q", 21, 1));
  near.feed(PUBLISHER, layer("q", 21, 2));
  near.feed(PUBLISHER, layer("h", 22, 1));
  const unknown = { ssrc: 0, rtxSsrc: 0 };
  assert.deepEqual(told(), [
    { type: "relayedStreams", peer: WAY, streams: [{ mid: "1", ssrcs: [{ ssrc: 21, rtxSsrc: 0 }, unknown] }] },
    {
      type: "relayedStreams",
      peer: WAY,
      streams: [
        {
          mid: "1",
          ssrcs: [
            { ssrc: 21, rtxSsrc: 0 },
            { ssrc: 22, rtxSsrc: 0 },
          ],
        },
      ],
    },
  ]);
});

test("streams that say nothing of themselves are taken in by what was told", () => {
  const { near, far, carry } = twoWorlds(RIDS);
  // Heard first when the client no longer writes the ids.
  near.forwarder.setReceivers(PUBLISHER, [videoReceiver({ rids: RIDS.rids, ssrcs: [{ ssrc: 21, rtxSsrc: 0 }] })]);
  near.feed(PUBLISHER, rtp({ sequence: 1, ssrc: 21, payload: vp8({ key: true, pictureId: 4 }) }));
  carry();
  assert.deepEqual(far.takeRtp(VIEWER), []);
  const told = near.events.find((event) => event.type === "relayedStreams");
  assert.ok(told?.type === "relayedStreams");
  far.forwarder.setReceivers(WAY, [videoReceiver({ rids: RIDS.rids, ssrcs: told.streams[0]!.ssrcs })]);
  far.endBatch();
  far.advance(50);
  assert.deepEqual(
    far.takeRtp(VIEWER).map(({ payload }) => readVp8(payload).pictureId),
    [4],
    "it was held until then",
  );
});

test("sender reports go along, reports on what the publisher receives do not", () => {
  const { near } = twoWorlds();
  near.feed(PUBLISHER, frame(1, true));
  near.takeRtp(WAY);
  const report = senderReport(1000, 1, 2, 3);
  near.feed(PUBLISHER, report);
  near.feed(PUBLISHER, pli(5));
  assert.deepEqual(near.takeRtcp(WAY), [report]);
});

test("it ends with either peer, or when it is told to", () => {
  const { near } = twoWorlds();
  near.forwarder.setRelay(WAY, 0);
  near.feed(PUBLISHER, frame(1, true));
  assert.deepEqual(near.takeRtp(WAY), []);
  near.forwarder.setRelay(WAY, PUBLISHER);
  near.feed(PUBLISHER, frame(2));
  assert.equal(near.takeRtp(WAY).length, 1);
  near.forwarder.removePeer(WAY);
  near.feed(PUBLISHER, frame(3));
  assert.deepEqual(near.takeRtp(WAY), []);
  near.addPeer(WAY, [], []);
  near.forwarder.setRelay(WAY, PUBLISHER);
  near.forwarder.removePeer(PUBLISHER);
  near.feed(WAY, pli(1000));
  near.advance(1000);
  assert.equal(near.pool.used, 0);
});
