/**
 * The data tracks of the rooms on one worker (livekit.md 2.6): a packet that comes under the publisher's handle goes to the
 * track's subscribers, to each under a handle of its own; nothing else of it is changed.
 *
 * Invariants: only what main has announced is forwarded, from whom may publish data to whom may subscribe; a packet that is
 * none costs nobody anything; there is no queue here, a slow subscriber is its lane's business. A frame of several packets is
 * of no use without one of them, so a subscriber that missed one gets no other of those behind it.
 */
import {
  dataTrackFramePart,
  dataTrackHandle,
  setDataTrackHandle,
  startsDataTrackFrame,
} from "@stoa/wire/data-track/packet";
import type { MemberSpec, PeerId } from "../engine/specs.ts";
import type { SendOutcome } from "../peer/data-transport.ts";
import { DATA_TRACK_LABEL } from "./labels.ts";
import { channelIndex, MessageCounts, NO_CHANNEL, REFUSED, RELAYED, STALE } from "./message-counts.ts";
import { FrameInParts, type FrameSource } from "./sender/frame-in-parts.ts";

/**
 * Puts one packet on a data channel of a peer; "closed" when the peer has no open channel of that label. `source`: the
 * subscription that it belongs to, which takes turns with the peer's others; the packet may be but a part of a frame.
 */
export type PacketSend = (peer: PeerId, label: string, packet: Uint8Array, source: FrameSource) => SendOutcome;

const CHANNEL = channelIndex(DATA_TRACK_LABEL);

interface Member {
  spec: MemberSpec;
  /** By its own handles. */
  readonly published: Map<number, Track>;
  readonly subscribed: Set<Track>;
}

interface Track {
  readonly sid: string;
  readonly publisher: Member;
  readonly handle: number;
  readonly subscribers: Map<Member, Downlink>;
}

/** A subscriber of one track, which takes turns with the others that it receives. */
interface Downlink extends FrameSource {
  readonly subscriber: Member;
  handle: number;
  /** Number of the frame that the last packet belongs to; -1: it was a whole one. */
  frame: number;
  parts: FrameInParts | undefined;
}

/** See the file's head. */
export class DataTracks {
  readonly counts: MessageCounts;
  readonly #members = new Map<string, Member>();
  readonly #tracks = new Map<string, Track>();
  readonly #send: PacketSend;

  /** `counts`: of what comes in, and of what cannot be given to a channel; channels count for themselves. */
  constructor(send: PacketSend, counts = new MessageCounts()) {
    this.#send = send;
    this.counts = counts;
  }

  setMember(participant: string, spec: MemberSpec): void {
    const member = this.#members.get(participant);
    if (member) member.spec = spec;
    else this.#members.set(participant, { spec, published: new Map(), subscribed: new Set() });
  }

  /** The participant is gone, with what it publishes and what it subscribed to. */
  removeMember(participant: string): void {
    const member = this.#members.get(participant);
    if (!member) return;
    this.#members.delete(participant);
    for (const track of member.published.values()) this.removeTrack(track.sid);
    for (const track of member.subscribed) track.subscribers.delete(member);
  }

  /** A participant publishes a track, and will call it by this handle. */
  setTrack(participant: string, sid: string, handle: number): void {
    const publisher = this.#members.get(participant);
    if (!publisher || this.#tracks.has(sid)) return;
    const former = publisher.published.get(handle);
    if (former) this.removeTrack(former.sid);
    const track: Track = { sid, publisher, handle, subscribers: new Map() };
    this.#tracks.set(sid, track);
    publisher.published.set(handle, track);
  }

  /** A track ended, with its subscriptions. */
  removeTrack(sid: string): void {
    const track = this.#tracks.get(sid);
    if (!track) return;
    this.#tracks.delete(sid);
    track.publisher.published.delete(track.handle);
    for (const subscriber of track.subscribers.keys()) subscriber.subscribed.delete(track);
  }

  /** A participant gets a track under this handle; 0: it does not get it (any more). */
  setSubscription(participant: string, sid: string, handle: number): void {
    const subscriber = this.#members.get(participant);
    const track = this.#tracks.get(sid);
    if (!subscriber || !track || subscriber === track.publisher) return;
    const downlink = track.subscribers.get(subscriber);
    if (handle === 0) {
      track.subscribers.delete(subscriber);
      subscriber.subscribed.delete(track);
    } else if (downlink) {
      downlink.handle = handle;
    } else {
      track.subscribers.set(subscriber, { subscriber, handle, frame: -1, parts: undefined });
      subscriber.subscribed.add(track);
    }
  }

  /** A packet of a participant; the bytes are ours from now on. */
  handlePacket(participant: string, packet: Uint8Array): void {
    const publisher = this.#members.get(participant);
    const track = publisher?.spec.canPublishData ? publisher.published.get(dataTrackHandle(packet)) : undefined;
    this.counts.note(CHANNEL, track ? RELAYED : REFUSED);
    if (!track) return;
    const frame = dataTrackFramePart(packet);
    const starts = startsDataTrackFrame(packet);
    // Lanes keep what they are given: everybody gets bytes of its own, the first one those that came.
    let first = true;
    for (const downlink of track.subscribers.values()) {
      if (!downlink.subscriber.spec.canSubscribe) continue;
      if (downlink.frame !== frame || starts) beginFrame(downlink, frame);
      if (downlink.parts?.lost) {
        this.counts.note(CHANNEL, STALE);
        continue;
      }
      const bytes = first ? packet : new Uint8Array(packet);
      first = false;
      setDataTrackHandle(bytes, downlink.handle);
      this.#deliver(downlink, bytes);
    }
  }

  #deliver(downlink: Downlink, bytes: Uint8Array): void {
    const outcome = this.#send(downlink.subscriber.spec.dataPeer, DATA_TRACK_LABEL, bytes, downlink);
    if (outcome === "closed") this.counts.note(CHANNEL, NO_CHANNEL);
    if (downlink.parts && outcome !== "queued") downlink.parts.lost = true;
  }
}

/** Numbers come again after 65,536 frames. */
function beginFrame(downlink: Downlink, frame: number): void {
  downlink.frame = frame;
  downlink.parts = frame < 0 ? undefined : new FrameInParts();
}
