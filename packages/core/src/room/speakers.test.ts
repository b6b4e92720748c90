/** What clients are told of who speaks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ClientInfo,
  LeaveRequest,
  ParticipantInfo_Kind,
  RoomConfiguration,
  UpdateSubscription,
  UpdateTrackSettings,
  type SpeakerInfo,
} from "@livekit/protocol";
import type { Client } from "./harness-client.test.ts";
import { EVERYTHING } from "./harness-join.test.ts";
import { World } from "./harness.test.ts";
import { DEFAULT_LIMITS, DEFAULT_MEDIA_POLICY, DEFAULT_TRANSPORT_POLICY } from "./options.ts";
import { Participant } from "./participant.ts";
import { endSimulatedSpeaker, handleSpeakers, simulateSpeaker } from "./speakers.ts";
import { RoomState } from "./state.ts";

const LINE = ({ sid, level, active }: SpeakerInfo) => `${sid} ${level} ${active}`;

/** Takes the changes that a client was told. */
function told(client: Client): string[] {
  const changes = client.all("speakersChanged").flatMap((message) => message.speakers.map(LINE));
  client.forget();
  return changes;
}

/** The worker says who speaks: pairs of a client and a level, loudest first. */
function speak(world: World, ...levels: [Client, string, number][]): void {
  const speakers = levels.map(([{ sid: participant }, track, level]) => ({ participant, track, level }));
  world.room.handleMedia({ type: "speakers", room: "RM_test", speakers }, world.nowMs);
  world.perform();
}

function setup() {
  const world = new World();
  const alice = world.connect("alice");
  const mic = alice.publish("mic", "audio").sid;
  const bob = world.connect("bob");
  const carol = world.connect("carol", { autoSubscribe: false });
  world.advance(5000);
  for (const client of world.clients) client.forget();
  return { world, alice, mic, bob, carol };
}

function subscription(client: Client, sid: string, subscribe: boolean): void {
  client.request({ case: "subscription", value: new UpdateSubscription({ trackSids: [sid], subscribe }) });
}

test("changes go to the speaker and to those who receive the microphone, and only changes", () => {
  const { world, alice, mic, bob, carol } = setup();
  speak(world, [alice, mic, 0.5]);
  assert.deepEqual(told(bob), [`${alice.sid} 0.5 true`]);
  assert.deepEqual(told(alice), [`${alice.sid} 0.5 true`]);
  assert.deepEqual(told(carol), []);
  speak(world, [alice, mic, 0.5]);
  assert.deepEqual(told(bob), []);
  speak(world, [alice, mic, 0.625]);
  assert.deepEqual(told(bob), [`${alice.sid} 0.625 true`]);
  speak(world);
  assert.deepEqual(told(bob), [`${alice.sid} 0 false`]);
  speak(world);
  assert.deepEqual(told(bob), []);
});

test("with several speakers each hears of those it receives, loudest first", () => {
  const { world, alice, mic, bob, carol } = setup();
  const bobsMic = bob.publish("mic", "audio").sid;
  subscription(carol, bobsMic, true);
  world.advance(1000);
  for (const client of world.clients) client.forget();
  speak(world, [bob, bobsMic, 0.75], [alice, mic, 0.25]);
  assert.deepEqual(told(alice), [`${bob.sid} 0.75 true`, `${alice.sid} 0.25 true`]);
  assert.deepEqual(told(carol), [`${bob.sid} 0.75 true`]);
  speak(world, [alice, mic, 0.25]);
  assert.deepEqual(told(alice), [`${bob.sid} 0 false`]);
  assert.deepEqual(told(carol), [`${bob.sid} 0 false`]);
});

test("whoever subscribes is told who speaks, whoever unsubscribes that nobody does any more", () => {
  const { world, alice, mic, carol } = setup();
  speak(world, [alice, mic, 0.5]);
  subscription(carol, mic, true);
  assert.deepEqual(told(carol), [`${alice.sid} 0.5 true`]);
  world.advance(1000);
  subscription(carol, mic, false);
  assert.deepEqual(told(carol), [`${alice.sid} 0 false`]);
  speak(world, [alice, mic, 0.75]);
  assert.deepEqual(told(carol), []);
});

test("a track that the listener switched off has no speaker", () => {
  const { world, alice, mic, bob } = setup();
  speak(world, [alice, mic, 0.5]);
  told(bob);
  const settings = (disabled: boolean) => {
    bob.request({ case: "trackSetting", value: new UpdateTrackSettings({ trackSids: [mic], disabled }) });
    world.advance(200);
  };
  settings(true);
  assert.deepEqual(told(bob), [`${alice.sid} 0 false`]);
  settings(false);
  assert.deepEqual(told(bob), [`${alice.sid} 0.5 true`]);
});

