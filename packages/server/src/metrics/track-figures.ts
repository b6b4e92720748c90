/**
 * Publications and subscriptions: how many there are, how many were tried and became nothing, how long they took.
 * Invariants: a gauge goes down exactly once for everything that it went up for; every attempt ends once, as success,
 * failure or cancel.
 */
import { SubscriptionError, TrackType, type SignalResponse, type TrackInfo } from "@livekit/protocol";
import type { MediaEvent } from "@stoa/core/engine/events";
import type { MediaKind, PeerId } from "@stoa/core/engine/specs";
import type { Effect } from "@stoa/core/room/effects";
import type { Instruments } from "./instruments.ts";
import type { Known } from "./known.ts";

/** An announced track that waits for its media. */
interface Announced {
  readonly kind: string;
  readonly sinceMs: number;
}

/** A track that is sent to somebody. */
interface Sent {
  readonly kind: MediaKind;
  readonly sinceMs: number;
  started: boolean;
}

const ERRORS: Readonly<Record<SubscriptionError, string>> = {
  [SubscriptionError.SE_UNKNOWN]: "unknown",
  [SubscriptionError.SE_CODEC_UNSUPPORTED]: "codec unsupported",
  [SubscriptionError.SE_TRACK_NOTFOUND]: "track not found",
};

export class TrackFigures {
  readonly #to: Instruments;
  readonly #known: Known;
  readonly #nowMs: () => number;
  /** By participant, by SID of the track. */
  readonly #announced = new Map<string, Map<string, Announced>>();
  /** Subscriptions that wait for their negotiation, by subscriber, by track: since when. */
  readonly #wanted = new Map<string, Map<string, { readonly room: string; readonly sinceMs: number }>>();
  readonly #sent = new Map<PeerId, Map<string, Sent>>();
  #forwarded = 0;

  constructor(instruments: Instruments, known: Known, nowMs: () => number) {
    this.#to = instruments;
    this.#known = known;
    this.#nowMs = nowMs;
  }

  /** How many tracks are sent, each counted once for everybody who gets it. */
  get forwarded(): number {
    return this.#forwarded;
  }

  published(room: string, participant: string, track: TrackInfo, atMs: number): void {
    if (!this.#known.publish(room, track)) return;
    const { kind, source } = this.#known.track(room, track.sid);
    this.#to.tracksPublished.inc({ kind });
    this.#to.publications.inc({ kind, state: "success" });
    const since = this.#announced.get(participant)?.get(track.sid);
    this.#announced.get(participant)?.delete(track.sid);
    if (since) this.#observe("publish", participant, { kind, source }, atMs - since.sinceMs);
  }

  unpublished(room: string, participant: string, sid: string): void {
    this.#announced.get(participant)?.delete(sid);
    const track = this.#known.unpublish(room, sid);
    if (!track) return;
    this.#to.tracksPublished.dec({ kind: track.kind });
    for (const wanted of this.#wanted.values()) {
      if (wanted.get(sid)?.room === room && wanted.delete(sid)) this.#cancel(1);
    }
  }

  /** What a participant announced and wished for comes to nothing. */
  left(participant: string): void {
    for (const { kind } of this.#announced.get(participant)?.values() ?? []) {
      this.#to.publications.inc({ kind, state: "cancel" });
    }
    this.#cancel(this.#wanted.get(participant)?.size ?? 0);
    this.#announced.delete(participant);
    this.#wanted.delete(participant);
  }

  /** A message to a participant: an announced track is answered. */
  told(to: string, { message }: SignalResponse): void {
    if (message.case === "trackPublished" && message.value.track) {
      const { sid, type } = message.value.track;
      const kind = TrackType[type];
      const announced = this.#announced.get(to) ?? new Map<string, Announced>();
      this.#announced.set(to, announced);
      if (announced.has(sid)) return;
      announced.set(sid, { kind, sinceMs: this.#nowMs() });
      this.#to.publications.inc({ kind, state: "attempt" });
    } else if (message.case === "requestResponse" && message.value.request.case === "addTrack") {
      const kind = TrackType[message.value.request.value.type];
      if (message.value.reason !== 0) this.#to.publications.inc({ kind, state: "failure" });
    } else if (message.case === "subscriptionPermissionUpdate" && !message.value.allowed) {
      this.#to.subscriptions.inc({ state: "failure", error: "permission denied" });
    }
  }

  subscription(room: string, { subscriber, track, error }: Extract<Effect, { type: "subscription" }>): void {
    const wanted = this.#wanted.get(subscriber) ?? new Map<string, { room: string; sinceMs: number }>();
    this.#wanted.set(subscriber, wanted);
    if (error === undefined) {
      this.#to.subscriptions.inc({ state: "attempt", error: "" });
      wanted.set(track, { room, sinceMs: this.#nowMs() });
    } else {
      wanted.delete(track);
      this.#to.subscriptions.inc({ state: "failure", error: ERRORS[error] ?? "unknown" });
    }
  }

  /** The tracks that are sent on a peer; none when it is closed. */
  sent(room: string, peer: PeerId, senders: readonly { readonly track: string; readonly kind: MediaKind }[]): void {
    const participant = this.#known.peer(peer)?.participant;
    const before = this.#sent.get(peer) ?? new Map<string, Sent>();
    const after = new Map<string, Sent>();
    for (const { track, kind } of senders) {
      const known = before.get(track);
      after.set(track, known ?? { kind, sinceMs: this.#nowMs(), started: false });
      if (!known) this.#begun(room, participant, track, kind);
    }
    for (const [track, { kind }] of before) {
      if (!after.has(track)) this.#to.tracksSubscribed.dec({ kind: kind.toUpperCase() });
    }
    this.#forwarded += after.size - before.size;
    if (after.size === 0) this.#sent.delete(peer);
    else this.#sent.set(peer, after);
  }

  /** The first packet goes out. */
  started(room: string, { peer, track }: Extract<MediaEvent, { type: "downlinkStarted" }>): void {
    const sent = this.#sent.get(peer)?.get(track);
    const participant = this.#known.peer(peer)?.participant;
    if (!sent || sent.started || participant === undefined) return;
    sent.started = true;
    const labels = this.#known.track(room, track);
    this.#observe("subscribe-stream-start", participant, labels, this.#nowMs() - sent.sinceMs);
  }

  #begun(room: string, participant: string | undefined, track: string, kind: MediaKind): void {
    this.#to.tracksSubscribed.inc({ kind: kind.toUpperCase() });
    this.#to.subscriptions.inc({ state: "success", error: "" });
    if (participant === undefined) return;
    const wanted = this.#wanted.get(participant);
    const sinceMs = wanted?.get(track)?.sinceMs;
    wanted?.delete(track);
    if (sinceMs === undefined) return;
    this.#observe("subscribe", participant, this.#known.track(room, track), this.#nowMs() - sinceMs);
  }

  #cancel(count: number): void {
    if (count > 0) this.#to.subscriptions.inc({ state: "cancel", error: "" }, count);
  }

  #observe(direction: string, participant: string, track: { kind: string; source: string }, ms: number): void {
    const person = this.#known.person(participant);
    const labels = { direction, source: track.source, type: track.kind, country: "", count: "1" };
    this.#to.pubSubMs.observe({ ...labels, sdk: person?.sdk ?? "", kind: person?.kind ?? "" }, Math.max(0, ms));
  }
}
