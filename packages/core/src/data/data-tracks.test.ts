import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDataTrackPacket, writeDataTrackPacket } from "@stoa/wire/data-track/packet";
import fc from "fast-check";
import type { PeerId } from "../engine/specs.ts";
import { DataTracks } from "./data-tracks.ts";
import { countsOf, member } from "./relay-harness.test.ts";

/** One packet of a frame of one packet. */
function packet(handle: number, ...payload: number[]): Uint8Array {
  const bytes = writeDataTrackPacket({
    startsFrame: true,
    endsFrame: true,
    handle,
    sequence: 7,
    frameNumber: 3,
    timestamp: 90_000,
    extensions: [{ id: 1, data: new Uint8Array(13).fill(5) }],
    payload: Uint8Array.from(payload),
  });
  assert.ok(bytes);
  return bytes;
}

/** alice (peer 1), bob (2) and carol (3); alice publishes DTR_1 under 10 and DTR_2 under 20. */
function room() {
  const got: { peer: PeerId; label: string; bytes: Uint8Array }[] = [];
  const tracks = new DataTracks((peer, label, bytes) => {
    got.push({ peer, label, bytes });
    return peer === 0 ? "closed" : "queued";
  });
  ["alice", "bob", "carol"].forEach((name, i) => tracks.setMember(`PA_${name}`, member(name, i + 1)));
  tracks.setTrack("PA_alice", "DTR_1", 10);
  tracks.setTrack("PA_alice", "DTR_2", 20);
  /** To whom, under which handle, with which payload; what was got is forgotten. */
  const take = () =>
    got.splice(0).map(({ peer, bytes }) => {
      const read = parseDataTrackPacket(bytes);
      return [peer, read?.handle, ...(read?.payload ?? [])];
    });
  return { tracks, got, take };
}

test("a packet reaches every subscriber under the subscriber's own handle, with all the rest as it came", () => {
  const { tracks, got } = room();
  tracks.setSubscription("PA_bob", "DTR_1", 201);
  tracks.setSubscription("PA_carol", "DTR_1", 5);
  tracks.handlePacket("PA_alice", packet(10, 1, 2, 3));
  assert.deepEqual(
    got.map(({ peer, label, bytes }) => [peer, label, bytes]),
    [
      [2, "_data_track", packet(201, 1, 2, 3)],
      [3, "_data_track", packet(5, 1, 2, 3)],
    ],
  );
  const { relayed, refused, no_channel } = countsOf(tracks);
  assert.deepEqual({ relayed, refused, no_channel }, { relayed: 1, refused: 0, no_channel: 0 });
});

test("tracks are kept apart by the publisher's handles", () => {
  const { tracks, take } = room();
  tracks.setSubscription("PA_bob", "DTR_1", 1);
  tracks.setSubscription("PA_bob", "DTR_2", 2);
  tracks.setSubscription("PA_carol", "DTR_2", 1);
  tracks.setTrack("PA_bob", "DTR_3", 20);
  tracks.setSubscription("PA_alice", "DTR_3", 9);
  tracks.handlePacket("PA_alice", packet(20, 4));
  tracks.handlePacket("PA_bob", packet(20, 6));
  assert.deepEqual(take(), [
    [2, 2, 4],
    [3, 1, 4],
    [1, 9, 6],
  ]);
});

for (const [what, change] of [
  ["a handle that names nothing", (tracks: DataTracks) => tracks.handlePacket("PA_alice", packet(11, 1))],
  ["somebody else's handle", (tracks: DataTracks) => tracks.handlePacket("PA_bob", packet(10, 1))],
  ["somebody who is not here", (tracks: DataTracks) => tracks.handlePacket("PA_mallory", packet(10, 1))],
  ["bytes that are no packet", (tracks: DataTracks) => tracks.handlePacket("PA_alice", packet(10).subarray(0, 20))],
  [
    "one who may not publish data any more",
    (tracks: DataTracks) => {
      tracks.setMember("PA_alice", member("alice", 1, { canPublishData: false }));
      tracks.handlePacket("PA_alice", packet(10, 1));
    },
  ],
  [
    "a track that was unpublished",
    (tracks: DataTracks) => {
      tracks.removeTrack("DTR_1");
      tracks.handlePacket("PA_alice", packet(10, 1));
    },
  ],
] as const) {
  test(`refused without a word: ${what}`, () => {
    const { tracks, got } = room();
    tracks.setSubscription("PA_carol", "DTR_1", 1);
    change(tracks);
    assert.deepEqual(got, []);
    const { relayed, refused } = countsOf(tracks);
    assert.deepEqual({ relayed, refused }, { relayed: 0, refused: 1 });
  });
}

