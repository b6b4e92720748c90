/**
 * What the tests of this folder share: a forwarder between fake connections, packets to feed and packets that came out.
 * A fake connection does not encrypt, so that what was sent can be read.
 */
import type { Random } from "../crypto.ts";
import type { CodecSpec, ReceiverSpec, SenderSpec } from "../engine/specs.ts";
import type { PacketSink } from "../paths.ts";
import { PacketPool, SLOT_BYTES, Slab } from "../slab.ts";
import { Forwarder } from "./forwarder.ts";
import { UNMANAGED, type PeerOptions } from "./peer-options.ts";
import type { ForwarderEvent } from "./forwarder-event.ts";
import type { ForwarderDeps } from "./forwarder.ts";
import type { MediaTransport } from "./transport.ts";

/** Numbers that look random and are the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
}

export interface Rtp {
  payloadType: number;
  sequence: number;
  /** Unsigned. */
  timestamp: number;
  /** Unsigned. */
  ssrc: number;
  marker: boolean;
  payload: number[];
  extensions: Map<number, number[]>;
}

export interface RtpInput extends Partial<Omit<Rtp, "extensions">> {
  extensions?: Record<number, readonly number[]>;
  padding?: number;
}

const int16 = (value: number) => [(value >> 8) & 255, value & 255];
const int32 = (value: number) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

/** The bytes of a packet. */
export function rtp(input: RtpInput): Uint8Array {
  const block: number[] = [];
  const elements = Object.entries(input.extensions ?? {});
  const wide = elements.some(([, bytes]) => bytes.length > 16);
  for (const [id, bytes] of elements) {
    if (wide) block.push(Number(id), bytes.length, ...bytes);
    else block.push((Number(id) << 4) | (bytes.length - 1), ...bytes);
  }
  while (block.length & 3) block.push(0);
  const profile = wide ? [0x10, 0] : [0xbe, 0xde];
  const extension = block.length > 0 ? [...profile, ...int16(block.length / 4), ...block] : [];
  const padding = input.padding ? [...Array<number>(input.padding - 1).fill(0), input.padding] : [];
  return new Uint8Array([
    0x80 | (padding.length > 0 ? 0x20 : 0) | (block.length > 0 ? 0x10 : 0),
    (input.marker ? 0x80 : 0) | (input.payloadType ?? 96),
    ...int16(input.sequence ?? 0),
    ...int32(input.timestamp ?? 0),
    ...int32(input.ssrc ?? 1),
    ...extension,
    ...(input.payload ?? []),
    ...padding,
  ]);
}

/** Reads a packet by its own means, not by those of the code under test. */
export function readRtp(bytes: Uint8Array): Rtp {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const extensions = new Map<number, number[]>();
  let at = 12;
  if (bytes[0]! & 0x10) {
    const wide = view.getUint16(12) !== 0xbede;
    const end = 16 + view.getUint16(14) * 4;
    for (let p = 16; p < end;) {
      if (bytes[p] === 0) {
        p++;
        continue;
      }
      const id = wide ? bytes[p]! : bytes[p]! >> 4;
      const length = wide ? bytes[p + 1]! : (bytes[p]! & 15) + 1;
      p += wide ? 2 : 1;
      extensions.set(id, [...bytes.subarray(p, p + length)]);
      p += length;
    }
    at = end;
  }
  return {
    payloadType: bytes[1]! & 127,
    marker: bytes[1]! > 127,
    sequence: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    payload: [...bytes.subarray(at)],
    extensions,
  };
}

export interface Vp8Input {
  key?: boolean;
  /** First packet of the frame. */
  first?: boolean;
  pictureId?: number;
  narrow?: boolean;
  tl0?: number;
  keyIdx?: number;
  temporal?: number;
  sync?: boolean;
  body?: readonly number[];
}

/** A VP8 payload with picture id, TL0PICIDX and KEYIDX. */
export function vp8(input: Vp8Input): number[] {
  const id = input.pictureId ?? 0;
  const idBytes = input.narrow ? [id & 127] : [0x80 | ((id >> 8) & 127), id & 255];
  const first = input.first !== false;
  return [
    0x80 | (first ? 0x10 : 0),
    0xf0,
    ...idBytes,
    (input.tl0 ?? 0) & 255,
    ((input.temporal ?? 0) << 6) | (input.sync ? 0x20 : 0) | ((input.keyIdx ?? 0) & 31),
    ...(first ? [input.key ? 0 : 1] : []),
    ...(input.body ?? []),
  ];
}

