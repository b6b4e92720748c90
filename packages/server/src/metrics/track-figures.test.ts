/** What is counted of publications, subscriptions, streams and sessions. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AddTrackRequest,
  ClientInfo,
  ClientInfo_SDK,
  DataStream_Header,
  DisconnectReason,
  ParticipantInfo_Kind,
  RequestResponse,
  RequestResponse_Reason,
  SignalResponse,
  SubscriptionError,
  SubscriptionPermissionUpdate,
  TrackInfo,
  TrackPublishedResponse,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import { channelIndex, MessageCounts, REFUSED, RELAYED, STALE } from "@stoa/core/data/message-counts";
import { DataStreamCounts } from "@stoa/core/data/stream-counts";
import type { PeerStats, WorkerLoad } from "@stoa/core/engine/figures";
import { openPeer, setSenders, setUp, stream } from "./harness.test.ts";
import { WorkerFigures } from "./worker-figures.ts";

const CAMERA = new TrackInfo({ sid: "TR_1", type: TrackType.VIDEO, source: TrackSource.CAMERA });
const CLIENT = new ClientInfo({ protocol: 17, sdk: ClientInfo_SDK.JS });

const IDLE: WorkerLoad = {
  utilization: 0,
  lagMs: 0,
  packetsIn: 0,
  packetsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  droppedIn: 0,
  droppedOut: 0,
  forwardLatency: [],
  forwardLatencyUs: 0,
  forwardLatencyUs2: 0,
};

type Rooms = ReturnType<typeof setUp>["rooms"];

function say(rooms: Rooms, to: string, message: SignalResponse["message"], room = "lobby"): void {
  rooms.onSend(room, { type: "send", to, connection: 1, message: new SignalResponse({ message }) });
}

function announce(rooms: Rooms, to: string, track: TrackInfo): void {
  say(rooms, to, { case: "trackPublished", value: new TrackPublishedResponse({ cid: "c", track }) });
}

const statsOf = (peer: number, more: Partial<PeerStats>): PeerStats => ({
  peer,
  packetsIn: 0,
  packetsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  rttMs: 0,
  estimateBps: 0,
  receivers: [],
  senders: [],
  ...more,
});

describe("publications and subscriptions", () => {
  test("are tried, and come true after a time that is told by client and source", async () => {
    const { rooms, value, happen, pass } = setUp();
    for (const sid of ["PA_1", "PA_2"]) {
      happen("joined", sid, undefined, { kind: ParticipantInfo_Kind.AGENT, client: CLIENT });
    }
    rooms.onCommand("lobby", openPeer(2, "PA_2"));
    announce(rooms, "PA_1", CAMERA);
    announce(rooms, "PA_1", CAMERA);
    pass(150);
    happen("trackPublished", "PA_1", CAMERA);
    rooms.onSubscription("lobby", { type: "subscription", subscriber: "PA_2", track: "TR_1", error: undefined });
    pass(40);
    rooms.onCommand("lobby", setSenders(2, "TR_1"));
    pass(30);
    for (let i = 0; i < 2; i++) rooms.onMedia("lobby", { type: "downlinkStarted", peer: 2, track: "TR_1" });
    assert.equal(await value("livekit_track_publish_counter", 'kind="VIDEO"', 'state="attempt"'), 1);
    assert.equal(await value("livekit_track_publish_counter", 'kind="VIDEO"', 'state="success"'), 1);
    for (const state of ["attempt", "success"]) {
      assert.equal(await value("livekit_track_subscribe_counter", `state="${state}"`), 1, state);
    }
    const labels = ['sdk="JS"', 'kind="AGENT"', 'source="CAMERA"', 'type="VIDEO"', 'count="1"'];
    for (const [direction, ms] of [
      ["publish", 150],
      ["subscribe", 40],
      ["subscribe-stream-start", 30],
    ] as const) {
      assert.equal(await value("livekit_pubsubtime_ms_sum", `direction="${direction}"`, ...labels), ms);
      assert.equal(await value("livekit_pubsubtime_ms_count", `direction="${direction}"`), 1);
    }
  });

  test("that come to nothing are told apart: refused, or given up", async () => {
    const { rooms, value, happen } = setUp();
    happen("joined", "PA_1");
    announce(rooms, "PA_1", CAMERA);
    const addTrack = new AddTrackRequest({ type: TrackType.AUDIO });
    const reason = RequestResponse_Reason.NOT_ALLOWED;
    const request = { case: "addTrack" as const, value: addTrack };
    say(rooms, "PA_1", { case: "requestResponse", value: new RequestResponse({ reason, request }) });
    const wish = (track: string, error?: SubscriptionError) =>
      rooms.onSubscription("lobby", { type: "subscription", subscriber: "PA_1", track, error });
    wish("TR_2");
    wish("TR_2", SubscriptionError.SE_CODEC_UNSUPPORTED);
    wish("TR_3", SubscriptionError.SE_TRACK_NOTFOUND);
    const denied = new SubscriptionPermissionUpdate({ trackSid: "TR_4", allowed: false });
    say(rooms, "PA_1", { case: "subscriptionPermissionUpdate", value: denied });
    wish("TR_5");
    happen("left", "PA_1");
    const publications = (kind: string, state: string) =>
      value("livekit_track_publish_counter", `kind="${kind}"`, `state="${state}"`);
    assert.equal(await publications("AUDIO", "failure"), 1);
    assert.equal(await publications("VIDEO", "cancel"), 1);
    for (const error of ["codec unsupported", "track not found", "permission denied"]) {
      assert.equal(await value("livekit_track_subscribe_counter", 'state="failure"', `error="${error}"`), 1, error);
    }
    assert.equal(await value("livekit_track_subscribe_counter", 'state="cancel"'), 1);
    happen("left", "PA_1");
    assert.equal(await value("livekit_track_subscribe_counter", 'state="cancel"'), 1);
  });

  test("a track that two rooms show is counted in each, and one room's end of it is not the other's", async () => {
    const { rooms, value, happen } = setUp();
    happen("trackPublished", "PA_1", CAMERA);
    const elsewhere = new TrackInfo({ sid: "TR_1", type: TrackType.VIDEO });
    happen("trackPublished", "PA_9", elsewhere, { room: "attic" });
    assert.equal(await value("livekit_track_published_total", 'kind="VIDEO"'), 2);
    happen("trackUnpublished", "PA_9", elsewhere, { room: "attic" });
    assert.equal(await value("livekit_track_published_total", 'kind="VIDEO"'), 1);
    rooms.onMedia("lobby", { type: "stats", peer: 1, stats: statsOf(1, { receivers: [stream({ lost: 2 })] }) });
    assert.equal(await value("livekit_packet_loss_total", 'source="CAMERA"'), 2);
    happen("trackUnpublished", "PA_1", CAMERA);
    assert.equal(await value("livekit_track_published_total"), 0);
  });
});

describe("streams", () => {
  test("count packets out of order, and tell FIR from PLI", async () => {
    const { rooms, value, happen } = setUp();
    happen("trackPublished", "PA_1", CAMERA);
    const stats = statsOf(1, {
      receivers: [stream({ outOfOrder: 25, keyFrameRequests: 2 })],
      senders: [stream({ keyFrameRequests: 5, firs: 3 })],
    });
    rooms.onMedia("lobby", { type: "stats", peer: 1, stats });
    const incoming = ['direction="incoming"', 'type="VIDEO"'];
    assert.equal(await value("livekit_packet_out_of_order_total", ...incoming), 25);
    assert.equal(await value("livekit_packet_out_of_order_percent_sum", ...incoming), 25);
    assert.equal(await value("livekit_fir_total", 'direction="outgoing"'), 3);
    assert.equal(await value("livekit_pli_total", 'direction="outgoing"'), 2);
    assert.equal(await value("livekit_pli_total", 'direction="incoming"'), 2);
  });

  test("sent again are counted apart, not twice", async () => {
    const { instruments, rooms, value } = setUp();
    const stats = statsOf(1, { senders: [stream({ resent: 30, resentBytes: 3000 })] });
    rooms.onMedia("lobby", { type: "stats", peer: 1, stats });
    const workers = new WorkerFigures(instruments);
    workers.note(0, { ...IDLE, packetsOut: 20, bytesOut: 2000 });
    workers.note(0, { ...IDLE, packetsOut: 120, bytesOut: 12_000 });
    const of = (name: string, transmission: string) =>
      value(name, 'direction="outgoing"', `transmission="${transmission}"`);
    assert.deepEqual(
      [await of("livekit_packet_total", "initial"), await of("livekit_packet_total", "retransmit")],
      [90, 30],
    );
    assert.deepEqual(
      [await of("livekit_packet_bytes", "initial"), await of("livekit_packet_bytes", "retransmit")],
      [9000, 3000],
    );
  });

  test("of a peer that is sent nothing have the round trip of the participant's other one", async () => {
    const { rooms, value, happen } = setUp();
    happen("joined", "PA_1");
    for (const peer of [1, 2]) rooms.onCommand("lobby", openPeer(peer, "PA_1"));
    rooms.onMedia("lobby", { type: "stats", peer: 1, stats: statsOf(1, { receivers: [stream({})] }) });
    assert.equal(await value("livekit_rtt_ms_count"), 0);
    rooms.onMedia("lobby", { type: "stats", peer: 2, stats: statsOf(2, { rttMs: 60 }) });
    rooms.onMedia("lobby", { type: "stats", peer: 1, stats: statsOf(1, { receivers: [stream({})] }) });
    assert.equal(await value("livekit_rtt_ms_sum", 'direction="incoming"'), 60);
  });
});

describe("sessions", () => {
  test("have the client's protocol; whoever never got media failed, or gave up", async () => {
    const { value, happen, pass } = setUp();
    for (const sid of ["PA_1", "PA_2", "PA_3"]) happen("joined", sid, undefined, { client: CLIENT });
    pass(200);
    happen("active", "PA_1");
    happen("left", "PA_1");
    happen("left", "PA_2", undefined, { disconnectReason: DisconnectReason.CLIENT_INITIATED });
    happen("left", "PA_3", undefined, { disconnectReason: DisconnectReason.JOIN_FAILURE });
    assert.equal(await value("livekit_session_start_time_ms_sum", 'protocol_version="17"', 'warp="false"'), 200);
    assert.equal(await value("livekit_session_duration_ms_count", 'protocol_version="17"'), 1);
    for (const state of ["rtc_active", "rtc_success", "rtc_canceled", "rtc_failure"]) {
      assert.equal(await value("livekit_participant_join_total", `state="${state}"`, 'warp="false"'), 1, state);
    }
  });
});

test("data streams are counted by kind and MIME type, whatever clients write", async () => {
  const { instruments, value } = setUp();
  const counts = new DataStreamCounts();
  assert.equal(counts.take(), undefined);
  const text = { case: "textHeader" as const, value: {} };
  const bytes = { case: "byteHeader" as const, value: {} };
  counts.note(new DataStream_Header({ mimeType: "Text/plain", totalLength: 300n, contentHeader: text }), 0);
  counts.note(new DataStream_Header({ mimeType: "image", contentHeader: bytes }), 4);
  counts.note(new DataStream_Header({ mimeType: "x".repeat(1000), totalLength: 2n ** 63n }), 5000);
  new WorkerFigures(instruments).note(0, IDLE, { streams: counts.take()! });
  const recipients = "livekit_datapacket_stream_dest_count";
  assert.equal(await value(`${recipients}_count`), 3);
  assert.equal(await value(`${recipients}_sum`, 'type="bytes"', 'mime_type="image"'), 4);
  assert.equal(await value(`${recipients}_bucket`, 'type="unknown"', 'le="50"'), 0);
  assert.equal(await value("livekit_datapacket_stream_bytes_sum", 'type="text"', 'mime_type="text"'), 300);
  assert.equal(await value("livekit_datapacket_stream_bytes_bucket", 'type="text"', 'le="512"'), 1);
  assert.equal(await value("livekit_datapacket_stream_bytes_count", 'type="bytes"'), 0, "no length was told");
  assert.equal(counts.take(), undefined);
});

test("messages on data channels are counted by channel and by what became of them", async () => {
  const { instruments, value } = setUp();
  const workers = new WorkerFigures(instruments);
  const counts = new MessageCounts();
  assert.equal(counts.take(), undefined);
  const index = channelIndex("_data_track");
  for (let i = 0; i < 3; i++) counts.note(index, STALE);
  counts.note(channelIndex("custom"), RELAYED);
  counts.note(channelIndex("_lossy"), REFUSED);
  for (const messages of [counts.take(), counts.take()]) workers.note(0, IDLE, messages && { messages });
  assert.equal(await value("stoa_data_out_total", 'channel="data_track"', 'outcome="stale"'), 3);
  assert.equal(await value("stoa_data_out_total"), 3);
  assert.equal(await value("stoa_data_in_total", 'channel="reliable"', 'outcome="relayed"'), 1);
  assert.equal(await value("stoa_data_in_total", 'channel="lossy"', 'outcome="refused"'), 1);
});
