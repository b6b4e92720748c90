import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionQuality, MuteTrackRequest, UpdateSubscription, UpdateTrackSettings } from "@livekit/protocol";
import type { PeerStats, StreamStats } from "../engine/figures.ts";
import { emptyStats } from "../media/stream-stats.ts";
import type { Client } from "./harness-client.test.ts";
import type { ClientOptions } from "./harness-join.test.ts";
import { World } from "./harness.test.ts";

const { POOR, LOST } = ConnectionQuality;

function stream(track: string, more: Partial<StreamStats> = {}): StreamStats {
  return {
    ...emptyStats(track),
    packets: 250,
    bytes: 25_000,
    jitterMs: 3,
    silentMs: 20,
    ...more,
  };
}

/** The worker reports on a client's first peer. */
function report(client: Client, figures: Partial<PeerStats>, times = 1): void {
  const peer = client.peers[0]!;
  const nothing = { packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, rttMs: 20, estimateBps: 0 };
  for (let i = 0; i < times; i++) {
    client.world.advance(5000);
    const stats = { ...nothing, receivers: [], senders: [], ...figures, peer };
    client.world.room.handleMedia({ type: "stats", peer, stats }, client.world.nowMs);
    client.world.perform();
  }
}

/** "alice GOOD", in order. */
function told(client: Client): string[] {
  const names = new Map(client.world.clients.map(({ sid, identity }) => [sid, identity]));
  return client
    .all("connectionQuality")
    .flatMap(({ updates }) => updates)
    .map(({ participantSid, quality }) => `${names.get(participantSid)} ${ConnectionQuality[quality]}`);
}

/** Alice's microphone comes to bob; carol takes nothing. */
function call(options: ClientOptions = {}) {
  const world = new World();
  const alice = world.connect("alice", options);
  const { sid } = alice.publish("mic", "audio");
  const bob = world.connect("bob", options);
  const carol = world.connect("carol", { autoSubscribe: false });
  return { world, alice, bob, carol, sid };
}

test("the first figures are told to oneself and to subscribers, then only changes", () => {
  const { alice, bob, carol, sid } = call();
  report(alice, { receivers: [stream(sid)] }, 3);
  assert.deepEqual([told(alice), told(bob), told(carol)], [["alice EXCELLENT"], ["alice EXCELLENT"], []]);
  const { score } = alice.last("connectionQuality")!.updates[0]!;
  assert.ok(score > 4.3 && score <= 4.5, String(score));
});

test("loss on the way up comes and goes", () => {
  const { alice, bob, sid } = call();
  report(alice, { receivers: [stream(sid)] });
  report(alice, { receivers: [stream(sid, { lost: 25 })] });
  report(alice, { receivers: [stream(sid)] }, 4);
  assert.deepEqual(told(bob), ["alice EXCELLENT", "alice GOOD", "alice EXCELLENT"]);
  assert.ok(alice.all("connectionQuality")[1]!.updates[0]!.score < 4.3);
});

test("loss on the way down is the subscriber's alone", () => {
  const { alice, bob, sid } = call();
  report(alice, { receivers: [stream(sid)] });
  report(bob, { senders: [stream(sid, { lost: 60 })] }, 2);
  assert.deepEqual(told(alice), ["alice EXCELLENT"]);
  assert.equal(told(bob).at(-1), "bob POOR");
});

test("the worst stream counts", () => {
  const { world, alice, sid } = call();
  const cam = alice.publish("cam", "video").sid;
  world.advance(1000);
  report(alice, { receivers: [stream(sid), stream(cam, { lost: 10 })] }, 3);
  assert.deepEqual(told(alice), ["alice GOOD"]);
});

test("an idle client, a muted track, one that nobody wants, one that is switched off: EXCELLENT", () => {
  const { world, alice, bob, carol, sid } = call();
  const cam = alice.publish("cam", "video").sid;
  world.advance(1000);
  report(carol, {}, 3);
  assert.deepEqual(told(carol), ["carol EXCELLENT"]);
  const silent = { packets: 0, bytes: 0, silentMs: 60_000 };
  alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
  bob.request({ case: "subscription", value: new UpdateSubscription({ trackSids: [cam], subscribe: false }) });
  world.advance(10_000);
  report(alice, { receivers: [stream(sid, silent), stream(cam, silent)] }, 3);
  assert.deepEqual(told(alice), ["alice EXCELLENT"]);
  bob.request({ case: "trackSetting", value: new UpdateTrackSettings({ trackSids: [sid], disabled: true }) });
  report(bob, { senders: [stream(sid, silent)] }, 3);
  assert.deepEqual(told(bob), ["alice EXCELLENT", "bob EXCELLENT"]);
});

test("a publisher that is silent without a word is LOST, POOR for clients before protocol 11", () => {
  for (const [protocol, expected] of [
    [17, LOST],
    [10, POOR],
  ] as const) {
    const { alice, bob, sid } = call({ protocol });
    report(alice, { receivers: [stream(sid)] });
    report(alice, { receivers: [stream(sid, { packets: 0, bytes: 0, silentMs: 20_000 })] });
    assert.equal(told(bob).at(-1), `alice ${ConnectionQuality[expected]}`);
  }
});

test("clients before protocol 5 hear nothing of it", () => {
  const { alice, sid } = call({ protocol: 4, peerConnections: "dual" });
  report(alice, { receivers: [stream(sid)] });
  assert.deepEqual(told(alice), []);
});

test("who begins to receive somebody reads how that one is connected, once", () => {
  const { world, alice, sid } = call();
  report(alice, { receivers: [stream(sid, { lost: 25 })] }, 2);
  const dave = world.connect("dave");
  alice.publish("cam", "video");
  world.advance(1000);
  assert.deepEqual(told(dave), ["alice GOOD"]);
});

test("figures of tracks that are gone count for nobody", () => {
  const { alice, bob, sid } = call();
  report(alice, { receivers: [stream(sid, { lost: 100 })] }, 2);
  assert.equal(told(bob).at(-1), "alice POOR");
  alice.unpublish("mic");
  report(alice, { receivers: [stream(sid, { lost: 100 })] });
  assert.equal(told(alice).at(-1), "alice EXCELLENT");
});

test("both peers of a client count", () => {
  const { world, alice, sid } = call();
  const dave = world.connect("dave", { peerConnections: "dual" });
  dave.publish("mic", "audio");
  world.advance(1000);
  const [first, second] = dave.peers as [number, number];
  const figures = { packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, rttMs: 20, estimateBps: 0, receivers: [] };
  for (const peer of [first, second]) {
    const senders = [stream(sid, { lost: peer === first ? 25 : 0 })];
    world.room.handleMedia({ type: "stats", peer, stats: { ...figures, peer, senders } }, world.nowMs);
    world.perform();
  }
  assert.deepEqual([told(dave), told(alice)], [["dave GOOD"], ["dave GOOD"]]);
});
