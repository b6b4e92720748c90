/**
 * SignalRequest.sync_state: what a client that resumes believes to be the state (livekit.md 1.11). It must not publish
 * tracks that we do not know, but for those that we ended while it was away, of which it reads just now. Its subscriptions
 * and switched-off tracks are taken over. Its SDP and data channels survived with the peers and are not looked at; what
 * it has received on them is for the worker, should it replace one.
 */
import { UpdateTrackSettings, type DataTrackInfo, type SyncState } from "@livekit/protocol";
import { sendDataTrackPublished, sendDataTrackUnpublished } from "../data-track.ts";
import { fullReconnect } from "../leave.ts";
import type { Participant } from "../participant.ts";
import type { ParticipantSid, TrackSid } from "../sid.ts";
import type { RoomState } from "../state.ts";
import { handleDataSubscription } from "./data-subscription.ts";
import { handleSubscription } from "./subscription.ts";
import { rememberSettings } from "./track-setting.ts";

/** Of whose messages a client may say how many it has. */
const MAX_SENDERS = 1000;
const MAX_SID_LENGTH = 64;

/** Takes it over, or has the client start anew. */
export function handleSyncState(room: RoomState, participant: Participant, state: SyncState): void {
  const stranger = state.publishTracks.find(({ track }) => !track || !publishes(participant, track.sid));
  if (stranger) {
    fullReconnect(
      room,
      participant,
      `the client publishes ${stranger.track?.sid ?? "a track without sid"}, unknown here`,
    );
    return;
  }
  if (!syncDataTracks(room, participant, state)) return;
  const sequences = new Map<ParticipantSid, number>();
  for (const { publisherSid, lastSeq } of state.datachannelReceiveStates.slice(0, MAX_SENDERS)) {
    if (publisherSid.length <= MAX_SID_LENGTH) sequences.set(publisherSid, lastSeq);
  }
  room.media({ type: "noteReceived", room: room.options.sid, participant: participant.sid, sequences });
  // Settings first: a track that is switched off must not start.
  for (const sid of state.trackSidsDisabled) {
    rememberSettings(room, participant, sid, new UpdateTrackSettings({ disabled: true }));
  }
  if (state.dataSubscription) handleDataSubscription(room, participant, state.dataSubscription);
  if (state.subscription) handleSubscription(room, participant, state.subscription);
}

/**
 * An answer may be lost with the connection that it was sent on: the client still waits for a track that it asked for, or shows
 * one that has ended. False: it shows one that never was, and starts anew.
 */
function syncDataTracks(room: RoomState, participant: Participant, { publishDataTracks }: SyncState): boolean {
  const shown = new Set(publishDataTracks.map(({ info }) => info?.sid ?? ""));
  const ended: DataTrackInfo[] = [];
  for (const sid of shown) {
    if (room.dataTracks.get(sid)?.publisher === participant.sid) continue;
    const info = participant.endedDataTracks.find((one) => one.sid === sid);
    if (!info) {
      fullReconnect(room, participant, `the client publishes ${sid || "a data track without sid"}, unknown here`);
      return false;
    }
    ended.push(info);
  }
  for (const info of ended) sendDataTrackUnpublished(room, participant, info);
  for (const { info } of participant.dataTracks.values()) {
    if (!shown.has(info.sid)) sendDataTrackPublished(room, participant, info);
  }
  return true;
}

function publishes(participant: Participant, sid: TrackSid): boolean {
  if (participant.tracks.has(sid) || participant.endedWhileAway.has(sid)) return true;
  for (const pending of participant.pending.values()) {
    if (pending.infos.some((info) => info.sid === sid)) return true;
  }
  return false;
}