/** The numbers of a payload made by `vp8`. */
export function readVp8(payload: readonly number[]) {
  const wide = payload[2]! > 127;
  const at = wide ? 4 : 3;
  return {
    pictureId: wide ? ((payload[2]! & 127) << 8) | payload[3]! : payload[2]!,
    tl0: payload[at]!,
    temporal: payload[at + 1]! >> 6,
    keyIdx: payload[at + 1]! & 31,
    rest: payload.slice(at + 2),
  };
}

export const OPUS: CodecSpec = {
  payloadType: 111,
  mime: "audio/opus",
  clockRate: 48_000,
  channels: 2,
  fmtp: "minptime=10;useinbandfec=1",
  rtxPayloadType: 0,
  nack: true,
};
export const RED: CodecSpec = { ...OPUS, payloadType: 63, mime: "audio/red", fmtp: "111/111", nack: false };
export const VP8: CodecSpec = {
  payloadType: 96,
  mime: "video/vp8",
  clockRate: 90_000,
  channels: 0,
  fmtp: "",
  rtxPayloadType: 97,
  nack: true,
};
export const VP9: CodecSpec = { ...VP8, payloadType: 98, mime: "video/vp9", fmtp: "profile-id=0", rtxPayloadType: 99 };
export const AV1: CodecSpec = { ...VP8, payloadType: 35, mime: "video/av1", rtxPayloadType: 36 };
export const H264: CodecSpec = {
  ...VP8,
  payloadType: 108,
  mime: "video/h264",
  fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
  rtxPayloadType: 109,
};

/** A published video track; one layer by SSRC unless said otherwise. */
export function videoReceiver(changes: Partial<ReceiverSpec> = {}): ReceiverSpec {
  return {
    mid: "1",
    kind: "video",
    track: "TR_v",
    codecs: [VP8],
    extensions: { mid: 1, rid: 2, repairedRid: 3, transportCc: 4 },
    ssrcs: [{ ssrc: 1000, rtxSsrc: 1001 }],
    rids: [],
    codecIndex: 0,
    ...changes,
  };
}

export function audioReceiver(changes: Partial<ReceiverSpec> = {}): ReceiverSpec {
  return {
    mid: "0",
    kind: "audio",
    track: "TR_a",
    codecs: [OPUS],
    extensions: { mid: 1, audioLevel: 5 },
    ssrcs: [{ ssrc: 500, rtxSsrc: 0 }],
    rids: [],
    codecIndex: 0,
    ...changes,
  };
}

export function videoSender(changes: Partial<SenderSpec> = {}): SenderSpec {
  return {
    mid: "0",
    kind: "video",
    track: "TR_v",
    ssrc: 0x90000001,
    rtxSsrc: 0x90000002,
    codecs: [{ ...VP8, payloadType: 100, rtxPayloadType: 101 }],
    extensions: {},
    cname: "PA_pub|TR_v",
    ...changes,
  };
}

export function audioSender(changes: Partial<SenderSpec> = {}): SenderSpec {
  return {
    mid: "1",
    kind: "audio",
    track: "TR_a",
    ssrc: 0x90000003,
    rtxSsrc: 0,
    codecs: [{ ...OPUS, payloadType: 110 }],
    extensions: {},
    cname: "PA_pub|TR_a",
    ...changes,
  };
}

export interface Sent {
  readonly peer: number;
  readonly bytes: Uint8Array;
}

/** A forwarder and its surroundings. The path of peer n is n. */
export class World {
  readonly slab = new Slab(new ArrayBuffer(24 << 20));
  readonly pool = new PacketPool(this.slab, 8192);
  readonly forwarder: Forwarder;
  nowMs = 1_700_000_000_000.25;
  /** Everything sent since it was last emptied. */
  sent: Sent[] = [];
  readonly events: ForwarderEvent[] = [];
  readonly #slot = this.slab.alloc(SLOT_BYTES);
  readonly transports = new Map<number, { path: number; connected: boolean }>();

