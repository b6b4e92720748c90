/**
 * Relays DataPackets between the members of the rooms on one worker: decoded and encoded once per message, the same bytes to every
 * recipient. A sender never gets its own packet, and its messages reach a recipient in order. Reliable messages for a member whose
 * channel is not open yet wait, bounded in bytes.
 */
import { DataPacket, DataPacket_Kind, UserPacket } from "@livekit/protocol";
import type { MemberSpec, PeerId } from "../engine/specs.ts";
import type { SendOutcome } from "../peer/data-transport.ts";
import { DATA_TRACK_LABEL, LOSSY_LABEL, RELIABLE_LABEL } from "./labels.ts";
import { channelIndex, MessageCounts, NO_CHANNEL, REFUSED, RELAYED } from "./message-counts.ts";
import { Nonces } from "./nonces.ts";
import { countParts, NOT_A_PACKET } from "./packet-parts.ts";
import type { FrameSource } from "./sender/frame-in-parts.ts";
import { parseDataPacket, stampDataPacket } from "./stamp.ts";
import { DataStreamCounts } from "./stream-counts.ts";
import { StreamRoutes } from "./stream-routes.ts";

/** Reliable bytes kept for a member whose channel is not open yet (LiveKit: 100,000). */
const PENDING_LIMIT_BYTES = 100_000;

/**
 * Puts one message on a data channel of a peer; "closed" when the peer has no open channel of that label. `addressed`: the
 * message names its recipients. `from`: whose it is, whose messages keep their order and take turns with those of others.
 */
export type MessageSend = (
  peer: PeerId,
  label: string,
  bytes: Uint8Array,
  addressed: boolean,
  from: FrameSource | undefined,
) => SendOutcome;

/** The answer of a participant to a call of the server; the bytes are the receiver's. */
export type RpcReply = (participant: string, packet: Uint8Array) => void;

/** A message that is relayed, as its recipients get it. */
export type Relayed = (participant: string, reliable: boolean, packet: Uint8Array) => void;

/** A message of a kind that the server does not know is about to be relayed; its sender's client is newer. */
export type Unknown = (participant: string) => void;

interface Member extends FrameSource {
  readonly participant: string;
  spec: MemberSpec;
  /** Highest sequence number of a reliable packet of this sender: a resumed client sends some again. */
  lastSequence: number;
  pending: Pending[];
  pendingBytes: number;
  /** What it had received when it last came back. */
  received: Received | undefined;
  readonly routes: StreamRoutes;
}

/** A message that waits for a channel. */
interface Pending {
  readonly bytes: Uint8Array;
  readonly from: Member | undefined;
}

/** Highest reliable sequence numbers by the SID of their sender. */
interface Received {
  readonly sequences: ReadonlyMap<string, number>;
  readonly untilMs: number;
}

/** For so long after it came back a member's word on what it has is good: it may replace its channel meanwhile. */
const RECEIVED_FOR_MS = 30_000;

/** The rooms' members and the way of a message between them. */
export class DataRelay {
  readonly counts: MessageCounts;
  readonly streams = new DataStreamCounts();
  readonly #rooms = new Map<string, Map<string, Member>>();
  /** Of what the members of a room sent lately. */
  readonly #nonces = new Map<string, Nonces>();
  /** Ids of the server's own calls. */
  readonly #awaitedRpcs = new Set<string>();
  readonly #send: MessageSend;
  readonly #onRpcReply: RpcReply;
  readonly #onRelayed: Relayed | undefined;
  readonly #onUnknown: Unknown | undefined;

  /** `counts`: of what comes in, and of what cannot be given to a channel; channels count for themselves. */
  constructor(
    send: MessageSend,
    onRpcReply: RpcReply,
    onRelayed?: Relayed,
    counts = new MessageCounts(),
    onUnknown?: Unknown,
  ) {
    this.#send = send;
    this.#onRpcReply = onRpcReply;
    this.#onRelayed = onRelayed;
    this.#onUnknown = onUnknown;
    this.counts = counts;
  }

