/**
 * The table of data channels: opening by DCEP (RFC 8832), user messages and their payload types, closing by stream reset.
 * Invariant: every channel is announced closed exactly once, and a stream id is free again only after both sides reset it.
 */
import {
  PPID_BINARY,
  PPID_BINARY_EMPTY,
  PPID_DCEP,
  PPID_STRING,
  PPID_STRING_EMPTY,
  parseDcep,
  writeDcepAck,
  writeDcepOpen,
} from "@stoa/wire/sctp/dcep";
import type { DcepOpen } from "@stoa/wire/sctp/dcep";
import { StoaError } from "../errors.ts";
import { newControlMessage, newMessage } from "./channel.ts";
import type { Channel, SctpChannelSpec } from "./channel.ts";
import type { EventQueue } from "./events.ts";
import { MAX_CHANNELS } from "./options.ts";
import { newOutboundStream } from "./outbound-message.ts";
import type { InboundMessage } from "./reassembly.ts";
import type { SendQueue } from "./send-queue.ts";
import type { SctpStats } from "./stats.ts";

/** The peer's label and protocol are kept as long as the channel lives. */
const MAX_LABEL_CHARS = 4096;
/** Events other than messages that may wait for the owner. */
const MAX_EVENTS = 8 * MAX_CHANNELS;
/** Stream ids that every implementation knows. */
const COMMON_IDS = 1024;
const PRIORITY_NORMAL = 256;
const EMPTY = new Uint8Array(1);

/** What the table shares with the rest of the association. */
export interface ChannelsDeps {
  readonly queue: SendQueue;
  readonly events: EventQueue;
  readonly stats: SctpStats;
  readonly maxMessageBytes: number;
  /** Parity of the stream ids that we choose. */
  readonly firstId: 0 | 1;
}

/** All channels of one association, by stream id. */
export class Channels {
  /** Whether the peer knows RE-CONFIG; without it a channel closes on our side only. */
  canReset = true;
  readonly #deps: ChannelsDeps;
  readonly #channels = new Map<number, Channel>();
  readonly #closing = new Set<Channel>();
  /** Streams that were refused a channel, until they are reset. */
  readonly #refused = new Set<number>();
  #newlyRefused: number[] = [];
  /** Ids that the peer opened anew before it answered our reset of the channel before: that answer is still to come. */
  readonly #superseded = new Set<number>();
  #nextId: number;

  constructor(deps: ChannelsDeps) {
    this.#deps = deps;
    this.#nextId = deps.firstId;
  }

