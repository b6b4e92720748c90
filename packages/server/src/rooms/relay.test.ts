import assert from "node:assert/strict";
import { test } from "node:test";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { TrackSpec } from "@stoa/core/engine/specs";
import { createRandom } from "@stoa/io/random";
import type { MediaPort } from "../media/media-port.ts";
import { canRelay, Relay, type Relayed } from "./relay.ts";
import type { RoomRunner } from "./runner.ts";

const SPEC: TrackSpec = {
  room: "RM_hall",
  participant: "PA_1",
  kind: "video",
  source: "camera",
  codecs: [{ mime: "video/vp8", layerMode: "simulcast" }],
  encrypted: false,
  trailer: new Uint8Array(0),
  regressedTo: -1,
};
const RECEIVER = {
  mid: "1",
  kind: "video" as const,
  track: "TR_1",
  codecs: [],
  ssrcs: [],
  rids: ["q", "h"],
  codecIndex: 0,
};
const RECEIVERS = [{ ...RECEIVER, extensions: { rid: 2, transportCc: 4 } }];
const MEDIA = { peer: 5, receivers: RECEIVERS, specs: new Map([["TR_1", SPEC]]) };
const RELAYED: Relayed = { media: MEDIA, shownAs: "PA_2", muted: new Set() };

function setUp() {
  const posted: { worker: number; command: MediaCommand }[] = [];
  const media = {
    address: (worker: number) => ({
      fingerprint: "AA:BB",
      candidates: [
        { protocol: "udp" as const, address: "192.0.2.1", port: 7000 },
        ...(worker === 2 ? [] : [{ protocol: "tcp" as const, address: "192.0.2.1", port: 7100 + worker }]),
      ],
    }),
    post: (worker: number, _: string, command: MediaCommand) => void posted.push({ worker, command }),
  } as unknown as MediaPort;
  let lastPeer = 100;
  const room = (name: string, worker: number) => ({ name, sid: `RM_${name}`, worker }) as RoomRunner;
  const relay = new Relay(room("hall", 0), room("attic", 1), {
    media,
    random: createRandom(),
    nextPeer: () => ++lastPeer,
  });
  const take = <T extends MediaCommand["type"]>(type: T) => {
    const found = posted.filter(({ command }) => command.type === type);
    for (const one of found) posted.splice(posted.indexOf(one), 1);
    return found as { worker: number; command: Extract<MediaCommand, { type: T }> }[];
  };
  return { relay, posted, take, media };
}

test("one end calls the other, and the other room's worker hears of the tracks as of its own", () => {
  const { relay, take } = setUp();
  relay.update(RELAYED);
  const [called, caller] = take("openPeer");
  assert.ok(called && caller);
  assert.deepEqual([called.worker, called.command.room, called.command.dial], [1, "RM_attic", undefined]);
  assert.deepEqual([caller.worker, caller.command.dial?.protocol, caller.command.dial?.port], [0, "tcp", 7101]);
  const remotes = take("setRemote");
  assert.deepEqual(
    remotes.map(({ worker, command }) => [worker, command.remote.ufrag, command.remote.dtlsRole]),
    [
      [1, caller.command.ufrag, "server"],
      [0, called.command.ufrag, "client"],
    ],
  );
  assert.deepEqual(take("setTrack")[0]?.command.spec, { ...SPEC, room: "RM_attic", participant: "PA_2" });
  const receivers = take("setReceivers");
  assert.deepEqual(receivers, [
    {
      worker: 1,
      command: {
        type: "setReceivers",
        peer: called.command.peer,
        receivers: [{ ...RECEIVER, extensions: { rid: 2 } }],
      },
    },
  ]);
  const relays = take("setRelay");
  assert.deepEqual(relays, [{ worker: 0, command: { type: "setRelay", peer: caller.command.peer, publisher: 5 } }]);
});

test("only what has changed is told again", () => {
  const { relay, posted, take } = setUp();
  relay.update(RELAYED);
  const near = take("setRelay")[0]!.command.peer;
  posted.length = 0;
  relay.update(RELAYED);
  assert.deepEqual(posted, []);
  relay.update({ ...RELAYED, muted: new Set(["TR_1"]) });
  assert.deepEqual(posted.splice(0), [{ worker: 1, command: { type: "muteTrack", track: "TR_1", muted: true } }]);
  const ssrcs = [{ ssrc: 21, rtxSsrc: 0 }];
  relay.handleMedia({ type: "relayedStreams", peer: near + 1000, streams: [] });
  relay.handleMedia({ type: "relayedStreams", peer: near, streams: [{ mid: "1", ssrcs }] });
  assert.deepEqual(take("setReceivers")[0]?.command.receivers[0]?.ssrcs, ssrcs);
  relay.update({ ...RELAYED, media: { ...MEDIA, receivers: [], specs: new Map() } });
  assert.deepEqual(
    take("removeTrack").map(({ command }) => command.track),
    ["TR_1"],
  );
});

test("a connection that fails is opened again, so often and not for ever; the end closes both ends", () => {
  const { relay, take } = setUp();
  relay.update(RELAYED);
  for (let i = 0; i < 100; i++) {
    const [opened] = take("openPeer");
    if (!opened) break;
    const failed = { type: "peerState", peer: opened.command.peer, state: "failed", detail: "" } as const;
    relay.handleMedia(failed);
    relay.handleMedia(failed);
    assert.ok(i <= 20);
  }
  assert.equal(take("closePeer").length, 40);
  relay.close();
  assert.deepEqual(
    take("closePeer").map(({ worker }) => worker),
    [0, 1],
  );
  assert.deepEqual(
    take("removeTrack").map(({ worker }) => worker),
    [1],
  );
  relay.close();
  assert.deepEqual(take("closePeer"), []);
});

test("without a TCP port at the other worker there is no way", () => {
  const { media } = setUp();
  assert.deepEqual([canRelay(media, 1), canRelay(media, 2)], [true, false]);
});
