/** The figures as Prometheus reads them. */
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import {
  ConnectionQuality,
  ConnectionQualityInfo,
  ConnectionQualityUpdate,
  Room as RoomInfo,
  SignalResponse,
  TrackInfo,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import { Hono } from "hono";
import type { PeerStats, WorkerLoad } from "@stoa/core/engine/figures";
import { recordingLog, testConfig } from "../fixtures.test.ts";
import { noteRefusal, twirpWatcher, webhookFigures } from "./edge-figures.ts";
import { createMetricsServer, readMetricsSettings } from "./endpoint.ts";
import { openPeer, setSenders, setUp, stream } from "./harness.test.ts";
import { WorkerFigures } from "./worker-figures.ts";

describe("figures of rooms", () => {
  test("count rooms, participants and published tracks up and down", async () => {
    const { rooms, value, happen, pass } = setUp();
    const track = new TrackInfo({ sid: "TR_1", type: TrackType.VIDEO, source: TrackSource.CAMERA });
    rooms.onRoomCreated();
    happen("joined", "PA_1");
    happen("joined", "PA_2");
    pass(300);
    happen("active", "PA_1");
    happen("trackPublished", "PA_1", track);
    assert.deepEqual([await value("livekit_room_total"), await value("livekit_participant_total")], [1, 2]);
    assert.equal(await value("livekit_track_published_total", 'kind="VIDEO"'), 1);
    assert.equal(await value("livekit_participant_join_total", 'state="rtc_active"'), 1);
    assert.equal(await value("livekit_session_start_time_ms_sum"), 300);
    pass(1000);
    happen("trackUnpublished", "PA_1", track);
    happen("left", "PA_1");
    happen("left", "PA_2");
    rooms.onRoomClosed({ room: new RoomInfo({ name: "lobby", creationTimeMs: 1_000_000n - 3_700n }) });
    for (const name of ["livekit_room_total", "livekit_participant_total", "livekit_track_published_total"]) {
      assert.equal(await value(name), 0, name);
    }
    assert.equal(await value("livekit_session_duration_ms_sum"), 1000, "since media was connected");
    assert.equal(await value("livekit_room_duration_seconds_sum"), 5);
  });

  test("count each track that is sent to somebody", async () => {
    const { rooms, value, happen } = setUp();
    for (const id of [1, 2]) rooms.onCommand("lobby", openPeer(id, `PA_${id}`));
    rooms.onCommand("lobby", setSenders(1, "TR_1", "TR_2"));
    rooms.onCommand("lobby", setSenders(2, "TR_1"));
    rooms.onCommand("lobby", setSenders(1, "TR_2"));
    assert.equal(await value("livekit_track_subscribed_total", 'kind="VIDEO"'), 2);
    assert.equal(await value("livekit_track_subscribe_counter", 'state="success"'), 3);
    happen("trackPublished", "PA_1", new TrackInfo({ sid: "TR_1" }));
    assert.equal(rooms.tracks, 3, "what limit.num_tracks counts");
    for (const id of [1, 2]) rooms.onCommand("lobby", { type: "closePeer", peer: id });
    assert.equal(await value("livekit_track_subscribed_total"), 0);
    assert.equal(rooms.tracks, 1);
  });

  test("tell what streams suffer, by source and direction", async () => {
    const { rooms, value, happen } = setUp();
    happen("trackPublished", "PA_1", new TrackInfo({ sid: "TR_1", source: TrackSource.MICROPHONE }));
    const stats: PeerStats = {
      peer: 1,
      packetsIn: 0,
      packetsOut: 0,
      bytesIn: 0,
      bytesOut: 0,
      rttMs: 80,
      estimateBps: 0,
      receivers: [stream({ lost: 4, nacks: 3, keyFrameRequests: 1, jitterMs: 12 })],
      senders: [stream({ lost: 1, nacks: 5 })],
    };
    rooms.onMedia("lobby", { type: "stats", peer: 1, stats });
    assert.equal(await value("livekit_nack_total", 'direction="incoming"'), 3);
    assert.equal(await value("livekit_nack_total", 'direction="outgoing"'), 5);
    assert.equal(await value("livekit_pli_total"), 1);
    const labels = ['direction="incoming"', 'source="MICROPHONE"', 'type="AUDIO"'];
    assert.equal(await value("livekit_packet_loss_total", ...labels), 4);
    assert.equal(await value("livekit_packet_loss_percent_sum", ...labels), 4);
    assert.equal(await value("livekit_jitter_us_sum", ...labels), 12_000);
    assert.equal(await value("livekit_rtt_ms_sum", 'direction="outgoing"'), 80);
  });

  test("count signal messages, and everybody's quality once", async () => {
    const { rooms, value } = setUp();
    const updates = ["PA_1", "PA_2"].map((participantSid) => {
      return new ConnectionQualityInfo({ participantSid, quality: ConnectionQuality.GOOD, score: 3.5 });
    });
    const value_ = new ConnectionQualityUpdate({ updates });
    const message = new SignalResponse({ message: { case: "connectionQuality", value: value_ } });
    for (const to of ["PA_1", "PA_2"]) rooms.onSend("lobby", { type: "send", to, connection: 1, message });
    rooms.onRequest();
    assert.equal(await value("livekit_node_messages", 'type="signal"', 'direction="response"'), 2);
    assert.equal(await value("livekit_node_messages", 'direction="request"'), 1);
    assert.equal(await value("livekit_quality_score_count"), 2);
    assert.equal(await value("livekit_quality_rating_sum"), 2);
  });

  test("tell peer connections of the publisher from those of the subscriber", async () => {
    const { rooms, value } = setUp();
    rooms.onCommand("lobby", openPeer(1, "PA_1"));
    rooms.onCommand("lobby", openPeer(2, "PA_1"));
    for (const peer of [1, 2]) rooms.onMedia("lobby", { type: "peerState", peer, state: "connected", detail: "" });
    assert.equal(await value("livekit_peer_connection_state", 'transport="PUBLISHER"', 'state="connected"'), 1);
    assert.equal(await value("livekit_peer_connection_state", 'transport="SUBSCRIBER"', 'state="connected"'), 1);
  });
});

describe("figures of media workers", () => {
  const load = (packets: number): WorkerLoad => ({
    utilization: 0.25,
    lagMs: 3,
    packetsIn: packets,
    packetsOut: 2 * packets,
    bytesIn: 10 * packets,
    bytesOut: 20 * packets,
    droppedIn: 1,
    droppedOut: 2,
    forwardLatency: [packets, 0, 0, packets, 0, 0, 0, 0, 0, 0, 0],
    forwardLatencyUs: 300 * packets,
    forwardLatencyUs2: 65_000 * packets, // halves of 50 and 250 µs
  });

  test("grow by what was reported, also when a worker starts anew", async () => {
    const { instruments, value } = setUp();
    const workers = new WorkerFigures(instruments);
    workers.note(0, load(100));
    workers.note(0, load(150));
    workers.note(0, undefined);
    assert.equal(await value("stoa_worker_utilization"), 0);
    workers.note(0, load(10));
    assert.equal(await value("livekit_packet_total", 'direction="incoming"'), 160);
    assert.equal(await value("livekit_packet_total", 'direction="outgoing"'), 320);
    assert.equal(await value("livekit_packet_bytes", 'direction="outgoing"'), 3200);
    assert.equal(await value("livekit_forward_latency_ns_count"), 320);
    assert.equal(await value("livekit_forward_latency_ns_bucket", 'le="50000"'), 160);
    assert.equal(await value("livekit_forward_latency_ns_bucket", 'le="500000"'), 320);
    assert.equal(await value("livekit_forward_latency"), 150_000);
    assert.equal(await value("livekit_forward_jitter"), 100_000);
    assert.equal(await value("livekit_node_packet_total", 'type="out"'), 320);
    assert.equal(await value("stoa_worker_dropped_total", 'worker="0"'), 6);
    assert.equal(await value("stoa_worker_utilization", 'worker="0"'), 0.25);
  });
});

describe("figures of the edge", () => {
  test("count API requests by method and code, and make no labels of what strangers write", async () => {
    const { instruments, value } = setUp();
    const app = new Hono();
    app.use(
      "/twirp/*",
      twirpWatcher(instruments, () => 0),
    );
    app.post("/twirp/livekit.RoomService/ListRooms", (c) => c.json({ rooms: [] }));
    app.post("/twirp/livekit.RoomService/DeleteRoom", (c) => c.json({ code: "not_found", msg: "x" }, 404));
    for (const path of ["RoomService/ListRooms", "RoomService/DeleteRoom", "Evil/Label", "../../x"]) {
      await app.request(`/twirp/livekit.${path}`, { method: "POST" });
    }
    const name = "livekit_node_twirp_request_status";
    assert.equal(await value(name, 'service="RoomService"', 'method="ListRooms"', 'status="200"', 'code=""'), 1);
    assert.equal(await value(name, 'method="DeleteRoom"', 'status="4xx"', 'code="not_found"'), 1);
    assert.equal(await value(name, 'service="Evil"'), 0);
    assert.equal(await value("livekit_node_twirp_request_latency_ms_count", 'service=""'), 2);
  });

  test("count refused joins and webhooks", async () => {
    const { instruments, value } = setUp();
    noteRefusal(instruments, 401);
    noteRefusal(instruments, 503);
    assert.equal(await value("livekit_participant_join_total", 'state="signal_validation_failed"'), 1);
    assert.equal(await value("livekit_participant_join_total", 'state="signal_failed"'), 1);
    const figures = webhookFigures(instruments, () => 7);
    figures.queued(3);
    figures.delivered();
    figures.failed();
    figures.dropped("full");
    assert.equal(await value("livekit_webhook_dispatch_total", 'status="success"'), 1);
    assert.equal(await value("livekit_webhook_dispatch_total", 'status="drop"', 'reason="full"'), 1);
    assert.equal(await value("livekit_webhook_queue_length_sum"), 3);
    assert.equal(await value("stoa_webhook_waiting"), 7);
  });
});

describe("the page that Prometheus reads", () => {
  test("needs its password, and is on any path", async () => {
    const { instruments } = setUp();
    const { config } = testConfig("prometheus: { port: 6789, username: u, password: p }");
    const server = createMetricsServer(instruments.registry, readMetricsSettings(config)!, recordingLog());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const get = (authorization?: string, path = "/metrics", method = "GET") => {
      return fetch(url + path, { method, headers: authorization === undefined ? {} : { authorization } });
    };
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
    for (const wrong of [undefined, "", "Bearer x", basic("u:q"), basic("u"), "Basic !!!"]) {
      assert.equal((await get(wrong)).status, 401);
    }
    const response = await get(basic("u:p"));
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type")!, /^text\/plain/);
    assert.match(await response.text(), /^livekit_room_total\{node_id="ND_test",node_type="SERVER"\} 0$/m);
    assert.equal((await get(basic("u:p"), "/")).status, 200);
    assert.equal((await get(basic("u:p"), "/", "POST")).status, 405);
    server.closeAllConnections();
    server.close();
  });

  test("is off without a port, and half a password is a mistake", () => {
    assert.equal(readMetricsSettings(testConfig("").config), undefined);
    assert.equal(readMetricsSettings(testConfig("prometheus_port: 6789").config)!.port, 6789);
    assert.throws(() => readMetricsSettings(testConfig("prometheus: { port: 1, username: u }").config), {
      code: "bad_config",
      message: '"prometheus.password" is missing: set both username and password, or none.',
    });
  });

  test("nothing of a participant that left is remembered", async () => {
    const { rooms, happen, value } = setUp();
    happen("joined", "PA_1");
    happen("left", "PA_1");
    happen("left", "PA_1");
    rooms.onMedia("lobby", { type: "peerState", peer: 99, state: "connected", detail: "" });
    assert.equal(await value("livekit_participant_total"), 0);
  });
});