  /** Opens a channel; gives its stream id, or -1 when there are too many. */
  open(spec: SctpChannelSpec): number {
    const open: DcepOpen = {
      label: spec.label,
      protocol: spec.protocol ?? "",
      ordered: spec.ordered,
      maxRetransmits: spec.maxRetransmits,
      maxPacketLifeTimeMs: spec.maxRetransmits === undefined ? spec.maxPacketLifeTimeMs : undefined,
      priority: PRIORITY_NORMAL,
    };
    const bytes = writeDcepOpen(open);
    if (!bytes) throw new StoaError("invalid_argument", "a data channel's label or protocol exceeds 65,535 bytes");
    if (this.#channels.size >= MAX_CHANNELS) return -1;
    const id = this.#freeId();
    const channel = this.#add(id, open, false);
    this.#deps.queue.enqueue(newControlMessage(channel.stream, bytes, PPID_DCEP));
    return id;
  }

  send(id: number, data: Uint8Array, binary: boolean, nowMs: number): "queued" | "full" | "closed" | "tooLarge" {
    const channel = this.#channels.get(id);
    if (!channel || channel.state === "closing" || channel.state === "dead") return "closed";
    if (data.length > this.#deps.maxMessageBytes) return "tooLarge";
    if (!this.#deps.queue.hasRoom(channel.stream, data.length)) return "full";
    const empty = data.length === 0;
    const ppid = binary ? (empty ? PPID_BINARY_EMPTY : PPID_BINARY) : empty ? PPID_STRING_EMPTY : PPID_STRING;
    this.#deps.queue.enqueue(newMessage(channel, empty ? EMPTY : data, ppid, !empty, nowMs));
    return "queued";
  }

  bufferedAmount(id: number): number {
    return this.#channels.get(id)?.stream.bufferedBytes ?? 0;
  }

  setLowWater(id: number, bytes: number): void {
    const stream = this.#channels.get(id)?.stream;
    if (stream) stream.lowWaterBytes = bytes;
  }

  /** Closes a channel once what is queued on it has been acknowledged. */
  close(id: number): void {
    const channel = this.#channels.get(id);
    if (channel && channel.state !== "dead") this.#startClosing(channel);
  }

  /** A whole message from the peer, in the order of its stream. */
  deliver(message: InboundMessage): void {
    const { data, streamId, ppid } = message;
    if (!data) return;
    if (ppid === PPID_DCEP) {
      this.#handleDcep(streamId, data);
      return;
    }
    const channel = this.#channels.get(streamId);
    const binary = ppid === PPID_BINARY || ppid === PPID_BINARY_EMPTY;
    const known = binary || ppid === PPID_STRING || ppid === PPID_STRING_EMPTY;
    if (!channel || channel.state === "closing" || channel.state === "dead" || !known) {
      this.#deps.stats.droppedMessages++;
      return;
    }
    if (channel.state === "opening") this.#becomeOpen(channel);
    const empty = ppid === PPID_BINARY_EMPTY || ppid === PPID_STRING_EMPTY;
    this.#deps.events.push({ type: "message", channel: streamId, data: empty ? data.subarray(0, 0) : data, binary });
  }

  /** Hands over the streams that are ready to be reset. */
  takeResets(want: (stream: number) => void): void {
    if (this.#newlyRefused.length > 0) {
      if (this.canReset) this.#newlyRefused.forEach(want);
      this.#newlyRefused = [];
    }
    for (const channel of this.#closing) {
      if (channel.resetAsked || channel.stream.unfinished > 0) continue;
      channel.resetAsked = true;
      if (this.canReset) want(channel.stream.id);
      else this.outgoingReset(channel.stream.id, false);
    }
  }

  /** The peer closed these channels; empty = all. */
  incomingReset(streams: readonly number[]): void {
    for (const id of streams.length > 0 ? streams : [...this.#channels.keys()]) {
      const channel = this.#channels.get(id);
      if (!channel || channel.remoteReset) continue;
      channel.remoteReset = true;
      if (channel.state === "dead") continue;
      // Nobody reads there any more: what is not sent yet is dropped.
      this.#deps.queue.clear(channel.stream);
      this.#startClosing(channel);
      this.#announceClosed(channel);
      this.#removeIfDone(channel);
    }
  }

  /** The peer has done (or refused) the reset of our side. */
  outgoingReset(id: number, ok: boolean): void {
    if (this.#superseded.delete(id) || this.#refused.delete(id)) return;
    const channel = this.#channels.get(id);
    if (channel?.state !== "closing") return;
    this.#closing.delete(channel);
    this.#announceClosed(channel);
    if (ok) this.#removeIfDone(channel);
    else channel.state = "dead";
  }

  /** The peer wants these channels closed. */
  resetWanted(streams: readonly number[]): void {
    for (const id of streams) this.close(id);
  }

  /** The association ended or restarted: all channels are gone at once. */
  clear(): void {
    this.#newlyRefused = [];
    for (const channel of this.#channels.values()) {
      this.#deps.queue.clear(channel.stream);
      this.#announceClosed(channel);
    }
    this.#channels.clear();
    this.#closing.clear();
    this.#refused.clear();
    this.#superseded.clear();
  }

  /**
   * Takes the ids in turn: the peer may still wait for the end of the last reset of one that was freed just now. Ids
   * from 1,024 on come last, because libwebrtc knows none.
   */
  #freeId(): number {
    for (let n = 0; n < COMMON_IDS / 2; n++) {
      const id = this.#nextId;
      this.#nextId = (id + 2) % COMMON_IDS;
      if (!this.#isTaken(id)) return id;
    }
    let id = COMMON_IDS + this.#deps.firstId;
    while (this.#isTaken(id)) id += 2;
    return id;
  }

  #isTaken(id: number): boolean {
    return this.#channels.has(id) || this.#refused.has(id);
  }

  #add(id: number, open: DcepOpen, remote: boolean): Channel {
    const { label, protocol, ordered, maxRetransmits, maxPacketLifeTimeMs } = open;
    const channel: Channel = {
      label,
      protocol,
      ordered,
      maxRetransmits,
      maxPacketLifeTimeMs,
      remote,
      stream: newOutboundStream(id),
      state: "opening",
      resetAsked: false,
      remoteReset: false,
      announcedClosed: false,
    };
    this.#channels.set(id, channel);
    return channel;
  }

  #handleDcep(id: number, data: Uint8Array): void {
    const message = parseDcep(data);
    const channel = this.#channels.get(id);
    if (message?.type === "ack") {
      if (channel?.state === "opening") this.#becomeOpen(channel);
      return;
    }
    // Both sides are reset, only the answer to our request is late or lost: the peer has begun anew.
    if (channel?.state === "closing" && channel.remoteReset && channel.resetAsked) this.#supersede(channel);
    if (!message || this.#isTaken(id)) {
      this.#deps.stats.droppedMessages++;
      return;
    }
    const { open } = message;
    const tooMuch = this.#channels.size >= MAX_CHANNELS || this.#deps.events.size >= MAX_EVENTS;
    if (tooMuch || open.label.length + open.protocol.length > MAX_LABEL_CHARS) {
      this.#deps.stats.droppedMessages++;
      if (this.#refused.size >= MAX_CHANNELS) return;
      this.#refused.add(id);
      this.#newlyRefused.push(id);
      return;
    }
    const added = this.#add(id, open, true);
    this.#deps.queue.enqueue(newControlMessage(added.stream, writeDcepAck(), PPID_DCEP));
    this.#becomeOpen(added);
  }

  #becomeOpen(channel: Channel): void {
    channel.state = "open";
    const { label, protocol, ordered, maxRetransmits, maxPacketLifeTimeMs, remote } = channel;
    this.#deps.events.push({
      type: "channelOpen",
      channel: channel.stream.id,
      label,
      protocol,
      ordered,
      maxRetransmits,
      maxPacketLifeTimeMs,
      remote,
    });
  }

  #startClosing(channel: Channel): void {
    channel.state = "closing";
    this.#deps.queue.forget(channel.stream);
    if (!channel.resetAsked) this.#closing.add(channel);
  }

  /** Both sides have reset the stream: its id may be used again. */
  #removeIfDone(channel: Channel): void {
    if (!channel.remoteReset || !channel.resetAsked || this.#closing.has(channel)) return;
    this.#channels.delete(channel.stream.id);
  }

  #supersede(channel: Channel): void {
    if (this.#superseded.size >= MAX_CHANNELS) return;
    this.#superseded.add(channel.stream.id);
    this.#closing.delete(channel);
    this.#channels.delete(channel.stream.id);
  }

  #announceClosed(channel: Channel): void {
    if (channel.announcedClosed) return;
    channel.announcedClosed = true;
    this.#deps.events.push({ type: "channelClosed", channel: channel.stream.id });
  }
}
