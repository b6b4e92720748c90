/** Changes of a published track: mute, and what update requests say of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AudioTrackFeature,
  MuteTrackRequest,
  RequestResponse_Reason,
  UpdateLocalAudioTrack,
  UpdateLocalVideoTrack,
} from "@livekit/protocol";
import { World } from "./harness.test.ts";

test("mute: others see it, the worker stops the track, nothing is echoed; repeating it says nothing", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  const { sid } = alice.publish("mic", "audio");
  const mute = (muted: boolean) => alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted }) });
  mute(true);
  assert.equal(bob.sees("alice")?.tracks[0]?.muted, true);
  assert.equal(alice.self?.tracks[0]?.muted, true);
  bob.forget();
  mute(true);
  assert.equal(bob.messages.length, 0);
  mute(false);
  assert.equal(bob.sees("alice")?.tracks[0]?.muted, false);
  assert.deepEqual(
    world.commands("muteTrack").map(({ track, muted }) => [track, muted]),
    [
      [sid, true],
      [sid, false],
    ],
  );
  assert.equal(alice.last("mute"), undefined);
});

test("mute before the media: the track is published muted", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  alice.addTrack("mic", "audio");
  const { sid } = alice.published("mic")!;
  alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
  alice.offer([{ cid: "mic", kind: "audio" }]);
  assert.equal(bob.sees("alice")?.tracks[0]?.muted, true);
  assert.deepEqual(world.commands("muteTrack").length, 1);
});

test("a track of somebody else cannot be muted or changed", () => {
  const world = new World();
  const alice = world.connect("alice");
  const mallory = world.connect("mallory");
  const { sid } = alice.publish("mic", "audio");
  mallory.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
  assert.equal(mallory.lastReason, RequestResponse_Reason.NOT_FOUND);
  mallory.request({ case: "updateAudioTrack", value: new UpdateLocalAudioTrack({ trackSid: sid }) });
  assert.equal(mallory.last("requestResponse")?.request.case, "updateAudioTrack");
  assert.equal(mallory.sees("alice")?.tracks[0]?.muted, false);
});

test("update_audio_track and update_video_track are told to everybody, if they change something", () => {
  const world = new World();
  const alice = world.connect("alice");
  const bob = world.connect("bob");
  const mic = alice.publish("mic", "audio").sid;
  const cam = alice.publish("cam", "video").sid;
  const features = [AudioTrackFeature.TF_STEREO];
  alice.request({ case: "updateAudioTrack", value: new UpdateLocalAudioTrack({ trackSid: mic, features }) });
  const video = new UpdateLocalVideoTrack({ trackSid: cam, width: 640, height: 360 });
  alice.request({ case: "updateVideoTrack", value: video });
  const seen = new Map(bob.sees("alice")!.tracks.map((info) => [info.sid, info]));
  assert.equal(seen.get(mic)?.stereo, true);
  assert.deepEqual([seen.get(cam)?.width, seen.get(cam)?.height], [640, 360]);
  bob.forget();
  alice.request({ case: "updateVideoTrack", value: video });
  assert.equal(bob.messages.length, 0);
});
