/**
 * What a participant was told and may not have heard: the messages that no snapshot restores, to be said again when it
 * resumes (livekit.md 1.11). Kept while the client is away, and for as long as the connection may turn out to have been dead.
 * Invariant: the last message about a thing replaces those before it, so the list is bounded and saying it again is harmless.
 */
import type { SignalResponse } from "@livekit/protocol";

/** More things than anybody is told of in the time between two pings; the oldest are given up. */
const MAX_MESSAGES = 1000;

interface Told {
  readonly message: SignalResponse;
  readonly atMs: number;
}

/** Messages about the client itself, which it must read before it sees their outcome in its snapshot; and all others. */
export interface Missed {
  readonly own: readonly SignalResponse[];
  readonly others: readonly SignalResponse[];
  /** The tracks that are unpublished by them. */
  readonly ended: ReadonlySet<string>;
  /** Of whom the client may believe the wrong thing: that they speak, or that they do not. */
  readonly speakers: ReadonlySet<string>;
}

export class Unheard {
  /** By what they are about, oldest first. */
  readonly #told = new Map<string, Told>();

  /** A message goes out, or would if the client were there; what was told before `unsureSinceMs` has arrived. */
  note(message: SignalResponse, nowMs: number, unsureSinceMs: number): void {
    const about = aboutOf(message);
    if (about === undefined) return;
    this.#told.delete(about);
    this.#told.set(about, { message, atMs: nowMs });
    for (const [key, { atMs }] of this.#told) {
      if (this.#told.size <= MAX_MESSAGES && atMs >= unsureSinceMs) return;
      this.#told.delete(key);
    }
  }

  /** The client has a word of its own on this track, or ended it: it is not to be asked again. */
  withdrawMute(track: string): void {
    this.#told.delete(`mute ${track}`);
  }

  /** What may not have arrived; it is about to be said again. */
  missed(unsureSinceMs: number): Missed {
    const own: SignalResponse[] = [];
    const others: SignalResponse[] = [];
    const ended = new Set<string>();
    const speakers = new Set<string>();
    for (const { message, atMs } of this.#told.values()) {
      if (atMs < unsureSinceMs) continue;
      const told = message.message;
      if (told.case === "trackUnpublished") ended.add(told.value.trackSid);
      // As they are now, not as they were.
      if (told.case === "speakersChanged") for (const { sid } of told.value.speakers) speakers.add(sid);
      else (isOwn(message) ? own : others).push(message);
    }
    this.#told.clear();
    return { own, others, ended, speakers };
  }
}

/** What a message is about; undefined when a resume restores it anyhow, or nobody waits for it. */
function aboutOf({ message }: SignalResponse): string | undefined {
  switch (message.case) {
    case "mute":
      return `mute ${message.value.sid}`;
    case "trackPublished":
      return `published ${message.value.cid}`;
    case "trackUnpublished":
      return `unpublished ${message.value.trackSid}`;
    case "trackSubscribed":
      return `subscribed ${message.value.trackSid}`;
    case "requestResponse":
      return message.value.requestId > 0 ? `request ${message.value.requestId}` : undefined;
    case "subscriptionResponse":
      return `subscription ${message.value.trackSid}`;
    case "subscriptionPermissionUpdate":
      return `permission ${message.value.trackSid}`;
    case "streamStateUpdate":
      return `stream ${message.value.streamStates.map(({ trackSid }) => trackSid).join(" ")}`;
    case "connectionQuality":
      return `quality ${message.value.updates.map(({ participantSid }) => participantSid).join(" ")}`;
    case "speakersChanged":
      return `speakers ${message.value.speakers.map(({ sid }) => sid).join(" ")}`;
    default:
      return undefined;
  }
}

function isOwn({ message }: SignalResponse): boolean {
  return message.case === "mute" || message.case === "trackPublished" || message.case === "trackUnpublished";
}
