/**
 * What a message costs in the sender of a data channel, without SCTP: the channel only counts. In the server every message
 * pays this once for each subscriber, and before that what the relay takes to read and to write it.
 */
import { DataTracks } from "@stoa/core/data/data-tracks";
import { PeerLanes } from "@stoa/core/data/peer-lanes";
import { DataRelay } from "@stoa/core/data/relay";
import { ChannelSender } from "@stoa/core/data/sender/channel-sender";
import type { SenderOptions } from "@stoa/core/data/sender/sender-options";
import type { MemberSpec } from "@stoa/core/engine/specs";
import { writeDataTrackPacket } from "@stoa/wire/data-track/packet";
import { DataPacket, DataStream_Chunk, DataStream_Header, UserPacket } from "@livekit/protocol";
import { readArguments, readCount } from "./lib/arguments.ts";
import { formatTable, round } from "./lib/table.ts";
import { type Iteration, measureCost } from "./packet/measurement.ts";

const HELP = `npm run bench:data -- [options]

CPU microseconds (user and system) and heap bytes per message in the data sender: straight through, through the queue, of
one and of ten sources, evicting the oldest of a full queue, in frames, by a server's lanes, without and with a data track before
them, and in the relay, of a message for ten and of a chunk for one. Medians of mitata's samples.

  --messages N   per iteration (default 1000)`;

const given = readArguments(HELP, { messages: "string" });
const messages = readCount("messages", given.messages, 1000);
const PAYLOAD = new Uint8Array(1000);
const FRAME = Array.from({ length: 8 }, () => PAYLOAD);
const LARGE: Omit<SenderOptions, "overflow"> = { maxFrames: 1 << 20, maxBytes: 1 << 30 };

/** A channel whose buffer is as full as it is told. */
class CountingPort {
  buffered = 0;
  sent = 0;

  send(payload: Uint8Array): "queued" {
    this.sent += payload.length;
    return "queued";
  }

  bufferedAmount(): number {
    return this.buffered;
  }

  setLowWater(): void {}
}

let nowMs = 1_700_000_000_000.25;

function sender(options: SenderOptions): { sender: ChannelSender; port: CountingPort } {
  const made = { sender: new ChannelSender(options), port: new CountingPort() };
  made.sender.attach(made.port, nowMs);
  return made;
}

function straight(): Iteration {
  const { sender: to } = sender({ overflow: "reject" });
  return iteration(() => {
    for (let i = 0; i < messages; i++) to.offer(PAYLOAD, nowMs);
  });
}

function queued(): Iteration {
  const { sender: to, port } = sender({ overflow: "reject", ...LARGE });
  return iteration(() => {
    port.buffered = 1 << 30;
    for (let i = 0; i < messages; i++) to.offer(PAYLOAD, nowMs);
    port.buffered = 0;
    to.handleDrained(nowMs);
  });
}

/** Of several senders, whose messages take turns. */
function turns(): Iteration {
  const { sender: to, port } = sender({ overflow: "dropNewest", ...LARGE });
  const sources = Array.from({ length: 10 }, () => ({ parts: undefined }));
  return iteration(() => {
    port.buffered = 1 << 30;
    for (let i = 0; i < messages; i++) to.offer(PAYLOAD, nowMs, undefined, sources[i % sources.length]);
    port.buffered = 0;
    to.handleDrained(nowMs);
  });
}

function evicting(): Iteration {
  const { sender: to, port } = sender({ overflow: "dropOldest", maxFrames: 100 });
  port.buffered = 1 << 30;
  return iteration(() => {
    for (let i = 0; i < messages; i++) to.offer(PAYLOAD, nowMs);
  });
}

function frames(): Iteration {
  const { sender: to } = sender({ overflow: "dropOldest" });
  return iteration(() => {
    for (let i = 0; i < messages; i += FRAME.length) to.offer(FRAME, nowMs);
  });
}

const SUBSCRIBERS = 100;

