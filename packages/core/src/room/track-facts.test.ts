import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BackupCodecPolicy,
  ClientInfo_Capability,
  Encryption_Type,
  PacketTrailerFeature,
  SimulcastCodec,
  TrackSource,
  VideoLayer_Mode,
} from "@livekit/protocol";
import type { MediaCommand } from "../engine/commands.ts";
import { World } from "./harness.test.ts";
import { DEFAULT_MEDIA_POLICY } from "./options.ts";

/** What the worker heard about tracks and receivers, in order. */
function story(world: World): string[] {
  const lines: string[] = [];
  for (const effect of world.effects) if (effect.type === "media") lines.push(...line(effect.command));
  return lines;
}

function line(command: MediaCommand): string[] {
  if (command.type === "setTrack" || command.type === "removeTrack") return [`${command.type} ${command.track}`];
  if (command.type !== "setReceivers" || command.receivers.length === 0) return [];
  return [`setReceivers ${command.receivers.map(({ track }) => track).join()}`];
}

test("the worker knows a track before its media can come, and forgets it with its end", () => {
  const world = new World();
  const alice = world.connect("alice");
  const { sid } = alice.publish("cam", "video", { source: TrackSource.SCREEN_SHARE });
  assert.deepEqual(story(world).slice(0, 2), [`setTrack ${sid}`, `setReceivers ${sid}`]);
  const { spec } = world.commands("setTrack").at(-1)!;
  assert.deepEqual(spec, {
    room: "RM_test",
    participant: alice.sid,
    kind: "video",
    source: "screenShare",
    codecs: [{ mime: "video/vp8", layerMode: "simulcast" }],
    packetTrailers: false,
    encrypted: false,
    trailer: new Uint8Array(0),
    regressedTo: -1,
  });
  alice.unpublish("cam");
  assert.equal(story(world).filter((one) => one === `removeTrack ${sid}`).length, 1);
});

test("an unchanged track is told once, also over negotiations and mutes", () => {
  const world = new World();
  const alice = world.connect("alice");
  const { sid } = alice.publish("mic", "audio");
  const told = story(world).filter((one) => one.startsWith("setTrack")).length;
  alice.restartIce();
  alice.publish("cam", "video");
  assert.equal(story(world).filter((one) => one === `setTrack ${sid}`).length, told);
});

test("end-to-end encrypted: with the trailer that the client was told", () => {
  const world = new World();
  const alice = world.connect("alice");
  alice.publish("mic", "audio", { encryption: Encryption_Type.GCM });
  const { spec } = world.commands("setTrack").at(-1)!;
  assert.equal(spec.encrypted, true);
  assert.deepEqual(spec.trailer, alice.last("join")!.sifTrailer);
});

test("every codec with its layers", () => {
  const world = new World();
  const alice = world.connect("alice");
  alice.publish("cam", "video", {
    backupCodecPolicy: BackupCodecPolicy.SIMULCAST,
    simulcastCodecs: [
      new SimulcastCodec({ codec: "vp9", cid: "cam" }),
      new SimulcastCodec({
        codec: "vp8",
        videoLayerMode: VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM_INCOMPLETE_RTCP_SR,
      }),
    ],
  });
  assert.deepEqual(world.commands("setTrack").at(-1)!.spec.codecs, [
    { mime: "video/vp9", layerMode: "svc" },
    { mime: "video/vp8", layerMode: "simulcastIncompleteReports" },
  ]);
});

test("a publisher that leaves takes everything along, also what was never published", () => {
  const world = new World();
  const alice = world.connect("alice");
  alice.publish("mic", "audio");
  alice.publish("cam", "video");
  alice.request({ case: "leave", value: {} as never });
  const told = new Set(world.commands("setTrack").map(({ track }) => track));
  assert.deepEqual(new Set(world.commands("removeTrack").map(({ track }) => track)), told);
  assert.equal(told.size, 2);
});

test("bandwidth: as the server is configured, unless the client says otherwise about pauses", () => {
  const world = new World();
  const congestion = (identity: string, subscriberAllowPause?: boolean) => {
    world.connect(identity, { subscriberAllowPause });
    return world.commands("openPeer").at(-1)!.congestion;
  };
  assert.deepEqual(congestion("alice"), { enabled: true, allowPause: false });
  assert.deepEqual(congestion("bob", true), { enabled: true, allowPause: true });
  const set = { enabled: false, allowPause: true, stepRoom: 2, leastRoomBps: 1000, leastBudgetBps: 5000 };
  const other = new World({}, {}, { media: { ...DEFAULT_MEDIA_POLICY, congestion: set } });
  other.connect("alice");
  assert.deepEqual(other.commands("openPeer").at(-1)!.congestion, set);
});

test("packet trailers are announced of the track, and taken off for who cannot read them", () => {
  const world = new World();
  const alice = world.connect("alice", { capabilities: [ClientInfo_Capability.CAP_PACKET_TRAILER] });
  const strips = () => world.commands("openPeer").at(-1)!.stripsTrailers;
  assert.equal(strips(), false);
  world.connect("bob");
  assert.equal(strips(), true);
  alice.publish("cam", "video", { packetTrailerFeatures: [PacketTrailerFeature.PTF_USER_TIMESTAMP] });
  assert.equal(world.commands("setTrack").at(-1)!.spec.packetTrailers, true);
});
