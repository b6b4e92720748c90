/** Timelines: what they remember, in which words, for how long, and who may read them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ConnectionQuality,
  ConnectionQualityInfo,
  ConnectionQualityUpdate,
  DisconnectReason,
  ParticipantInfo,
  SignalRequest,
  SignalResponse,
  TrackInfo,
  TrackSource,
  TrackType,
  TrickleRequest,
} from "@livekit/protocol";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { PeerStats, StreamStats } from "@stoa/core/engine/figures";
import { emptyStats } from "@stoa/core/media/stream-stats";
import type { ParticipantEventKind } from "@stoa/core/room/effects";
import { handmadeToken, joinClaims, KEYS, recordingLog } from "../fixtures.test.ts";
import { createApp } from "../http/app.ts";
import { openPeer } from "../metrics/harness.test.ts";
import { mountTimelines } from "./api.ts";
import { TimelineObserver } from "./observer.ts";
import { Timelines, type Entry } from "./timelines.ts";
import { candidatesOf, reasonInWords } from "./words.ts";

const START_MS = Date.UTC(2026, 0, 1);

function setUp() {
  let nowMs = START_MS;
  const timelines = new Timelines();
  const log = recordingLog();
  const observer = new TimelineObserver(timelines, log, () => nowMs);
  const happen = (kind: ParticipantEventKind, detail = "", more: Partial<ParticipantInfo> = {}, track?: TrackInfo) => {
    const participant = new ParticipantInfo({ sid: "PA_1", identity: "ada", ...more });
    observer.onParticipant("lobby", { type: "participantEvent", kind, participant, track, detail, atMs: nowMs });
  };
  const command = (one: MediaCommand) => observer.onCommand("lobby", one);
  const texts = (sid = "PA_1") => timelines.entries(sid).entries.map(({ text }) => text);
  return { timelines, observer, log, happen, command, texts, pass: (ms: number) => void (nowMs += ms) };
}

const OPEN_PEER = openPeer(7, "PA_1");

const stats = (distance: number, more: Partial<StreamStats> = {}): PeerStats => ({
  peer: 7,
  packetsIn: 0,
  packetsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  rttMs: 250,
  estimateBps: 300_000,
  receivers: [],
  senders: [
    {
      ...emptyStats("TR_1"),
      packets: 100,
      silentMs: 0,
      layerDistance: distance,
      ...more,
    },
  ],
});

describe("a timeline", () => {
  test("tells that a client sends too fast, and leaves it to the end to say that it was cut off", () => {
    const { happen, texts, observer } = setUp();
    happen("joined");
    observer.onSignalTrouble("lobby", "PA_1", { kind: "slowed", text: "sends too fast" });
    observer.onSignalTrouble("lobby", "PA_1", { kind: "cut", text: "it does not read" });
    happen("signalLost", "it does not read");
    assert.deepEqual(texts().slice(1), ["sends too fast", "the signal connection was lost (it does not read)"]);
  });

  test("tells a stay from the join to the reason of its end", () => {
    const { happen, texts, command, observer, timelines, pass } = setUp();
    happen("joined", "JS 2.23.0");
    command(OPEN_PEER);
    const candidateInit = '{"candidate":"candidate:1 1 udp 2113937151 192.0.2.9 5000 typ host generation 0"}';
    const trickle = new SignalRequest({ message: { case: "trickle", value: new TrickleRequest({ candidateInit }) } });
    observer.onRequest("lobby", "PA_1", trickle);
    observer.onRequest("lobby", "PA_1", trickle);
    pass(120);
    happen("mediaConnected", "udp 192.0.2.9:5000");
    happen("active");
    const track = new TrackInfo({ sid: "TR_1", source: TrackSource.MICROPHONE, mimeType: "audio/red" });
    happen("trackPublished", "", {}, track);
    observer.onMedia("lobby", { type: "trackStarted", peer: 7, track: "TR_1", mime: "audio/red", layer: 0 });
    happen("dataTrackPublished", "", {}, new TrackInfo({ sid: "DTR_1", name: "pose", type: TrackType.DATA }));
    pass(5000);
    happen("signalLost");
    command({ type: "restartIce", peer: 7, ufrag: "u", pwd: "p" });
    happen("resumed");
    happen("left", "the client left", { disconnectReason: DisconnectReason.CLIENT_INITIATED });
    assert.deepEqual(texts(), [
      "joined (JS 2.23.0)",
      "the client offers a host udp candidate",
      "media connected (udp 192.0.2.9:5000)",
      "media is connected; the others see the participant",
      "published microphone TR_1 (audio/red)",
      "first packet of microphone of ada (TR_1), layer 0 (audio/red), came in",
      "published data track DTR_1 (pose)",
      "the signal connection was lost",
      "looking for a network path anew (ICE restart)",
      "came back with a new signal connection",
      "left (the client left by itself)",
    ]);
    const [session] = timelines.sessions("lobby", "ada", START_MS + 6000);
    assert.equal(session!.leftReason, "CLIENT_INITIATED");
    assert.equal(session!.leftAtMs, START_MS + 5120);
  });

  test("says which layer is wanted, which flows, and why", () => {
    const { happen, texts, command, observer } = setUp();
    happen("joined");
    command(OPEN_PEER);
    const settings = { disabled: false, maxSpatial: 2, fps: 0, priority: 0 };
    command({ type: "setDownlink", peer: 7, track: "TR_1", settings });
    command({ type: "setDownlink", peer: 7, track: "TR_1", settings });
    for (const distance of [0, 2, 2, 0]) observer.onMedia("lobby", { type: "stats", peer: 7, stats: stats(distance) });
    observer.onMedia("lobby", { type: "layerSwitched", peer: 7, track: "TR_1", from: 2, to: 0, reason: "bandwidth" });
    observer.onMedia("lobby", { type: "streamState", peer: 7, track: "TR_1", paused: true });
    command({ type: "setDownlink", peer: 7, track: "TR_1", settings: { ...settings, disabled: true } });
    assert.deepEqual(texts().slice(1), [
      "the client wants TR_1 up to layer 2",
      "TR_1 flows 2 layers below what is wanted (the link carries about 300 kbit/s)",
      "TR_1 flows as wanted (the link carries about 300 kbit/s)",
      "TR_1 goes on in layer 0 instead of 2: for want of bandwidth (the link carries about 300 kbit/s)",
      "TR_1 is paused for want of bandwidth (the link carries about 300 kbit/s)",
      "the client wants TR_1 not to be sent",
    ]);
  });

  test("names tracks as people do; audio has no layers", () => {
    const { happen, texts, command } = setUp();
    happen("joined");
    command(OPEN_PEER);
    happen("trackPublished", "", {}, new TrackInfo({ sid: "TR_1", source: TrackSource.MICROPHONE }));
    for (const disabled of [false, true, false]) {
      const settings = { disabled, maxSpatial: 2, fps: 0, priority: 0 };
      command({ type: "setDownlink", peer: 7, track: "TR_1", settings });
    }
    assert.deepEqual(texts().slice(2), [
      "the client wants microphone of ada (TR_1) not to be sent",
      "the client wants microphone of ada (TR_1) again",
    ]);
  });

  test("a track that is shown in another room as well keeps its name there when the one room forgets it", () => {
    const { happen, texts, command, observer } = setUp();
    happen("joined");
    command(OPEN_PEER);
    const track = new TrackInfo({ sid: "TR_1", source: TrackSource.CAMERA, type: TrackType.VIDEO });
    happen("trackPublished", "", {}, track);
    const shown = {
      type: "participantEvent" as const,
      participant: new ParticipantInfo({ sid: "PA_9", identity: "ada" }),
    };
    const elsewhere = { ...shown, track, detail: "", atMs: START_MS };
    observer.onParticipant("attic", { ...elsewhere, kind: "trackPublished" });
    observer.onParticipant("attic", { ...elsewhere, kind: "trackUnpublished" });
    observer.onMedia("lobby", { type: "trackStarted", peer: 7, track: "TR_1", mime: "video/vp8", layer: 0 });
    assert.equal(texts().at(-1), "first packet of camera of ada (TR_1), layer 0 (video/vp8), came in");
  });

  test("says what a bad quality comes from, once per change", () => {
    const { happen, texts, command, observer, log } = setUp();
    happen("joined");
    command(OPEN_PEER);
    observer.onMedia("lobby", { type: "stats", peer: 7, stats: stats(1, { lost: 12 }) });
    const tell = (quality: ConnectionQuality, score: number) => {
      const updates = [
        new ConnectionQualityInfo({ participantSid: "PA_2", quality: ConnectionQuality.POOR, score: 1 }),
        new ConnectionQualityInfo({ participantSid: "PA_1", quality, score }),
      ];
      const value = new ConnectionQualityUpdate({ updates });
      const message = new SignalResponse({ message: { case: "connectionQuality", value } });
      observer.onSend("lobby", { type: "send", to: "PA_1", connection: 1, message });
    };
    tell(ConnectionQuality.POOR, 2.1);
    tell(ConnectionQuality.POOR, 2);
    tell(ConnectionQuality.EXCELLENT, 4.6);
    const [poor, excellent] = texts().slice(-2);
    assert.equal(
      poor,
      "connection quality is poor (2.1 of 5): loses 12 % of what it is sent, round trip 250 ms, gets lower layers than wanted",
    );
    assert.equal(excellent, "connection quality is excellent (4.6 of 5)");
    assert.equal(log.lines.filter((line) => line.includes("quality is poor")).length, 1);
  });

  test("keeps the first and the last entries of a long session, and counts repetitions", () => {
    const timelines = new Timelines();
    timelines.begin("lobby", "ada", "PA_1", 0);
    const entry = (atMs: number, text: string): Entry => ({ atMs, kind: "transport", text, track: "" });
    for (let i = 0; i < 1000; i++) timelines.note("PA_1", entry(i, `entry ${i}`));
    const { entries, forgotten } = timelines.entries("PA_1");
    assert.equal(entries.length, 128);
    assert.equal(forgotten, 1000 - 128);
    assert.deepEqual([entries[0]!.text, entries.at(-1)!.text], ["entry 0", "entry 999"]);
    for (let i = 0; i < 5; i++) timelines.note("PA_1", entry(2000 + i, "again"));
    const last = timelines.entries("PA_1").entries.at(-1)!;
    assert.deepEqual([last.text, last.times, last.atMs, last.lastAtMs], ["again", 5, 2000, 2004]);
    timelines.note("PA_1", entry(3000, "x".repeat(100_000)));
    assert.ok(timelines.entries("PA_1").entries.at(-1)!.text.length < 400);
  });

  test("those who left are forgotten after a quarter of an hour, or when there are too many", () => {
    const timelines = new Timelines();
    timelines.begin("lobby", "stays", "PA_stays", 0);
    for (let i = 0; i < 3000; i++) {
      timelines.begin("lobby", "ada", `PA_${i}`, i);
      timelines.end(`PA_${i}`, "CLIENT_INITIATED", i);
    }
    assert.equal(timelines.size, 1001);
    assert.equal(timelines.sessions("lobby", "ada", 3000).at(-1)!.sid, "PA_2999");
    assert.deepEqual(
      timelines.sessions("lobby", undefined, 3000 + 16 * 60_000).map(({ sid }) => sid),
      ["PA_stays"],
    );
  });
});

describe("reading timelines", () => {
  function api() {
    const { timelines, happen, observer, command } = setUp();
    happen("joined");
    command(OPEN_PEER);
    observer.onMedia("lobby", { type: "stats", peer: 7, stats: stats(0) });
    const app = createApp({
      keys: KEYS,
      door: undefined as never,
      twirp: undefined as never,
      health: { updatedAtMs: START_MS },
      maxBodyBytes: () => 0,
      demo: { root: "/nowhere", signer: undefined },
      log: recordingLog(),
      nowMs: () => START_MS + 1000,
    });
    mountTimelines(app, timelines, () => START_MS + 1000);
    return async (path: string, video?: Record<string, unknown>) => {
      const authorization = `Bearer ${handmadeToken(joinClaims(START_MS, { video }))}`;
      const response = await app.request(path, video ? { headers: { authorization } } : {});
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
  }

  const path = "/stoa/v1/rooms/lobby/participants/ada/timeline";
  const admin = { roomAdmin: true, room: "lobby" };

  test("takes a roomAdmin token of that room", async () => {
    const get = api();
    for (const video of [
      undefined,
      {},
      { roomAdmin: true },
      { roomAdmin: true, room: "other" },
      { roomJoin: true, room: "lobby" },
    ]) {
      const { status, body } = await get(path, video);
      assert.deepEqual([status, body], [401, { code: "unauthenticated", msg: "permissions denied" }]);
    }
    assert.equal((await get(path, admin)).status, 200);
    assert.equal((await get(path.replace("ada", "nobody"), admin)).status, 404);
  });

  test("has the shape that is documented", async () => {
    const get = api();
    const session = {
      identity: "ada",
      sid: "PA_1",
      joinedAt: "2026-01-01T00:00:00.000Z",
      leftAt: null,
      leftReason: null,
      connection: { rttMs: 250, estimateBps: 300_000, at: "2026-01-01T00:00:00.000Z" },
    };
    const entry = {
      at: session.joinedAt,
      kind: "joined",
      text: "joined",
      track: null,
      times: 1,
      lastAt: session.joinedAt,
    };
    assert.deepEqual((await get(path, admin)).body, {
      room: "lobby",
      identity: "ada",
      sessions: [{ ...session, forgottenEntries: 0, entries: [entry] }],
    });
    assert.deepEqual((await get("/stoa/v1/rooms/lobby/timelines", admin)).body, { room: "lobby", sessions: [session] });
  });
});

describe("words", () => {
  test("every reason has some", () => {
    for (const reason of Object.values(DisconnectReason).filter((value) => typeof value === "number")) {
      assert.match(reasonInWords(reason as DisconnectReason), /^[a-z]/);
    }
  });

  test("candidates without their addresses", () => {
    const sdp = [
      "a=candidate:1 1 UDP 2122 10.0.0.1 5000 typ host",
      "a=candidate:2 1 tcp 1518 10.0.0.1 9 typ host tcptype active",
      "a=candidate:3 1 udp 1686 203.0.113.5 6000 typ srflx raddr 10.0.0.1 rport 5000",
    ].join("\r\n");
    assert.deepEqual([...candidatesOf(sdp)], ["host udp", "host tcp", "srflx udp"]);
  });
});
