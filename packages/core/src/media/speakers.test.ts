/** Who is said to speak in a room. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SpeakerLevel } from "../engine/events.ts";
import type { TrackSpec } from "../engine/specs.ts";
import { rtp } from "./harness-packets.test.ts";
import { audioReceiver } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

function microphone(participant: string, changes: Partial<TrackSpec> = {}): TrackSpec {
  return {
    room: "RM_a",
    participant,
    kind: "audio",
    source: "microphone",
    codecs: [{ mime: "audio/opus", layerMode: "simulcast" }],
    encrypted: false,
    trailer: new Uint8Array(0),
    regressedTo: -1,
    ...changes,
  };
}

/** Publishers 1, 2, … whose tracks are TR_1, TR_2, … and whose SSRCs are 501, 502, … */
class Voices {
  readonly world = new World();
  readonly #sequence = new Map<number, number>();

  add(id: number, spec: TrackSpec | undefined): void {
    if (spec) this.world.forwarder.setTrack(`TR_${id}`, spec);
    this.world.addPeer(id, [audioReceiver({ track: `TR_${id}`, ssrcs: [{ ssrc: 500 + id, rtxSsrc: 0 }] })], []);
  }

  /** Everybody named sends at this level for so long. */
  talk(ms: number, levels: Record<number, number>): void {
    for (let i = 0; i < ms / 20; i++) {
      for (const [id, level] of Object.entries(levels)) {
        const sequence = (this.#sequence.get(Number(id)) ?? 0) + 1;
        this.#sequence.set(Number(id), sequence);
        const packet = rtp({
          payloadType: 111,
          sequence,
          timestamp: Math.round(this.world.nowMs * 48) >>> 0,
          ssrc: 500 + Number(id),
          payload: [1, 2, 3],
          extensions: { 5: [0x80 | level] },
        });
        this.world.feed(Number(id), packet);
      }
      this.world.advance(20);
    }
  }

  /** Takes the lists that were told, as "participant level". */
  lists(room = "RM_a"): string[][] {
    const told = this.world.events.filter((event) => event.type === "speakers" && event.room === room);
    this.world.events.length = 0;
    const line = ({ participant, level }: SpeakerLevel) => `${participant} ${level}`;
    return told.map((event) => (event.type === "speakers" ? event.speakers.map(line) : []));
  }
}

test("a speaker is named within a second and dropped within two", () => {
  const voices = new Voices();
  voices.add(1, microphone("PA_1"));
  voices.talk(2000, { 1: 80 });
  assert.deepEqual(voices.lists(), [], "silence tells nothing");
  voices.talk(860, { 1: 2 });
  assert.deepEqual(voices.lists()[0], ["PA_1 0.625"], "two thirds of the way to 0.79, in steps of an eighth");
  voices.talk(5000, { 1: 2 });
  assert.deepEqual(voices.lists().at(-1), ["PA_1 0.875"]);
  voices.talk(5000, { 1: 2 });
  assert.deepEqual(voices.lists(), [], "the same level is not told again");
  voices.talk(1200, { 1: 90 });
  assert.deepEqual(voices.lists(), [[]]);
});

test("a speaker whose packets stop is dropped within two seconds, and then nothing wakes up any more", () => {
  const voices = new Voices();
  voices.add(1, microphone("PA_1"));
  voices.talk(1000, { 1: 10 });
  voices.lists();
  voices.world.advance(1900);
  assert.deepEqual(voices.lists().at(-1), []);
  voices.world.advance(20_000);
  assert.deepEqual(voices.lists(), []);
  assert.equal(voices.world.forwarder.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test("the loudest comes first, each room has its own list", () => {
  const voices = new Voices();
  voices.add(1, microphone("PA_1"));
  voices.add(2, microphone("PA_2"));
  voices.add(3, microphone("PA_3", { room: "RM_b" }));
  voices.talk(1300, { 1: 21, 2: 5, 3: 18 });
  const events = voices.world.events.filter((event) => event.type === "speakers");
  const last = (room: string) => events.findLast((event) => event.room === room)!.speakers;
  assert.deepEqual(
    last("RM_a").map(({ track, participant }) => [track, participant]),
    [
      ["TR_2", "PA_2"],
      ["TR_1", "PA_1"],
    ],
  );
  assert.deepEqual(last("RM_b"), [{ track: "TR_3", participant: "PA_3", level: 0.125 }]);
  voices.world.events.length = 0;
  voices.talk(1000, { 1: 100, 2: 5, 3: 18 });
  assert.deepEqual(voices.lists(), [["PA_2 0.625"]], "who goes on is still in the list");
});

test("screen audio and other sources do not speak; a track of which nothing is known does", () => {
  const voices = new Voices();
  voices.add(1, microphone("PA_1", { source: "screenShareAudio" }));
  voices.add(2, microphone("PA_2", { source: "unknown" }));
  voices.add(3, undefined);
  voices.talk(1000, { 1: 5, 2: 5, 3: 5 });
  assert.deepEqual(voices.lists(), [], "nobody knows whose the third one is");
  const { forwarder } = voices.world;
  const transport = {
    path: 4,
    connected: true,
    protectRtp: (_at: number, header: number, _from: number, payload: number) => header + payload,
    protectRtcp: (_at: number, length: number) => length,
  };
  const owner = { room: "RM_a", participant: "PA_4" };
  forwarder.addPeer(4, transport, {
    congestion: { enabled: false, allowPause: false },
    playoutDelay: undefined,
    owner,
  });
  forwarder.setReceivers(4, [audioReceiver({ track: "TR_4", ssrcs: [{ ssrc: 504, rtxSsrc: 0 }] })]);
  forwarder.peerConnected(4, voices.world.nowMs);
  voices.talk(1000, { 4: 5 });
  assert.equal(voices.lists()[0]?.length, 1);
});

test("muted, unpublished and removed tracks drop out at once", () => {
  const ends: ((voices: Voices) => void)[] = [
    ({ world }) => world.forwarder.muteTrack("TR_1", true),
    ({ world }) => world.forwarder.setReceivers(1, []),
    ({ world }) => world.forwarder.removePeer(1),
    ({ world }) => world.forwarder.removeTrack("TR_1"),
  ];
  for (const end of ends) {
    const voices = new Voices();
    voices.add(1, microphone("PA_1"));
    voices.add(2, microphone("PA_2"));
    voices.talk(1000, { 1: 5, 2: 5 });
    voices.lists();
    end(voices);
    voices.world.endBatch();
    const [list] = voices.lists();
    assert.ok(list?.length === 1 && list[0]!.startsWith("PA_2"), list?.join(" "));
  }
});

test("a muted track does not speak, whatever it sends; after the mute it does", () => {
  const voices = new Voices();
  voices.add(1, microphone("PA_1"));
  voices.world.forwarder.muteTrack("TR_1", true);
  voices.talk(1000, { 1: 5 });
  assert.deepEqual(voices.lists(), []);
  voices.world.forwarder.muteTrack("TR_1", false);
  voices.talk(860, { 1: 5 });
  assert.equal(voices.lists()[0]?.length, 1);
});