test("a subscription ends by handle 0, by the right to subscribe, and with its subscriber", () => {
  const { tracks, take } = room();
  const send = () => tracks.handlePacket("PA_alice", packet(10, 1));
  tracks.setSubscription("PA_bob", "DTR_1", 4);
  tracks.setSubscription("PA_bob", "DTR_1", 5);
  tracks.setSubscription("PA_carol", "DTR_1", 1);
  send();
  assert.deepEqual(take(), [
    [2, 5, 1],
    [3, 1, 1],
  ]);
  tracks.setSubscription("PA_bob", "DTR_1", 0);
  tracks.setMember("PA_carol", member("carol", 3, { canSubscribe: false }));
  send();
  assert.deepEqual(take(), []);
  tracks.setMember("PA_carol", member("carol", 3));
  send();
  assert.deepEqual(take(), [[3, 1, 1]]);
  tracks.removeMember("PA_carol");
  send();
  tracks.setMember("PA_carol", member("carol", 3));
  send();
  assert.deepEqual(take(), []);
});

test("a publisher gets nothing of its own, and takes its tracks along when it goes", () => {
  const { tracks, take } = room();
  tracks.setSubscription("PA_alice", "DTR_1", 1);
  tracks.setSubscription("PA_bob", "DTR_1", 1);
  tracks.handlePacket("PA_alice", packet(10, 1));
  assert.deepEqual(take(), [[2, 1, 1]]);
  tracks.removeMember("PA_alice");
  tracks.setMember("PA_alice", member("alice", 1));
  tracks.handlePacket("PA_alice", packet(10, 1));
  assert.deepEqual(take(), []);
});

/** bob and carol get what alice publishes, except what `full` says: "peer frame.part". */
function framesRoom() {
  const sent: string[] = [];
  const full = new Set<string>();
  const tracks = new DataTracks((peer, _, bytes) => {
    const read = parseDataTrackPacket(bytes)!;
    if (full.has(`${peer} ${read.frameNumber}.${read.payload[0]}`)) return "full";
    sent.push(`${peer} ${read.frameNumber}.${read.payload[0]}`);
    return "queued";
  });
  ["alice", "bob", "carol"].forEach((name, i) => tracks.setMember(`PA_${name}`, member(name, i + 1)));
  tracks.setTrack("PA_alice", "DTR_1", 10);
  tracks.setSubscription("PA_bob", "DTR_1", 201);
  tracks.setSubscription("PA_carol", "DTR_1", 5);
  /** A frame of three packets. */
  const sendFrame = (frameNumber: number) => {
    for (const part of [0, 1, 2]) {
      const header = { startsFrame: part === 0, endsFrame: part === 2, handle: 10, sequence: part, frameNumber };
      const bytes = writeDataTrackPacket({ ...header, timestamp: 0, extensions: [], payload: Uint8Array.of(part) });
      tracks.handlePacket("PA_alice", bytes!);
    }
  };
  const of = (peer: number) => sent.filter((one) => one.startsWith(`${peer} `)).map((one) => one.slice(2));
  return { tracks, full, sendFrame, of };
}

test("who missed a packet of a frame gets none of those behind it, and the next frame again", () => {
  const { tracks, full, sendFrame, of } = framesRoom();
  full.add("2 0.1");
  for (const frameNumber of [0, 1]) sendFrame(frameNumber);
  assert.deepEqual(of(2), ["0.0", "1.0", "1.1", "1.2"]);
  assert.deepEqual(of(3), ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]);
  assert.equal(countsOf(tracks).stale, 1);
});

