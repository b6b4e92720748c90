import assert from "node:assert/strict";
import { test } from "node:test";
import { BackupCodecPolicy, SimulcastCodec, SubscriptionError, type SubscribedQualityUpdate } from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

const { SIMULCAST, PREFER_REGRESSION, REGRESSION } = BackupCodecPolicy;

/** "vp9 vp8": the codecs that are on. */
function on({ subscribedCodecs }: SubscribedQualityUpdate): string {
  const live = subscribedCodecs.filter(({ qualities }) => qualities.some(({ enabled }) => enabled));
  return live.map(({ codec }) => codec).join(" ");
}

function wanted(client: Client): string {
  return on(client.last("subscribedQualityUpdate")!);
}

/** Alice publishes VP9 with VP8 as backup, which carol needs; `others` fill the room. */
function call(backupCodecPolicy: BackupCodecPolicy, others = 0, peerConnections: "single" | "dual" = "dual") {
  const world = new World();
  const alice = world.connect("alice", { videoCodecs: ["VP9", "VP8"] });
  const bob = world.connect("bob", { videoCodecs: ["VP9", "VP8"], peerConnections });
  for (let i = 0; i < others; i++) world.connect(`other${i}`, { autoSubscribe: false });
  const simulcastCodecs = [new SimulcastCodec({ codec: "vp9", cid: "cam" }), new SimulcastCodec({ codec: "vp8" })];
  const { sid } = alice.publish("cam", "video", { backupCodecPolicy, simulcastCodecs });
  world.advance(1000);
  return { world, alice, bob, sid };
}

function publishBackup(alice: Client, sid: string): void {
  alice.addTrack("cam-vp8", "video", { sid, simulcastCodecs: [new SimulcastCodec({ codec: "vp8", cid: "cam-vp8" })] });
  alice.offer([{ cid: "cam-vp8", kind: "video" }]);
}

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: a backup codec is asked for when somebody comes who needs it`, () => {
    const { world, alice, sid } = call(SIMULCAST, 0, peerConnections);
    assert.deepEqual(
      alice.last("subscribedQualityUpdate")!.subscribedCodecs.map(({ codec }) => codec),
      ["vp9"],
    );
    const carol = world.connect("carol", { videoCodecs: ["VP8"], peerConnections });
    world.advance(1000);
    assert.deepEqual(carol.receives(), [sid]);
    assert.equal(wanted(alice), "vp9 vp8");
    publishBackup(alice, sid);
    const receivers = world.commands("setReceivers").at(-1)!.receivers;
    assert.deepEqual(
      receivers.map(({ track, codecIndex, codecs }) => [
        track,
        codecIndex,
        codecs.some(({ mime }) => mime === "video/vp8"),
      ]),
      [
        [sid, 0, true],
        [sid, 1, true],
      ],
    );
  });
}

const policies: [string, BackupCodecPolicy, number, "regresses" | "sends both"][] = [
  ["SIMULCAST", SIMULCAST, 0, "sends both"],
  ["PREFER_REGRESSION with four in the room", PREFER_REGRESSION, 1, "regresses"],
  ["PREFER_REGRESSION with five in the room", PREFER_REGRESSION, 2, "sends both"],
  ["REGRESSION with nine in the room", REGRESSION, 6, "regresses"],
];
for (const [what, policy, others, outcome] of policies) {
  test(`${what}: the publisher ${outcome}`, () => {
    const { world, alice, sid } = call(policy, others);
    world.connect("carol", { videoCodecs: ["VP8"] });
    publishBackup(alice, sid);
    world.advance(4000);
    assert.equal(wanted(alice), "vp9 vp8", "the first codec goes on until everybody has moved");
    world.advance(2000);
    const regressed = outcome === "regresses";
    assert.equal(wanted(alice), regressed ? "vp8" : "vp9 vp8");
    assert.equal(world.commands("setTrack").at(-1)!.spec.regressedTo, regressed ? 1 : -1);
  });
}

test("who comes after a regression gets the backup too; who cannot take it, the first codec", () => {
  const { world, alice, sid } = call(REGRESSION);
  world.connect("carol", { videoCodecs: ["VP8"] });
  publishBackup(alice, sid);
  world.advance(6000);
  world.connect("dave", { videoCodecs: ["VP9", "VP8"] });
  world.advance(1000);
  assert.equal(wanted(alice), "vp8");
  world.connect("erin", { videoCodecs: ["VP9"], peerConnections: "dual" });
  world.advance(1000);
  assert.equal(wanted(alice), "vp9 vp8");
});

test("the backup stops when nobody is left who needs it", () => {
  const { world, alice, sid } = call(SIMULCAST);
  const carol = world.connect("carol", { videoCodecs: ["VP8"] });
  publishBackup(alice, sid);
  world.advance(1000);
  carol.request({ case: "leave", value: {} as never });
  world.advance(6000);
  assert.equal(wanted(alice), "vp9");
  assert.deepEqual(
    alice.last("subscribedQualityUpdate")!.subscribedCodecs.map(({ codec }) => codec),
    ["vp9", "vp8"],
  );
});

test("no codec of the track at all: SE_CODEC_UNSUPPORTED, and nothing is asked of the publisher", () => {
  const { world, alice, sid } = call(PREFER_REGRESSION);
  alice.forget();
  const carol = world.connect("carol", { videoCodecs: ["H264"], peerConnections: "dual" });
  world.advance(1000);
  assert.deepEqual(
    carol.all("subscriptionResponse").map(({ trackSid, err }) => [trackSid, err]),
    [[sid, SubscriptionError.SE_CODEC_UNSUPPORTED]],
  );
  assert.deepEqual(alice.all("subscribedQualityUpdate"), []);
});

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: a backup codec that is announced later reaches those who need it`, () => {
    const world = new World();
    const alice = world.connect("alice", { videoCodecs: ["VP9", "VP8"] });
    const carol = world.connect("carol", { videoCodecs: ["VP8"], peerConnections });
    const { sid } = alice.publish("cam", "video", { simulcastCodecs: [new SimulcastCodec({ codec: "vp9" })] });
    world.advance(1000);
    assert.deepEqual(carol.receives(), []);
    publishBackup(alice, sid);
    world.advance(1000);
    assert.deepEqual(carol.receives(), [sid]);
    assert.equal(wanted(alice), "vp8");
  });
}