  /** Whether the answers to this call are the server's; main keeps their number in bounds. */
  awaitRpc(id: string, awaited: boolean): void {
    if (awaited) this.#awaitedRpcs.add(id);
    else this.#awaitedRpcs.delete(id);
  }

  setMember(room: string, participant: string, spec: MemberSpec): void {
    let members = this.#rooms.get(room);
    if (!members) {
      this.#rooms.set(room, (members = new Map()));
      this.#nonces.set(room, new Nonces());
    }
    const member = members.get(participant);
    if (member) member.spec = spec;
    else
      members.set(participant, {
        participant,
        parts: undefined,
        spec,
        lastSequence: 0,
        pending: [],
        pendingBytes: 0,
        received: undefined,
        routes: new StreamRoutes(),
      });
  }

  removeMember(room: string, participant: string): void {
    const members = this.#rooms.get(room);
    members?.delete(participant);
    if (members?.size !== 0) return;
    this.#rooms.delete(room);
    this.#nonces.delete(room);
  }

  /** Highest reliable sequence number received of a participant (ReconnectResponse.last_message_seq). */
  lastSequence(room: string, participant: string): number {
    return this.#rooms.get(room)?.get(participant)?.lastSequence ?? 0;
  }

  /** A member has come back and says how far it has received whom. */
  noteReceived(room: string, participant: string, sequences: ReadonlyMap<string, number>, nowMs: number): void {
    const member = this.#rooms.get(room)?.get(participant);
    if (member) member.received = { sequences, untilMs: nowMs + RECEIVED_FOR_MS };
  }

  /**
   * Whether a message that was sent to this member on a channel that it has replaced is still to reach it. It drops what it
   * knows by SID and sequence number, so only messages with both are sent again. Undefined when it has not said what it knows.
   */
  missingTest(room: string, participant: string, nowMs: number): ((bytes: Uint8Array) => boolean) | undefined {
    const received = this.#rooms.get(room)?.get(participant)?.received;
    if (!received || nowMs > received.untilMs) return undefined;
    return (bytes) => {
      const packet = parseDataPacket(bytes);
      if (!packet || packet.sequence === 0 || packet.participantSid === "") return false;
      return packet.sequence > (received.sequences.get(packet.participantSid) ?? 0);
    };
  }

  /** The reliable channel of a member opened: what waited goes out. */
  handleReliableOpen(room: string, participant: string): void {
    const member = this.#rooms.get(room)?.get(participant);
    if (!member) return;
    const waiting = member.pending;
    member.pending = [];
    member.pendingBytes = 0;
    for (const { bytes, from } of waiting) this.#deliver(member, RELIABLE_LABEL, bytes, false, from);
  }