test("a frame number that comes again is another frame, whatever was missed of the one before", () => {
  const { full, sendFrame, of } = framesRoom();
  full.add("2 7.1");
  sendFrame(7);
  full.clear();
  sendFrame(7);
  assert.deepEqual(of(2), ["7.0", "7.0", "7.1", "7.2"]);
});

test("what cannot be delivered is dropped for that subscriber only", () => {
  const { tracks } = room();
  tracks.setMember("PA_bob", member("bob", 0));
  tracks.setSubscription("PA_bob", "DTR_1", 1);
  tracks.setSubscription("PA_carol", "DTR_1", 1);
  tracks.handlePacket("PA_alice", packet(10, 1));
  const { relayed, refused, no_channel } = countsOf(tracks);
  assert.deepEqual({ relayed, refused, no_channel }, { relayed: 1, refused: 0, no_channel: 1 });
});

const PEOPLE = ["PA_alice", "PA_bob", "PA_carol"] as const;
const SIDS = ["DTR_1", "DTR_2", "DTR_3"] as const;
const person = fc.constantFrom(...PEOPLE);
const sid = fc.constantFrom(...SIDS);
const handle = fc.integer({ min: 1, max: 3 });
const step = fc.oneof(
  fc.record({ type: fc.constant("join" as const), person }),
  fc.record({ type: fc.constant("leave" as const), person }),
  fc.record({ type: fc.constant("publish" as const), person, sid, handle }),
  fc.record({ type: fc.constant("unpublish" as const), sid }),
  fc.record({ type: fc.constant("subscribe" as const), person, sid, handle: fc.nat(3) }),
  fc.record({
    type: fc.constant("packet" as const),
    person,
    bytes: fc.oneof(handle, fc.uint8Array({ maxLength: 30 })),
  }),
);

test("whatever comes in whatever order: a packet goes to whom a table says, and to nobody else", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const got: [PeerId, number][] = [];
      const tracks = new DataTracks((peer, _, bytes) => {
        got.push([peer, parseDataTrackPacket(bytes)!.handle]);
        return "queued";
      });
      const here = new Set<string>();
      const published = new Map<string, { by: string; handle: number; to: Map<string, number> }>();
      for (const one of steps) {
        switch (one.type) {
          case "join":
            here.add(one.person);
            tracks.setMember(one.person, member(one.person, PEOPLE.indexOf(one.person) + 1));
            break;
          case "leave":
            here.delete(one.person);
            for (const [name, { by, to }] of published) {
              to.delete(one.person);
              if (by === one.person) published.delete(name);
            }
            tracks.removeMember(one.person);
            break;
          case "publish":
            if (here.has(one.person) && !published.has(one.sid)) {
              for (const [name, { by, handle: taken }] of published)
                if (by === one.person && taken === one.handle) published.delete(name);
              published.set(one.sid, { by: one.person, handle: one.handle, to: new Map() });
            }
            tracks.setTrack(one.person, one.sid, one.handle);
            break;
          case "unpublish":
            published.delete(one.sid);
            tracks.removeTrack(one.sid);
            break;
          case "subscribe": {
            const track = published.get(one.sid);
            if (one.handle === 0) track?.to.delete(one.person);
            else if (here.has(one.person) && track && track.by !== one.person) track.to.set(one.person, one.handle);
            tracks.setSubscription(one.person, one.sid, one.handle);
            break;
          }
          case "packet": {
            got.length = 0;
            const bytes = typeof one.bytes === "number" ? packet(one.bytes, 1) : one.bytes;
            const named = parseDataTrackPacket(bytes)?.handle;
            const track = [...published.values()].find(({ by, handle: own }) => by === one.person && own === named);
            tracks.handlePacket(one.person, bytes);
            assert.deepEqual(
              got,
              [...(track?.to ?? [])].map(([to, own]) => [PEOPLE.findIndex((name) => name === to) + 1, own]),
            );
            break;
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});
