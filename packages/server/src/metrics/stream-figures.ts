/** What the streams of a peer connection suffer, and how good the connection is: from the statistics that come every five seconds. */
import { ConnectionQuality, type SignalResponse } from "@livekit/protocol";
import type { PeerStats, StreamStats } from "@stoa/core/engine/figures";
import type { PeerId } from "@stoa/core/engine/specs";
import type { Instruments } from "./instruments.ts";
import type { Known } from "./known.ts";

/** Undefined: not a rating of a connection that is there. */
const RATINGS: Readonly<Record<ConnectionQuality, number | undefined>> = {
  [ConnectionQuality.POOR]: 0,
  [ConnectionQuality.GOOD]: 1,
  [ConnectionQuality.EXCELLENT]: 2,
  [ConnectionQuality.LOST]: undefined,
};

export class StreamFigures {
  readonly #to: Instruments;
  readonly #known: Known;

  constructor(instruments: Instruments, known: Known) {
    this.#to = instruments;
    this.#known = known;
  }

  statistics(room: string, id: PeerId, { receivers, senders, rttMs }: PeerStats): void {
    const peer = this.#known.peer(id);
    const person = peer && this.#known.person(peer.participant);
    // A peer that is sent nothing cannot measure; the other one of the participant goes the same way.
    if (person && rttMs > 0) person.rttMs = rttMs;
    const incomingRttMs = rttMs > 0 ? rttMs : (person?.rttMs ?? 0);
    for (const stream of receivers) this.#note(room, "incoming", stream, incomingRttMs);
    for (const stream of senders) this.#note(room, "outgoing", stream, rttMs);
    if (!peer?.first || !person?.quality) return;
    if (!person.quality.observed) this.#observeQuality(person.quality.rating, person.quality.score);
    person.quality.observed = false;
  }

  /** Everybody of the room is told how everybody's connection is; it counts once, and then again with all statistics. */
  told(to: string, { message }: SignalResponse): void {
    if (message.case !== "connectionQuality") return;
    for (const { participantSid, quality, score } of message.value.updates) {
      if (participantSid !== to) continue;
      const rating = RATINGS[quality];
      const person = this.#known.person(to);
      if (person) person.quality = rating === undefined ? undefined : { rating, score, observed: true };
      if (rating !== undefined) this.#observeQuality(rating, score);
    }
  }

  #observeQuality(rating: number, score: number): void {
    this.#to.qualityRating.observe(rating);
    this.#to.qualityScore.observe(score);
  }

  #noteRetransmissions({ resent, resentBytes }: StreamStats): void {
    if (resent === 0) return;
    const labels = { direction: "outgoing", transmission: "retransmit", country: "" };
    this.#to.packets.inc(labels, resent);
    this.#to.packetBytes.inc(labels, resentBytes);
    this.#to.retransmitted.packets += resent;
    this.#to.retransmitted.bytes += resentBytes;
  }

  #note(room: string, direction: "incoming" | "outgoing", stream: StreamStats, rttMs: number): void {
    const { kind, source } = this.#known.track(room, stream.track);
    const labels = { direction, source, type: kind, country: "" };
    this.#noteRetransmissions(stream);
    const { nacks, keyFrameRequests, firs, lost, outOfOrder, packets, jitterMs } = stream;
    const { lossTotal, lossPercent, outOfOrderTotal, outOfOrderPercent, jitterUs, rttMs: rtt } = this.#to;
    if (nacks > 0) this.#to.nacks.inc({ direction, country: "" }, nacks);
    if (keyFrameRequests > firs) this.#to.plis.inc({ direction, country: "" }, keyFrameRequests - firs);
    if (firs > 0) this.#to.firs.inc({ direction, country: "" }, firs);
    if (lost > 0) lossTotal.inc(labels, lost);
    if (outOfOrder > 0) outOfOrderTotal.inc(labels, outOfOrder);
    if (packets > 0) {
      lossPercent.observe(labels, (100 * Math.max(0, lost)) / packets);
      outOfOrderPercent.observe(labels, (100 * Math.min(outOfOrder, packets)) / packets);
    }
    if (jitterMs > 0) jitterUs.observe(labels, jitterMs * 1000);
    if (rttMs > 0) rtt.observe(labels, rttMs);
  }
}