test("a speaker that unpublishes or leaves falls silent before its end is told", () => {
  const { world, alice, mic, bob } = setup();
  speak(world, [alice, mic, 0.5]);
  told(bob);
  alice.unpublish("mic");
  assert.deepEqual(told(bob), [`${alice.sid} 0 false`]);

  const again = setup();
  speak(again.world, [again.alice, again.mic, 0.5]);
  again.bob.forget();
  again.alice.request({ case: "leave", value: new LeaveRequest({}) });
  const kinds = again.bob.messages.map(({ message }) => message.case);
  assert.ok(kinds.indexOf("speakersChanged") >= 0 && kinds.indexOf("speakersChanged") < kinds.indexOf("update"));
  assert.deepEqual(told(again.bob), [`${again.alice.sid} 0 false`]);
});

test("a client that comes back hears what it missed", () => {
  const { world, alice, mic, bob } = setup();
  speak(world, [alice, mic, 0.5]);
  told(bob);
  bob.dropSignal();
  speak(world);
  bob.resume();
  assert.deepEqual(told(bob), [`${alice.sid} 0 false`]);
});

test("old clients and listeners of a hidden speaker hear nothing", () => {
  const world = new World();
  const alice = world.connect("alice");
  const mic = alice.publish("mic", "audio").sid;
  const old = world.connect("old", { protocol: 2, peerConnections: "dual" });
  const ghost = world.connect("ghost", { grants: { hidden: true } });
  const ghostMic = ghost.publish("mic", "audio").sid;
  const bob = world.connect("bob");
  subscription(bob, ghostMic, true);
  world.advance(3000);
  for (const client of world.clients) client.forget();
  speak(world, [ghost, ghostMic, 0.75], [alice, mic, 0.5]);
  assert.deepEqual(told(old), []);
  assert.deepEqual(told(bob), [`${alice.sid} 0.5 true`]);
});

/** A room without its reducer, with one participant who hears itself. */
function bareRoom() {
  const random = { bytes: (length: number) => new Uint8Array(length), uint32: () => 1 };
  const room = new RoomState({
    sid: "RM_test",
    name: "test",
    createdAtMs: 0,
    config: new RoomConfiguration(),
    server: {
      version: "1.0.0",
      nodeId: "ND_test",
      region: "",
      enabledCodecs: [],
      iceServers: () => [],
      limits: DEFAULT_LIMITS,
      media: DEFAULT_MEDIA_POLICY,
      transport: DEFAULT_TRANSPORT_POLICY,
    },
    media: { fingerprint: "", candidates: [] },
    random,
    nextPeerId: () => 1,
  });
  const claims = {
    identity: "alice",
    name: "",
    metadata: "",
    attributes: {},
    kind: ParticipantInfo_Kind.STANDARD,
    kindDetails: [],
    grants: EVERYTHING,
  };
  const participant = new Participant({
    sid: "PA_alice",
    claims,
    client: new ClientInfo({ protocol: 16 }),
    options: {
      peerConnections: "single",
      autoSubscribe: true,
      autoSubscribeDataTrack: false,
      adaptiveStream: false,
      subscriberAllowPause: undefined,
    },
    connection: 1,
    region: "",
    codecs: { publish: [], subscribe: [] },
    joinedAtMs: 0,
    nextRevision: room.nextRevision,
  });
  room.participants.set(participant.sid, participant);
  const sent = () =>
    room.takeEffects().flatMap((effect) => {
      const message = effect.type === "send" ? effect.message.message : undefined;
      return message?.case === "speakersChanged" ? message.value.speakers.map(LINE) : [];
    });
  return { room, participant, sent };
}

test("a simulated speaker speaks for as long as asked, whatever the microphone says", () => {
  const { room, participant, sent } = bareRoom();
  simulateSpeaker(room, participant, 3);
  assert.deepEqual(sent(), ["PA_alice 0.9 true"]);
  handleSpeakers(room, [{ participant: "PA_alice", track: "TR_1", level: 0.25 }]);
  handleSpeakers(room, []);
  assert.deepEqual(sent(), []);
  assert.equal(room.timers.nextMs(), 3000);
  assert.deepEqual(room.timers.takeDue(3000)?.kind, "simulatedSpeaker");
  endSimulatedSpeaker(room, participant);
  assert.deepEqual(sent(), ["PA_alice 0 false"]);
  simulateSpeaker(room, participant, -1);
  simulateSpeaker(room, participant, Number.NaN);
  assert.deepEqual(sent(), []);
});