  /** A message that arrived on a data channel of `participant`. How many parts it had to be taken into (`countParts`). */
  handleMessage(room: string, participant: string, label: string, bytes: Uint8Array): number {
    const channel = channelIndex(label);
    const members = this.#rooms.get(room);
    const from = members?.get(participant);
    if (!members || !from?.spec.canPublishData || label === DATA_TRACK_LABEL) {
      this.counts.note(channel, REFUSED);
      return 0;
    }
    const reliable = label !== LOSSY_LABEL;
    const raw = label !== RELIABLE_LABEL && reliable;
    const parts = raw ? 1 : countParts(bytes);
    const packet = raw ? wrapRaw(bytes) : parts === NOT_A_PACKET ? undefined : parseDataPacket(bytes);
    if (
      !packet ||
      !this.#isNew(from, packet, reliable) ||
      !stampDataPacket(packet, { participant, member: from.spec }, reliable) ||
      (packet.value.case === "user" && this.#nonces.get(room)?.isNew(packet.value.value.nonce) === false)
    ) {
      this.counts.note(channel, REFUSED);
      return Math.max(parts, 0);
    }
    this.counts.note(channel, RELAYED);
    const { value, destinationIdentities } = packet;
    if (value.case === "streamHeader") this.streams.note(value.value, destinationIdentities.length);
    if (value.case === undefined) this.#onUnknown?.(participant);
    if (this.#isAwaited(packet)) this.#onRpcReply(participant, bytes.slice());
    else this.#fanOut(members, from, reliable, packet);
    return parts;
  }

  /** A packet of the server itself for some participants of a room (SIDs), or for all. */
  send(room: string, to: readonly string[] | undefined, reliable: boolean, packet: Uint8Array): void {
    const members = this.#rooms.get(room);
    if (!members) return;
    const label = reliable ? RELIABLE_LABEL : LOSSY_LABEL;
    const sids = to && new Set(to);
    for (const member of members.values()) {
      if (!sids || sids.has(member.participant)) this.#deliver(member, label, packet, sids !== undefined, undefined);
    }
  }

  #isAwaited({ value }: DataPacket): boolean {
    const answer = value.case === "rpcAck" || value.case === "rpcResponse";
    return answer && this.#awaitedRpcs.has(value.value.requestId);
  }

  #isNew(from: Member, packet: DataPacket, reliable: boolean): boolean {
    if (!reliable || packet.sequence === 0) return true;
    const { lastSequence } = from;
    if (packet.sequence <= lastSequence || leavesGap(from, packet.sequence)) return false;
    from.lastSequence = packet.sequence;
    return true;
  }

  #fanOut(members: Map<string, Member>, from: Member, reliable: boolean, packet: DataPacket): void {
    const to = from.routes.follow(packet);
    const bytes = packet.toBinary();
    this.#onRelayed?.(from.participant, reliable, bytes);
    const label = reliable ? RELIABLE_LABEL : LOSSY_LABEL;
    // The sender decides how long the lists are.
    const listed = packet.value.case === "user" ? packet.value.value.destinationSids : [];
    const sids = listed.length > 0 ? new Set(listed) : undefined;
    const addressed = to !== undefined || sids !== undefined;
    for (const member of members.values()) {
      if (member === from) continue;
      if (!addressed || to?.has(member.spec.identity) || sids?.has(member.participant))
        this.#deliver(member, label, bytes, addressed, from);
    }
  }

  #deliver(member: Member, label: string, bytes: Uint8Array, addressed: boolean, from: Member | undefined): void {
    if (label === LOSSY_LABEL && !member.spec.active) {
      this.counts.note(channelIndex(label), NO_CHANNEL);
      return;
    }
    // Order holds: nothing overtakes what still waits.
    const outcome =
      label === RELIABLE_LABEL && member.pending.length > 0
        ? "closed"
        : this.#send(member.spec.dataPeer, label, bytes, addressed, from);
    if (outcome !== "closed") return;
    if (label === RELIABLE_LABEL && member.pendingBytes + bytes.length <= PENDING_LIMIT_BYTES) {
      member.pending.push({ bytes, from });
      member.pendingBytes += bytes.length;
    } else this.counts.note(channelIndex(label), NO_CHANNEL);
  }
}

/**
 * livekit-client keeps back what is written while it tries to resume, and between two tries does not: newer messages overtake those.
 * Had they counted, the resume would tell the client that all before them came, and it would send none of those.
 */
function leavesGap({ spec, lastSequence }: Member, sequence: number): boolean {
  return spec.away && lastSequence > 0 && sequence > lastSequence + 1;
}

/** Bytes of a channel with a label of the client's own: recipients get them as a reliable user packet. */
function wrapRaw(payload: Uint8Array): DataPacket {
  return new DataPacket({
    kind: DataPacket_Kind.RELIABLE,
    value: { case: "user", value: new UserPacket({ payload }) },
  });
}