  constructor(seed = 1, deps: Partial<ForwarderDeps> = {}) {
    const random01 = seeded(seed);
    const random: Random = {
      bytes: (length) => new Uint8Array(length),
      uint32: () => Math.floor(random01() * 4_294_967_296),
    };
    const sink: PacketSink = {
      reserve: () => this.#slot,
      commit: (path, length) => {
        this.sent.push({ peer: path, bytes: this.slab.u8.slice(this.#slot, this.#slot + length) });
      },
      send: () => undefined,
      flush: () => undefined,
    };
    this.forwarder = new Forwarder({ slab: this.slab, pool: this.pool, sink, random, ...deps });
  }

  addPeer(
    id: number,
    receivers: readonly ReceiverSpec[],
    senders: readonly SenderSpec[],
    options: PeerOptions = UNMANAGED,
  ): void {
    const { u8 } = this.slab;
    const state = { path: id, connected: true };
    const transport: MediaTransport = {
      get path() {
        return state.path;
      },
      get connected() {
        return state.connected;
      },
      protectRtp(at, headerLength, from, payloadLength) {
        u8.copyWithin(at + headerLength, from, from + payloadLength);
        return headerLength + payloadLength;
      },
      protectRtcp: (_at, length) => length,
    };
    this.transports.set(id, state);
    this.forwarder.addPeer(id, transport, options);
    this.forwarder.setReceivers(id, receivers);
    this.forwarder.setSenders(id, senders);
    this.forwarder.peerConnected(id, this.nowMs);
  }

  /** One packet arrives from a peer; `end` closes the batch. */
  feed(peer: number, bytes: Uint8Array, end = true): void {
    const slot = this.pool.take();
    this.slab.u8.set(bytes, slot);
    const isRtcp = bytes[1]! >= 192 && bytes[1]! <= 223;
    let kept = false;
    if (isRtcp) this.forwarder.handleRtcp(peer, slot, bytes.length, this.nowMs);
    else kept = this.forwarder.handleRtp(peer, slot, bytes.length, this.nowMs);
    if (!kept) this.pool.give(slot);
    if (end) this.endBatch();
  }

  endBatch(): void {
    this.forwarder.endBatch(this.nowMs);
    this.#drain();
  }

  /** Lets time pass; the forwarder is woken whenever it wants to. */
  advance(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const due = this.forwarder.nextTimeoutMs();
      if (due > until) break;
      this.nowMs = Math.max(this.nowMs, due);
      this.forwarder.handleTimeout(this.nowMs);
      this.#drain();
    }
    this.nowMs = until;
  }

  /** Takes what was sent to a peer as RTP. */
  takeRtp(peer: number): Rtp[] {
    return this.#take(peer, false).map(readRtp);
  }

  /** Takes the RTCP packets sent to a peer, compounds taken apart. */
  takeRtcp(peer: number): Uint8Array[] {
    return this.#take(peer, true).flatMap(splitRtcp);
  }

  #take(peer: number, rtcp: boolean): Uint8Array[] {
    const wanted = (sent: Sent) => sent.peer === peer && (sent.bytes[1]! >= 192 && sent.bytes[1]! <= 223) === rtcp;
    const taken = this.sent.filter(wanted).map((sent) => sent.bytes);
    this.sent = this.sent.filter((sent) => !wanted(sent));
    return taken;
  }

  #drain(): void {
    for (let event = this.forwarder.pollEvent(); event; event = this.forwarder.pollEvent()) this.events.push(event);
  }
}

/** The packets of a compound RTCP packet. */
export function splitRtcp(bytes: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = (((bytes[at + 2]! << 8) | bytes[at + 3]!) + 1) * 4;
    packets.push(bytes.slice(at, at + length));
    at += length;
  }
  return packets;
}

/** Type and format or count of an RTCP packet, as "205/1". */
export function rtcpKind(bytes: Uint8Array): string {
  return `${bytes[1]}/${bytes[0]! & 31}`;
}

export function pli(media: number): Uint8Array {
  return new Uint8Array([0x81, 206, 0, 2, 0, 0, 0, 1, ...int32(media)]);
}

export function nack(media: number, ...sequences: number[]): Uint8Array {
  const items = sequences.flatMap((sequence) => [...int16(sequence), 0, 0]);
  return new Uint8Array([0x81, 205, ...int16(2 + sequences.length), 0, 0, 0, 1, ...int32(media), ...items]);
}

/** Sequence numbers that a NACK names. */
export function nacked(bytes: Uint8Array): number[] {
  const named: number[] = [];
  for (let at = 12; at < bytes.length; at += 4) {
    const first = (bytes[at]! << 8) | bytes[at + 1]!;
    const mask = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    named.push(first);
    for (let bit = 0; bit < 16; bit++) if (mask & (1 << bit)) named.push((first + bit + 1) & 0xffff);
  }
  return named;
}

/** A sender report without blocks. */
export function senderReport(ssrc: number, ntpSeconds: number, ntpFraction: number, timestamp: number): Uint8Array {
  const words = [ssrc, ntpSeconds, ntpFraction, timestamp, 10, 1000].flatMap(int32);
  return new Uint8Array([0x80, 200, 0, 6, ...words]);
}

/** One VP8 frame of one packet from the publisher of `videoReceiver`. */
export function frame(sequence: number, key = false, changes = {}) {
  return rtp({
    sequence,
    timestamp: sequence * 3000,
    ssrc: 1000,
    marker: true,
    payload: vp8({ key, pictureId: sequence & 0x7fff, tl0: sequence, body: [sequence & 255] }),
    ...changes,
  });
}
