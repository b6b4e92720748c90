/**
 * Who speaks, as each participant is told (livekit.md 3.11): changes only, and only about those whose microphone it
 * receives, and about itself. Invariant: what a participant was told last is kept, so that whoever falls silent, leaves,
 * or is no longer received, is told to be silent, once.
 */
import { SignalResponse, SpeakerInfo, SpeakersChanged } from "@livekit/protocol";
import type { SpeakerLevel } from "../engine/events.ts";
import type { Participant } from "./participant.ts";
import type { ParticipantSid, TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";

/** How loud a simulated speaker is. */
const SIMULATED_LEVEL = 0.9;
/** Nobody tests for longer. */
const MAX_SIMULATED_S = 3600;

/** Messages of one round: those who are to hear the same get the same object, so that it is encoded once. */
type Round = Map<string, SignalResponse>;

/** The list of the media worker. */
export function handleSpeakers(room: RoomState, speakers: readonly SpeakerLevel[]): void {
  room.speakers = speakers;
  tellEverybody(room);
}

/** Brings a participant up to date: it receives a track (no more). */
export function tellSpeakers(room: RoomState, participant: Participant, round: Round = new Map()): void {
  if (participant.connection === undefined || !participant.features.speakersChanged) return;
  const told = participant.toldSpeakers;
  if (told.size === 0 && room.speakers.length === 0 && room.simulatedSpeakers.size === 0) return;
  const heard = heardBy(room, participant);
  const changes: [ParticipantSid, number][] = [];
  for (const [sid, level] of heard) if (told.get(sid) !== level) changes.push([sid, level]);
  for (const sid of told.keys()) if (!heard.has(sid)) changes.push([sid, 0]);
  if (changes.length === 0) return;
  participant.toldSpeakers = heard;
  const key = changes.join(" ");
  let message = round.get(key);
  if (!message) round.set(key, (message = speakersChanged(changes)));
  room.deliver(participant, message);
}

/** It came back: whom it was told of may not have arrived for these. */
export function tellSpeakersAgain(
  room: RoomState,
  participant: Participant,
  doubtful: ReadonlySet<ParticipantSid>,
): void {
  const told = new Map(participant.toldSpeakers);
  for (const sid of doubtful) told.set(sid, Number.NaN);
  participant.toldSpeakers = told;
  tellSpeakers(room, participant);
}

/** A track ended: its speaker is silent before the end is told, for clients forget whom they no longer know. */
export function dropSpeaker(room: RoomState, track: TrackSid): void {
  const without = room.speakers.filter((speaker) => speaker.track !== track);
  if (without.length !== room.speakers.length) handleSpeakers(room, without);
}

/** A participant left. */
export function forgetSpeaker(room: RoomState, participant: Participant): void {
  if (room.simulatedSpeakers.delete(participant.sid)) tellEverybody(room);
}

/** SimulateScenario.speaker_update: the participant is said to speak for so many seconds. */
export function simulateSpeaker(room: RoomState, participant: Participant, seconds: number): void {
  if (!(seconds > 0)) return;
  room.simulatedSpeakers.add(participant.sid);
  room.timers.set("simulatedSpeaker", participant.sid, room.nowMs + 1000 * Math.min(seconds, MAX_SIMULATED_S));
  tellEverybody(room);
}

/** The timer of a simulated speaker. */
export function endSimulatedSpeaker(room: RoomState, participant: Participant): void {
  room.simulatedSpeakers.delete(participant.sid);
  tellEverybody(room);
}

function tellEverybody(room: RoomState): void {
  const round: Round = new Map();
  for (const participant of room.participants.values()) tellSpeakers(room, participant, round);
}

/** Whom the participant hears and how loud, loudest first. */
function heardBy(room: RoomState, listener: Participant): Map<ParticipantSid, number> {
  const heard = new Map<ParticipantSid, number>();
  for (const sid of room.simulatedSpeakers) {
    const speaker = room.participants.get(sid);
    if (speaker && knowsVoice(listener, speaker, speaker.tracks.keys())) heard.set(sid, SIMULATED_LEVEL);
  }
  for (const { participant, track, level } of room.speakers) {
    const speaker = room.participants.get(participant);
    if (!speaker || heard.has(participant) || !knowsVoice(listener, speaker, [track])) continue;
    heard.set(participant, level);
  }
  return heard;
}

/** Whether one of these tracks of `speaker` comes to `listener`; everybody knows their own. */
function knowsVoice(listener: Participant, speaker: Participant, tracks: Iterable<TrackSid>): boolean {
  if (listener === speaker) return true;
  if (speaker.hidden) return false;
  for (const sid of tracks) {
    if (listener.activeTracks.has(sid) && !listener.subscriptions.get(sid)?.settings?.disabled) return true;
  }
  return false;
}

function speakersChanged(changes: readonly [ParticipantSid, number][]): SignalResponse {
  const speakers = changes.map(([sid, level]) => new SpeakerInfo({ sid, level, active: level > 0 }));
  return new SignalResponse({ message: { case: "speakersChanged", value: new SpeakersChanged({ speakers }) } });
}
