/**
 * Every figure of the server under its name: LiveKit's (livekit.md 10.4), so that its Grafana dashboard works, and under
 * `stoa_` what LiveKit has no word for. All of it is kept on the main thread. Labels that LiveKit has and this server
 * cannot tell (`country`, `warp`) are empty.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { FORWARD_LATENCY_BOUNDS_US } from "@stoa/core/engine/figures";
import {
  STREAM_BYTES_BOUNDS,
  STREAM_KINDS,
  STREAM_MIMES,
  STREAM_RECIPIENTS_BOUNDS,
} from "@stoa/core/data/stream-counts";
import { CountedHistogram } from "./counted-histogram.ts";
import { edgeInstruments, mediaInstruments, roomInstruments } from "./instrument-groups.ts";

/** The figures of one server. */
export type Instruments = ReturnType<typeof createInstruments>;

/** Makes the figures; `process`: those of Node itself too, with the lag of the event loop. */
export function createInstruments(nodeId: string, options: { readonly process: boolean }) {
  const registry = new Registry();
  registry.setDefaultLabels({ node_id: nodeId, node_type: "SERVER" });
  const registers = [registry];
  if (options.process) collectDefaultMetrics({ register: registry });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly L[] = [],
  ) => new Histogram({ name, help, labelNames, buckets: [...buckets], registers });
  const nanoseconds = FORWARD_LATENCY_BOUNDS_US.map((us) => us * 1000);
  const forwardLatencyNs = new CountedHistogram(
    "livekit_forward_latency_ns",
    "Time of packets from socket to socket",
    nanoseconds,
  );
  forwardLatencyNs.register(registry);
  const dataStreams = dataStreamHistograms(registry);
  // counted in place: a thousand at a time are the rule, and a counter of prom-client takes a microsecond
  const messageCounts = { request: 0, response: 0 };
  // counted by stream, to be taken off what the workers count by port
  const retransmitted = { packets: 0, bytes: 0 };
  const instruments = {
    registry,
    messageCounts,
    retransmitted,
    forwardLatencyNs,
    ...dataStreams,
    ...roomInstruments(counter, gauge, histogram),
    ...mediaInstruments(counter, gauge, histogram),
    ...edgeInstruments(counter, gauge, histogram),
  };
  new Counter({
    name: "livekit_node_messages",
    help: "Signal messages",
    labelNames: ["type", "status", "direction"],
    registers,
    collect() {
      for (const direction of ["request", "response"] as const) {
        this.inc({ type: "signal", status: "success", direction }, messageCounts[direction]);
        messageCounts[direction] = 0;
      }
    },
  });
  showZeros(instruments);
  return instruments;
}

/** What a dashboard adds up is there from the start. */
function showZeros({
  packets,
  packetBytes,
  nacks,
  plis,
  firs,
  tracksPublished,
  tracksSubscribed,
  ...rest
}: Zeroed): void {
  for (const direction of ["incoming", "outgoing"]) {
    for (const each of [packets, packetBytes]) each.inc({ direction, transmission: "initial", country: "" }, 0);
    rest.turnConnections.set({ kind: direction }, 0);
    for (const each of [nacks, plis, firs]) each.inc({ direction, country: "" }, 0);
  }
  for (const kind of ["AUDIO", "VIDEO"]) for (const each of [tracksPublished, tracksSubscribed]) each.set({ kind }, 0);
}

type Zeroed = ReturnType<typeof mediaInstruments> & ReturnType<typeof roomInstruments>;

/** By kind and by MIME type. */
function dataStreamHistograms(registry: Registry) {
  const labels = STREAM_KINDS.flatMap((type) => STREAM_MIMES.map((mime_type) => ({ type, mime_type })));
  const dataStreamRecipients = new CountedHistogram(
    "livekit_datapacket_stream_dest_count",
    "How many recipients the sender of a data stream named",
    STREAM_RECIPIENTS_BOUNDS,
    labels,
  );
  const dataStreamBytes = new CountedHistogram(
    "livekit_datapacket_stream_bytes",
    "How long data streams are, as far as their senders say",
    STREAM_BYTES_BOUNDS,
    labels,
  );
  for (const each of [dataStreamRecipients, dataStreamBytes]) each.register(registry);
  return { dataStreamRecipients, dataStreamBytes };
}
