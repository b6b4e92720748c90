/** Requests that no honest client sends: the room stays up, and nobody but their sender suffers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  AddTrackRequest,
  LeaveRequest,
  MuteTrackRequest,
  ParticipantTracks,
  Ping,
  PublishDataTrackRequest,
  SessionDescription,
  SignalRequest,
  SimulcastCodec,
  SyncState,
  TrackInfo,
  TrackPublishedResponse,
  TrackType,
  TrickleRequest,
  UnpublishDataTrackRequest,
  UpdateDataSubscription,
  UpdateLocalAudioTrack,
  UpdateLocalVideoTrack,
  UpdateParticipantMetadata,
  UpdateSubscription,
  UpdateTrackSettings,
  VideoLayer,
} from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";

type Message = Exclude<SignalRequest["message"], { case: undefined }>;

/** One honest request of each case, about a track of the sender and one of somebody else. */
function honestRequests(client: Client, own: string, other: string): Message[] {
  const sdp = client.last("answer")?.sdp ?? client.last("offer")?.sdp ?? "";
  const layers = [new VideoLayer({ quality: 2, width: 640, height: 360, ssrc: 5 })];
  const simulcastCodecs = [new SimulcastCodec({ codec: "vp8", cid: "x", layers })];
  const publishTracks = [new TrackPublishedResponse({ cid: "mic", track: new TrackInfo({ sid: own }) })];
  const participantTracks = [new ParticipantTracks({ participantSid: "PA_x", trackSids: [other, own] })];
  const subscription = new UpdateSubscription({ trackSids: [other], subscribe: true, participantTracks });
  return [
    { case: "offer", value: new SessionDescription({ type: "offer", sdp, id: 3 }) },
    { case: "answer", value: new SessionDescription({ type: "answer", sdp, id: 3 }) },
    { case: "trickle", value: new TrickleRequest({ candidateInit: '{"candidate":"","sdpMid":"0"}', target: 1 }) },
    { case: "addTrack", value: new AddTrackRequest({ cid: "x", type: TrackType.VIDEO, layers, simulcastCodecs }) },
    { case: "addTrack", value: new AddTrackRequest({ cid: "y", type: TrackType.VIDEO, sid: own, simulcastCodecs }) },
    { case: "mute", value: new MuteTrackRequest({ sid: own, muted: true }) },
    { case: "subscription", value: subscription },
    { case: "trackSetting", value: new UpdateTrackSettings({ trackSids: [other], width: 320, height: 180 }) },
    { case: "leave", value: new LeaveRequest({ reason: 1 }) },
    { case: "syncState", value: new SyncState({ publishTracks, subscription, trackSidsDisabled: [other] }) },
    { case: "ping", value: 77n },
    { case: "pingReq", value: new Ping({ timestamp: 77n, rtt: 5n }) },
    {
      case: "updateMetadata",
      value: new UpdateParticipantMetadata({ name: "n", metadata: "m", attributes: { a: "b" } }),
    },
    { case: "updateAudioTrack", value: new UpdateLocalAudioTrack({ trackSid: own, features: [1, 2] }) },
    { case: "updateVideoTrack", value: new UpdateLocalVideoTrack({ trackSid: own, width: 1, height: 2 }) },
    { case: "publishDataTrackRequest", value: new PublishDataTrackRequest({ pubHandle: 1, name: "d" }) },
    { case: "unpublishDataTrackRequest", value: new UnpublishDataTrackRequest({ pubHandle: 1 }) },
    { case: "updateDataSubscription", value: new UpdateDataSubscription({ updates: [{ trackSid: "DTR_x" }] }) },
  ];
}

const attack = fc.record({
  request: fc.nat(17),
  /** Bytes that are replaced: where (as a part of the whole) and with what. */
  edits: fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), { maxLength: 4 }),
  waitMs: fc.constantFrom(0, 50, 20_000),
});

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: damaged requests hurt only their sender`, () => {
    fc.assert(
      fc.property(fc.array(attack, { maxLength: 30, size: "max" }), (attacks) => {
        const world = new World();
        const alice = world.connect("alice", { tracks: [{ cid: "mic", kind: "audio" }] });
        const other = alice.published("mic")!.sid;
        const start = () => {
          const mallory = world.connect("mallory", { peerConnections, silent: true });
          mallory.publish("cam", "video");
          return mallory;
        };
        let mallory = start();
        for (const { request, edits, waitMs } of attacks) {
          if (mallory.connection === 0) mallory = start();
          const honest = honestRequests(mallory, mallory.published("cam")!.sid, other)[request]!;
          const bytes = new SignalRequest({ message: honest }).toBinary();
          for (const [where, byte] of edits) bytes[Math.floor(where * (bytes.length - 1))] = byte;
          const damaged = decode(bytes);
          if (damaged) world.room.handleRequest(mallory.sid, mallory.connection, damaged, world.nowMs);
          world.perform();
          world.advance(waitMs);
        }
        world.advance(1000);
        assert.equal(alice.leave, undefined);
        alice.request({ case: "ping", value: 1n });
        assert.ok(alice.last("pong"));
        const bob = world.connect("bob");
        world.advance(1000);
        assert.ok(bob.receives().includes(other));
      }),
      { numRuns: 60, seed: 20_261_121 },
    );
  });
}

function decode(bytes: Uint8Array): SignalRequest | undefined {
  try {
    return SignalRequest.fromBinary(bytes);
  } catch {
    return undefined;
  }
}
