/** The whole way out for one packet of a publisher and N subscribers: note, rewrite, protect, send; its RTCP included. */
import { Forwarder } from "@stoa/core/media/forwarder";
import type { CodecSpec, ReceiverSpec, SenderSpec } from "@stoa/core/engine/specs";
import { nowMs } from "@stoa/io/clock";
import type { Iteration } from "./measurement.ts";
import {
  AUDIO_LEVEL_ID,
  type Kind,
  PAYLOAD_TYPES,
  PUBLISHER_SSRC,
  PublisherPackets,
  TRANSPORT_CC_ID,
} from "./publisher-packet.ts";
import type { World } from "./world.ts";

const PUBLISHER = 1;
const TRACK = "TR_bench";
/** As a server does by default. */
const MANAGED = { congestion: { enabled: true, allowPause: false }, playoutDelay: undefined };

/** One iteration forwards one packet to `subscribers`. */
export function forwardIteration(world: World, kind: Kind, payloadBytes: number, subscribers: number): Iteration {
  const { network } = world;
  const { slab, pool } = network;
  const forwarder = new Forwarder({ slab, pool, sink: network, random: world.random });
  forwarder.addPeer(PUBLISHER, world.subscriber(0));
  forwarder.setReceivers(PUBLISHER, [receiver(kind)]);
  forwarder.peerConnected(PUBLISHER, nowMs());
  for (let i = 1; i <= subscribers; i++) {
    forwarder.addPeer(PUBLISHER + i, world.subscriber(i), MANAGED);
    forwarder.setSenders(PUBLISHER + i, [sender(kind, i)]);
    forwarder.peerConnected(PUBLISHER + i, nowMs());
  }
  const source = new PublisherPackets(kind, payloadBytes);
  const run = (): void => {
    const timeMs = nowMs();
    const at = pool.take();
    source.write(slab.u8, at);
    if (!forwarder.handleRtp(PUBLISHER, at, source.length, timeMs)) pool.give(at);
    forwarder.endBatch(timeMs);
    if (forwarder.nextTimeoutMs() <= timeMs) forwarder.handleTimeout(timeMs);
    network.flush();
  };
  run();
  run();
  for (let event = forwarder.pollEvent(); event; event = forwarder.pollEvent());
  const reached = forwarder.meter(PUBLISHER + subscribers)?.take(nowMs()).packetsOut ?? 0;
  if (reached < 2) throw new Error("the last subscriber is not forwarded to: nothing was measured");
  return { packets: subscribers, prepare: () => {}, run };
}

function codec(kind: Kind): CodecSpec {
  const video = kind === "video";
  return {
    payloadType: PAYLOAD_TYPES[kind],
    mime: video ? "video/vp8" : "audio/opus",
    clockRate: video ? 90_000 : 48_000,
    channels: video ? 1 : 2,
    fmtp: "",
    rtxPayloadType: video ? 97 : 0,
    nack: video,
  };
}

function receiver(kind: Kind): ReceiverSpec {
  return {
    mid: "1",
    kind,
    track: TRACK,
    codecs: [codec(kind)],
    extensions: { transportCc: TRANSPORT_CC_ID, ...(kind === "audio" ? { audioLevel: AUDIO_LEVEL_ID } : {}) },
    ssrcs: [{ ssrc: PUBLISHER_SSRC, rtxSsrc: 0 }],
    rids: [],
    codecIndex: 0,
  };
}

function sender(kind: Kind, index: number): SenderSpec {
  const video = kind === "video";
  return {
    mid: "1",
    kind,
    track: TRACK,
    ssrc: 0x10000 + index * 2,
    rtxSsrc: video ? 0x10001 + index * 2 : 0,
    codecs: [codec(kind)],
    extensions: video ? { transportCc: 3, absCaptureTime: 2, dependencyDescriptor: 1 } : { absCaptureTime: 2 },
    cname: "bench",
  };
}
