/**
 * How well each participant is connected (livekit.md 3.17): the worst of the streams that it sends and is sent, told to
 * it and to everybody who receives something of it, when it changes. Invariant: a stream that is not meant to flow never
 * makes it worse.
 */
import {
  ConnectionQuality,
  ConnectionQualityInfo,
  ConnectionQualityUpdate,
  SignalResponse,
  TrackSource,
} from "@livekit/protocol";
import type { PeerStats, StreamStats } from "../engine/figures.ts";
import type { PeerId } from "../engine/specs.ts";
import { isUnwanted } from "./dynacast.ts";
import type { Participant } from "./participant.ts";
import { FRESH_SCORE, mosOf, nextScore, qualityOf, type StreamContext, type StreamScore } from "./quality-score.ts";
import type { TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";

const BEST_SCORE = 100;

/** What a participant's quality comes from, and what others were told of it. */
export interface Quality {
  /** The streams of each peer. */
  readonly streams: Map<PeerId, Map<TrackSid, StreamScore>>;
  /** Undefined until the first figures came. */
  told: ConnectionQuality | undefined;
  score: number;
}

export function newQuality(): Quality {
  return { streams: new Map(), told: undefined, score: BEST_SCORE };
}

/** Figures of one peer came. */
export function handleStats(room: RoomState, participant: Participant, stats: PeerStats): void {
  const { quality } = participant;
  const before = quality.streams.get(stats.peer);
  const after = new Map<TrackSid, StreamScore>();
  const rate = (stream: StreamStats, context: StreamContext | undefined): void => {
    if (context) after.set(stream.track, nextScore(before?.get(stream.track) ?? FRESH_SCORE, stream, context));
  };
  for (const stream of stats.receivers) rate(stream, upstream(room, stream.track));
  for (const stream of stats.senders) rate(stream, downstream(room, participant, stream.track, stats.rttMs));
  quality.streams.set(stats.peer, after);
  if (participant.active) follow(room, participant);
}

/** A participant begins to receive something of these: it reads how they are connected. */
export function tellQualities(room: RoomState, recipient: Participant, publishers: readonly Participant[]): void {
  const known = publishers.filter(({ quality }) => quality.told !== undefined);
  if (known.length > 0 && recipient.features.connectionQuality) room.deliver(recipient, updateFor(recipient, known));
}

function upstream(room: RoomState, sid: TrackSid): StreamContext | undefined {
  const track = room.tracks.get(sid);
  if (!track) return undefined;
  const { info } = track;
  // The way of a publisher's packets is half of a round trip that only the way down measures.
  return {
    direction: "up",
    mime: info.mimeType.toLowerCase(),
    idle: info.muted || isUnwanted(track),
    sparse: info.source === TrackSource.SCREEN_SHARE,
    rttMs: 0,
  };
}

function downstream(
  room: RoomState,
  participant: Participant,
  sid: TrackSid,
  rttMs: number,
): StreamContext | undefined {
  const track = room.tracks.get(sid);
  if (!track || !participant.activeTracks.has(sid)) return undefined;
  const idle = track.info.muted || (participant.subscriptions.get(sid)?.inForce?.disabled ?? true);
  return { direction: "down", mime: track.info.mimeType.toLowerCase(), idle, sparse: false, rttMs };
}

function follow(room: RoomState, participant: Participant): void {
  const { quality } = participant;
  quality.score = BEST_SCORE;
  for (const streams of quality.streams.values()) {
    for (const { score } of streams.values()) quality.score = Math.min(quality.score, score);
  }
  const now = qualityOf(quality.score);
  if (now === quality.told) return;
  quality.told = now;
  tellEverybody(room, participant);
}

/** Itself, and who receives a track of it. */
function tellEverybody(room: RoomState, participant: Participant): void {
  const recipients = new Set([participant]);
  for (const track of participant.tracks.values()) {
    for (const sid of track.subscribers) {
      const subscriber = room.participants.get(sid);
      if (subscriber?.active) recipients.add(subscriber);
    }
  }
  // One message for all, but for clients that do not know of LOST.
  const shared = new Map<boolean, SignalResponse>();
  for (const recipient of recipients) {
    const { connectionQuality, lostQuality } = recipient.features;
    if (!connectionQuality) continue;
    const message = shared.get(lostQuality) ?? updateFor(recipient, [participant]);
    shared.set(lostQuality, message);
    room.deliver(recipient, message);
  }
}

function updateFor(recipient: Participant, participants: readonly Participant[]): SignalResponse {
  const updates = participants.map(({ sid, quality }) => {
    const unknown = quality.told === ConnectionQuality.LOST && !recipient.features.lostQuality;
    return new ConnectionQualityInfo({
      participantSid: sid,
      quality: unknown ? ConnectionQuality.POOR : quality.told,
      score: mosOf(quality.score),
    });
  });
  return new SignalResponse({
    message: { case: "connectionQuality", value: new ConnectionQualityUpdate({ updates }) },
  });
}
