/** What Prometheus reads of a server with a call: the series that dashboards for LiveKit ask for, under the same labels there and here. */
import { after, afterEach, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { RoomServiceClient } from "livekit-server-sdk";
import { freeTcpPort } from "@stoa/testkit/free-ports";
import { openStage, type Stage } from "@stoa/testkit/stage";
import { until } from "@stoa/testkit/until";

interface Series {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

let stage: Stage;
let port: number;

before(async () => {
  port = await freeTcpPort();
  stage = await openStage({ config: { prometheus: { port } } });
});
afterEach(() => stage.clear());
after(() => stage?.close());

async function read(): Promise<Series[]> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, value]) => ({
    name: name!,
    labels: new Map([...(labels ?? "").matchAll(/(\w+)="([^"]*)"/g)].map(([, label, text_]) => [label!, text_!])),
    value: Number(value),
  }));
}

/** The sum over the series that have these labels; undefined when there is none. */
function sum(series: readonly Series[], name: string, labels: Readonly<Record<string, string>>): number | undefined {
  const wanted = Object.entries(labels);
  const found = series.filter(
    (one) => one.name === name && wanted.every(([key, text]) => one.labels.get(key) === text),
  );
  return found.length === 0 ? undefined : found.reduce((total, { value }) => total + value, 0);
}

const CAMERA = { source: "CAMERA", type: "VIDEO", country: "" };
const BY_JS = { sdk: "JS", kind: "STANDARD", count: "1" };

/** What is more than 0 while the two talk. */
const IN_CALL: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ["livekit_room_total", { node_type: "SERVER" }],
  ["livekit_participant_total", {}],
  ["livekit_track_published_total", { kind: "VIDEO" }],
  ["livekit_track_subscribed_total", { kind: "AUDIO" }],
  ...["signal_connected", "rtc_init", "rtc_connected"].map(
    (state) => ["livekit_participant_join_total", { state, warp: "" }] as const,
  ),
  ...["rtc_active", "rtc_success"].map(
    (state) => ["livekit_participant_join_total", { state, warp: "false" }] as const,
  ),
  ...["attempt", "success"].flatMap((state) => [
    ["livekit_track_publish_counter", { kind: "VIDEO", state }] as const,
    ["livekit_track_subscribe_counter", { state, error: "" }] as const,
  ]),
  ...["publish", "subscribe", "subscribe-stream-start"].map(
    (direction) => ["livekit_pubsubtime_ms_count", { direction, ...CAMERA, ...BY_JS }] as const,
  ),
  ["livekit_session_join_latency_ms_count", { protocol_version: "17" }],
  ["livekit_session_start_time_ms_count", { protocol_version: "17", warp: "false" }],
  ...["started", "ice_connected", "connected", "fully_established"].map(
    (state) => ["livekit_peer_connection_state", { transport: "PUBLISHER", state }] as const,
  ),
  ["livekit_node_messages", { type: "signal", status: "success", direction: "request" }],
  ["livekit_node_service_operation", { type: "participant_join", status: "success", error_type: "" }],
  ["livekit_node_service_operation", { type: "answer", status: "success", error_type: "" }],
  ["livekit_node_twirp_request_status", { service: "RoomService", method: "ListRooms", status: "200", code: "" }],
  ["livekit_node_twirp_request_latency_ms_count", { service: "RoomService", method: "ListRooms", status: "200" }],
  ...["incoming", "outgoing"].flatMap((direction) => [
    ["livekit_packet_total", { direction, transmission: "initial", country: "" }] as const,
    ["livekit_packet_bytes", { direction, transmission: "initial", country: "" }] as const,
    ["livekit_packet_loss_percent_count", { direction, ...CAMERA }] as const,
    ["livekit_packet_out_of_order_percent_count", { direction, ...CAMERA }] as const,
    ["livekit_rtt_ms_count", { direction, ...CAMERA }] as const,
    ["livekit_jitter_us_count", { direction, ...CAMERA }] as const,
  ]),
  ["livekit_quality_rating_count", {}],
  ["livekit_quality_score_sum", {}],
  ["livekit_datapacket_stream_dest_count_count", { type: "text", mime_type: "text" }],
  ["livekit_datapacket_stream_bytes_sum", { type: "text", mime_type: "text" }],
];

test("a call shows in every series that it should, under LiveKit's labels", async () => {
  const { http, key, secret } = stage.server;
  const ada = await stage.enter("counted", "ada");
  const bob = await stage.enter("counted", "bob");
  await ada.publishCamera({ width: 320, height: 180 });
  await Promise.all([ada.publishTone(440), bob.publishTone(550)]);
  await bob.sees("ada");
  await ada.page.evaluate(async () => {
    const { harness } = globalThis as unknown as {
      harness: { room: { localParticipant: { sendText(text: string): Promise<unknown> } } };
    };
    await harness.room.localParticipant.sendText("as a stream");
  }, undefined);
  await new RoomServiceClient(http, key, secret).listRooms();
  let missing: unknown[] = [];
  const complete = async () => {
    const series = await read();
    missing = IN_CALL.filter(([name, labels]) => !(Number(sum(series, name, labels)) > 0));
    return missing.length === 0;
  };
  await until(complete, 60_000, () => `these: ${JSON.stringify(missing)}`);
  await bob.call("leave");
  await ada.call("leave");
  const gauges = ["livekit_participant_total", "livekit_track_published_total", "livekit_track_subscribed_total"];
  let left: unknown;
  const ended = async () => {
    const series = await read();
    const sessions = sum(series, "livekit_session_duration_ms_count", { protocol_version: "17" });
    left = [sessions, ...gauges.map((name) => sum(series, name, {}))];
    return isDeepStrictEqual(left, [2, 0, 0, 0]);
  };
  await until(ended, 20_000, () => `both sessions to be counted and nothing to be left: ${String(left)}`);
});
