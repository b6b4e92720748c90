/** Publishing: announcing a track, its media, its end, and what others read of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AudioTrackFeature,
  ClientInfo_SDK,
  RequestResponse_Reason,
  SimulcastCodec,
  TrackType,
  VideoLayer,
  VideoLayer_Mode,
  VideoQuality,
} from "@livekit/protocol";
import { World } from "./harness.test.ts";

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: others read of a track before they get it, then the publisher hears of it`, () => {
    const world = new World();
    const bob = world.connect("bob", { peerConnections });
    const alice = world.connect("alice", { peerConnections });
    bob.forget();
    const track = alice.publish("cam", "video");
    assert.match(track.sid, /^TR_VC/);
    world.advance(1000);
    const order = bob.messages.map(({ message }) => message.case);
    const media = peerConnections === "dual" ? "offer" : "answer";
    assert.ok(order.includes("update") && order.indexOf("update") < order.indexOf(media), order.join());
    assert.deepEqual(bob.receives(), [track.sid]);
    assert.deepEqual(Object.values(bob.midToTrackId), [track.sid]);
    const seen = bob.sees("alice")!;
    assert.equal(seen.isPublisher, true);
    assert.deepEqual(
      seen.tracks.map(({ sid, mimeType, type, width, stream }) => [sid, mimeType, type, width, stream]),
      [[track.sid, "video/VP8", TrackType.VIDEO, 1280, "camera"]],
    );
    assert.ok(seen.tracks[0]!.version!.unixMicro > 0n);
    assert.deepEqual(
      alice.all("trackSubscribed").map(({ trackSid }) => trackSid),
      [track.sid],
    );
    assert.equal(world.room.info().numPublishers, 1);
  });
}

test("an offer before its AddTrack: the track is published when the announcement comes", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  alice.offer([{ cid: "mic", kind: "audio" }]);
  assert.deepEqual(bob.sees("alice")?.tracks, []);
  alice.addTrack("mic", "audio");
  world.advance(1000);
  assert.deepEqual(bob.receives(), [alice.published("mic")!.sid]);
});

test("a Firefox that renames its track in SDP still publishes it, under the announced cid", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  alice.addTrack("mic", "audio");
  alice.offer([{ cid: "{renamed}", kind: "audio" }]);
  const track = bob.sees("alice")!.tracks[0]!;
  assert.equal(track.sid, alice.published("mic")?.sid);
  assert.deepEqual([track.codecs[0]?.cid, track.codecs[0]?.sdpCid], ["mic", "{renamed}"]);
});

test("unpublish: the m-line becomes inactive, the track disappears for all, the participant stays a publisher", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  const mic = alice.publish("mic", "audio");
  const cam = alice.publish("cam", "video");
  world.advance(1000);
  assert.deepEqual(bob.receives().toSorted(), [mic.sid, cam.sid].toSorted());
  alice.unpublish("cam");
  world.advance(1000);
  assert.deepEqual(
    bob.sees("alice")?.tracks.map(({ sid }) => sid),
    [mic.sid],
  );
  assert.equal(bob.sees("alice")?.isPublisher, true);
  assert.deepEqual(bob.receives(), [mic.sid]);
  assert.deepEqual(Object.values(bob.midToTrackId), [mic.sid]);
  const events = world.effects.flatMap((effect) =>
    effect.type === "participantEvent" && effect.track ? [[effect.kind, effect.track.sid]] : [],
  );
  assert.deepEqual(events, [
    ["trackPublished", mic.sid],
    ["trackPublished", cam.sid],
    ["trackUnpublished", cam.sid],
  ]);
});

test("the same cid again is queued, and announced when the first track of it ends", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  const first = alice.publish("cam", "video");
  alice.addTrack("cam", "video");
  assert.equal(alice.lastReason, RequestResponse_Reason.QUEUED);
  assert.equal(alice.last("requestResponse")?.request.case, "addTrack");
  assert.equal(alice.all("trackPublished").length, 1);
  alice.unpublish("cam");
  const second = alice.published("cam")!;
  assert.equal(alice.all("trackPublished").length, 2);
  assert.notEqual(second.sid, first.sid);
  alice.offer([{ cid: "cam", kind: "video" }]);
  world.advance(1000);
  assert.deepEqual(bob.receives(), [second.sid]);
});

test("republish without waiting: old m-line ends and new one starts in one offer", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  alice.publish("cam", "video");
  alice.addTrack("cam", "video");
  alice.unpublish("cam");
  alice.offer([{ cid: "cam", kind: "video" }]);
  world.advance(1000);
  assert.deepEqual(bob.receives(), [alice.published("cam")!.sid]);
});

test("codecs: disabled ones are replaced, SVC gets its layer mode, layers are sorted, simulcast is marked", () => {
  const alice = new World().connect("alice");
  const layers = [
    new VideoLayer({ quality: VideoQuality.HIGH, width: 1280, height: 720 }),
    new VideoLayer({ quality: VideoQuality.LOW, width: 320, height: 180 }),
  ];
  const announce = (codecs: string[]) => {
    alice.addTrack(codecs.join(), "video", {
      layers,
      simulcastCodecs: codecs.map((codec) => new SimulcastCodec({ codec, cid: codec })),
    });
    return alice.published(codecs.join())!;
  };
  const vp8 = announce(["vp8"]);
  assert.equal(vp8.simulcast, true);
  assert.deepEqual(
    vp8.codecs.map(({ mimeType, videoLayerMode }) => [mimeType, videoLayerMode]),
    [["video/VP8", VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM]],
  );
  assert.deepEqual(
    vp8.codecs[0]?.layers.map(({ quality }) => quality),
    [VideoQuality.LOW, VideoQuality.HIGH],
  );
  const vp9 = announce(["vp9", "vp8"]);
  assert.equal(vp9.simulcast, false);
  assert.equal(vp9.codecs[0]?.videoLayerMode, VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM);
  assert.deepEqual(
    announce(["h265"]).codecs.map(({ mimeType }) => mimeType),
    ["video/VP8"],
  );
});

test("stereo and DTX in the old fields and in the features say the same", () => {
  const alice = new World().connect("alice");
  alice.addTrack("old", "audio", { stereo: true, disableDtx: true });
  alice.addTrack("new", "audio", { audioFeatures: [AudioTrackFeature.TF_STEREO, AudioTrackFeature.TF_NO_DTX] });
  for (const cid of ["old", "new"]) {
    const info = alice.published(cid)!;
    assert.deepEqual([info.stereo, info.disableDtx], [true, true]);
    assert.deepEqual(info.audioFeatures, [AudioTrackFeature.TF_STEREO, AudioTrackFeature.TF_NO_DTX]);
  }
});

test("a Go client's video is published at its first packet, its audio at once", () => {
  const world = new World();
  const go = world.connect("go", { sdk: ClientInfo_SDK.GO });
  const bob = world.connect("bob");
  go.publish("mic", "audio");
  const { sid } = go.publish("cam", "video");
  assert.equal(bob.sees("go")?.tracks.length, 1);
  const peer = go.peers[0]!;
  const started = { type: "trackStarted", track: sid, peer, mime: "video/vp8", layer: 0 } as const;
  world.room.handleMedia(started, world.nowMs);
  world.perform();
  assert.equal(bob.sees("go")?.tracks[1]?.mimeType, "video/VP8");
  world.advance(1000);
  assert.equal(bob.receives().length, 2);
});

test("a second AddTrack with the sid brings the cid of a backup codec", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  const simulcastCodecs = [
    new SimulcastCodec({ codec: "vp9", cid: "cam" }),
    new SimulcastCodec({ codec: "vp8", cid: "" }),
  ];
  const { sid } = alice.publish("cam", "video", { simulcastCodecs });
  const backup = { sid, simulcastCodecs: [new SimulcastCodec({ codec: "vp8", cid: "cam-vp8" })] };
  alice.addTrack("cam-vp8", "video", backup);
  assert.equal(alice.published("cam-vp8")?.sid, sid);
  alice.offer([{ cid: "cam-vp8", kind: "video" }]);
  const { codecs } = bob.sees("alice")!.tracks[0]!;
  assert.deepEqual(
    codecs.map(({ mimeType, cid, mid }) => [mimeType, cid, mid !== ""]),
    [
      ["video/VP9", "cam", true],
      ["video/VP8", "cam-vp8", true],
    ],
  );
});

test("two announcements of one cid before its media: one after the other", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  alice.addTrack("cam", "video");
  alice.addTrack("cam", "video", { name: "second" });
  assert.equal(alice.lastReason, RequestResponse_Reason.QUEUED);
  alice.offer([{ cid: "cam", kind: "video" }]);
  world.advance(1000);
  assert.deepEqual(
    bob.sees("alice")?.tracks.map(({ name }) => name),
    ["cam"],
  );
  alice.unpublish("cam");
  world.advance(1000);
  assert.deepEqual(bob.sees("alice")?.tracks, []);
  assert.deepEqual(bob.receives(), []);
  assert.equal(alice.all("trackPublished").length, 2);
  alice.offer([{ cid: "cam", kind: "video" }]);
  world.advance(1000);
  assert.deepEqual(
    bob.sees("alice")?.tracks.map(({ name }) => name),
    ["second"],
  );
  assert.deepEqual(bob.receives(), [alice.published("cam")!.sid]);
});