function lanesFor(label: string): PeerLanes[] {
  const port = new CountingPort();
  return Array.from({ length: SUBSCRIBERS }, () => {
    const peer = new PeerLanes(
      {
        sendData: (_channel, data) => port.send(data),
        bufferedAmount: () => 0,
        setLowWater: () => {},
      },
      { slowThresholdBps: 100_000, lossyTargetMs: 100, dataTrackTargetMs: 100, maxBufferedBytes: 0 },
    );
    peer.open(label, 1, nowMs);
    return peer;
  });
}

function lanes(): Iteration {
  const peers = lanesFor("_reliable");
  return iteration(() => {
    for (let i = 0; i < messages; i++) peers[i % peers.length]!.send("_reliable", PAYLOAD, nowMs);
  });
}

/** One packet in for a hundred out, each with a handle of its own. */
function dataTrack(): Iteration {
  const peers = lanesFor("_data_track");
  const tracks = new DataTracks((peer, label, bytes) => peers[peer]!.send(label, bytes, nowMs));
  tracks.setMember("publisher", memberOf("", -1));
  tracks.setTrack("publisher", "DTR", 1);
  // The first subscriber gets the packet itself, which is sent again: its handle is the publisher's.
  peers.forEach((_, i) => {
    tracks.setMember(`${i}`, memberOf("", i));
    tracks.setSubscription(`${i}`, "DTR", i + 1);
  });
  const flags = { startsFrame: true, endsFrame: true, handle: 1, sequence: 0, frameNumber: 0, timestamp: 0 };
  const packet = writeDataTrackPacket({ ...flags, extensions: [], payload: PAYLOAD.subarray(12) })!;
  return iteration(() => {
    for (let i = 0; i < messages; i += peers.length) tracks.handlePacket("publisher", packet);
  });
}

const RECEIVERS = 10;

function memberOf(identity: string, dataPeer: number): MemberSpec {
  const rights = { canPublish: true, canPublishData: true, canSubscribe: true, hidden: false, agent: false };
  return { identity, ...rights, active: true, away: false, dataPeer };
}

function relay(): { relay: DataRelay; take: (packet: DataPacket) => Iteration } {
  const port = new CountingPort();
  const made = new DataRelay(
    (_peer, _label, bytes) => port.send(bytes),
    () => undefined,
  );
  for (let i = 0; i <= RECEIVERS; i++) made.setMember("RM", `PA_${i}`, memberOf(`participant-${i}`, i));
  const take = (packet: DataPacket) => {
    const bytes = packet.toBinary();
    return iteration(() => {
      for (let i = 0; i < messages; i++) made.handleMessage("RM", "PA_0", "_reliable", bytes);
    });
  };
  return { relay: made, take };
}

function relayed(): Iteration {
  return relay().take(new DataPacket({ value: { case: "user", value: new UserPacket({ payload: PAYLOAD }) } }));
}

/** Its header alone names for whom it is. */
function relayedChunk(): Iteration {
  const { relay: to, take } = relay();
  const header = new DataPacket({
    destinationIdentities: ["participant-1"],
    value: { case: "streamHeader", value: new DataStream_Header({ streamId: "s" }) },
  });
  to.handleMessage("RM", "PA_0", "_reliable", header.toBinary());
  const chunk = new DataStream_Chunk({ streamId: "s", content: PAYLOAD });
  return take(new DataPacket({ value: { case: "streamChunk", value: chunk } }));
}

function iteration(run: () => void): Iteration {
  return { packets: messages, prepare: () => (nowMs += 1), run };
}

const WORKS: readonly (readonly [string, () => Iteration])[] = [
  ["straight through", straight],
  ["through the queue", queued],
  ["through the queue, of 10 sources", turns],
  ["evicting the oldest", evicting],
  ["in frames of 8", frames],
  ["lanes of 100 subscribers", lanes],
  ["data track, 100 subscribers", dataTrack],
  ["relay, 10 receivers", relayed],
  ["relay, chunk for one of 10", relayedChunk],
];
const rows = [];
for (const [title, make] of WORKS) {
  const { us, heapBytes } = await measureCost(make());
  rows.push([title, PAYLOAD.length, round(us, 3), round(heapBytes, 1)]);
}
console.log(formatTable(["work", "payload", "µs/message", "heap B/message"], rows));
