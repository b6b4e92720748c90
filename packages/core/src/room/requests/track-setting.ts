/**
 * SignalRequest.track_setting: size, quality, frame rate or "off" for tracks that the client receives (livekit.md 1.13).
 * What becomes visible is switched on at once; other changes come in bursts while windows move, and are gathered.
 */
import type { UpdateTrackSettings } from "@livekit/protocol";
import { applySettings } from "../downlinks.ts";
import type { Participant } from "../participant.ts";
import type { TrackSid } from "../sid.ts";
import type { RoomState } from "../state.ts";
import { subscriptionOf } from "../subscriptions.ts";

const GATHER_MS = 100;

/** Remembers them per track, and puts them into force now or soon. */
export function handleTrackSetting(room: RoomState, participant: Participant, settings: UpdateTrackSettings): void {
  const common = settings.clone();
  common.trackSids = [];
  for (const sid of settings.trackSids) rememberSettings(room, participant, sid, common);
}

/** Settings for one track, without `trackSids`; it need not exist yet. */
export function rememberSettings(
  room: RoomState,
  participant: Participant,
  sid: TrackSid,
  settings: UpdateTrackSettings,
): void {
  const subscription = subscriptionOf(room, participant, sid);
  if (!subscription) return;
  const before = subscription.settings;
  if (before?.equals(settings)) return;
  subscription.settings = settings;
  if (before?.disabled && !settings.disabled) {
    participant.changedSettings.delete(sid);
    applySettings(room, participant, sid);
    return;
  }
  participant.changedSettings.add(sid);
  if (!room.timers.isSet("trackSettings", participant.sid)) {
    room.timers.set("trackSettings", participant.sid, room.nowMs + GATHER_MS);
  }
}

/** The timer of the gathered changes. */
export function applyGatheredSettings(room: RoomState, participant: Participant): void {
  for (const sid of participant.changedSettings) applySettings(room, participant, sid);
  participant.changedSettings.clear();
}
