/**
 * Who speaks in the rooms of this worker: the levels of all microphones at the end of each update interval. An event
 * says a room's whole list whenever it has changed. Invariant: a track that is muted, gone, or no microphone is in no list.
 */
import type { SpeakerLevel } from "../engine/events.ts";
import { AudioLevel } from "./audio-level.ts";
import type { AudioLevelOptions } from "./audio-level.ts";
import type { ForwarderEvent } from "./forwarder-event.ts";
import type { Track } from "./track.ts";

/** Levels are rounded up to such steps, so that small changes tell nobody anything. */
const STEPS = 8;

interface Speaking {
  readonly room: string;
  readonly participant: string;
  /** As measured, for the order of the list. */
  exact: number;
  /** As told. */
  level: number;
}

export class SpeakerWatch {
  readonly #options: AudioLevelOptions;
  readonly #tracks: ReadonlyMap<string, Track>;
  readonly #events: ForwarderEvent[];
  /** By track. */
  readonly #speaking = new Map<string, Speaking>();
  readonly #changedRooms = new Set<string>();
  #dueMs = 0;

  /** `events`: where changes are told. */
  constructor(options: AudioLevelOptions, tracks: ReadonlyMap<string, Track>, events: ForwarderEvent[]) {
    this.#options = options;
    this.#tracks = tracks;
    this.#events = events;
  }

  /** What listens to one audio stream; undefined when nobody wants to know. */
  newLevel(): AudioLevel | undefined {
    return this.#options.updateIntervalMs > 0 ? new AudioLevel(this.#options) : undefined;
  }

  /** Somebody is said to speak: time must not stand still. */
  get active(): boolean {
    return this.#speaking.size > 0;
  }

  /** Ends the windows when an interval is over. */
  handleTimeout(nowMs: number): void {
    const { updateIntervalMs } = this.#options;
    if (updateIntervalMs === 0 || nowMs < this.#dueMs) return;
    // In step as long as packets flow; after a rest the next window begins now.
    const late = nowMs - this.#dueMs > updateIntervalMs;
    this.#dueMs = (late ? nowMs : this.#dueMs) + updateIntervalMs;
    for (const track of this.#tracks.values()) {
      let exact = 0;
      for (const { level } of track.uplinks) if (level) exact = Math.max(exact, level.endWindow());
      this.#set(track, exact);
    }
    for (const sid of this.#speaking.keys()) if (!this.#tracks.has(sid)) this.#remove(sid);
    this.#tell();
  }

  /** The track was muted, or ended: it is silent at once. */
  silence(track: Track): void {
    for (const { level } of track.uplinks) level?.reset();
    this.#remove(track.sid);
    this.#tell();
  }

  #set(track: Track, exact: number): void {
    const owner = microphoneOwner(track);
    if (exact === 0 || !owner || track.muted) {
      this.#remove(track.sid);
      return;
    }
    const level = Math.ceil(exact * STEPS) / STEPS;
    const known = this.#speaking.get(track.sid);
    if (known) known.exact = exact;
    if (known?.level === level) return;
    this.#changedRooms.add(owner.room);
    if (known) known.level = level;
    else this.#speaking.set(track.sid, { room: owner.room, participant: owner.participant, exact, level });
  }

  #remove(sid: string): void {
    const known = this.#speaking.get(sid);
    if (!known) return;
    this.#speaking.delete(sid);
    this.#changedRooms.add(known.room);
  }

  #tell(): void {
    for (const room of this.#changedRooms) {
      const list = [...this.#speaking].filter(([, speaking]) => speaking.room === room);
      list.sort(([, a], [, b]) => b.exact - a.exact);
      const speakers = list.map(([track, { participant, level }]): SpeakerLevel => ({ track, participant, level }));
      this.#events.push({ type: "speakers", room, speakers });
    }
    this.#changedRooms.clear();
  }
}

/** Whose microphone it is; undefined when it is something else. Nothing said about a track, it is taken for one. */
function microphoneOwner(track: Track): { readonly room: string; readonly participant: string } | undefined {
  if (track.spec) return track.spec.source === "microphone" ? track.spec : undefined;
  return track.publisher?.options.owner;
}
