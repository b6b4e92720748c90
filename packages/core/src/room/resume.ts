/**
 * Back after the signal connection broke (livekit.md 1.11): the session, its peers and its tracks are as they were; only
 * the signal connection is a new one. Invariant: ReconnectResponse first, then everything that the client may have missed.
 */
import { ReconnectResponse, RoomUpdate } from "@livekit/protocol";
import { repeatData } from "./data-subscriptions.ts";
import { repeatDynacast } from "./dynacast.ts";
import { wayResumed } from "./fallback.ts";
import { clientConfiguration } from "./join-response.ts";
import { setMember } from "./members.ts";
import { restartIce } from "./negotiate.ts";
import type { JoinInput } from "./options.ts";
import type { Participant } from "./participant.ts";
import { dropSignal } from "./signal.ts";
import { tellSpeakersAgain } from "./speakers.ts";
import type { RoomState } from "./state.ts";
import { reconsiderAll } from "./subscriptions.ts";
import { refreshToken } from "./token.ts";
import { sendMissedDepartures, sendSnapshot } from "./updates.ts";
import { usableIceServers } from "./way.ts";

const RESTORE_MEDIA_WITHIN_MS = 20_000;

/** Moves the session to the signal connection of `input`. */
export function resume(room: RoomState, participant: Participant, input: JoinInput): void {
  room.endSignal(participant);
  participant.connection = input.connection;
  const accident = takeAccident(room, participant);
  if (accident === "before") return dropSignal(room, participant);
  const silentMs = room.nowMs - participant.lastHeardMs;
  participant.lastHeardMs = room.nowMs;
  participant.connectedMs = room.nowMs;
  wayResumed(room, participant, input.resume?.reason);
  awaitMedia(room, participant);

  if (participant.features.reconnectResponse) {
    room.send(participant, { case: "reconnect", value: reconnectResponse(room, participant) });
  }
  const missed = participant.unheard.missed(participant.unsureSinceMs);
  participant.endedWhileAway = missed.ended;
  // Before the snapshot shows the client its own track muted: it would contradict.
  for (const message of missed.own) room.deliver(participant, message);
  const departures = participant.features.disconnectedUpdates ? sendMissedDepartures(room, participant) : 0;
  sendSnapshot(room, participant);
  room.send(participant, { case: "roomUpdate", value: new RoomUpdate({ room: room.info() }) });
  for (const message of missed.others) room.deliver(participant, message);
  tellSpeakersAgain(room, participant, missed.speakers);
  refreshToken(room, participant);
  reconsiderAll(room, participant);
  setMember(room, participant);
  repeatData(room, participant);
  const again = missed.own.length + missed.others.length;
  room.event("resumed", participant, inWords(silentMs, again, departures, participant.lastDataSequence));
  repeatDynacast(room, participant);
  restartIce(room, participant);
  if (accident === "after") dropSignal(room, participant);
}

/** "not heard for 3.2 s; told again: 2 messages, 3 departures; has sent reliable data until number 40", for the timeline. */
function inWords(silentMs: number, messages: number, departures: number, dataSequence: number): string {
  const again = [`${messages} messages`, `${departures} departures`].filter((one) => !one.startsWith("0 "));
  const told = again.length > 0 ? `; told again: ${again.join(", ")}` : "";
  const data = dataSequence > 0 ? `; has sent reliable data until number ${dataSequence}` : "";
  return `not heard for ${(silentMs / 1000).toFixed(1)} s${told}${data}`;
}

/** Whether a test wants this resume to fail, and when. */
function takeAccident(room: RoomState, participant: Participant): "before" | "after" | undefined {
  const { failResume } = participant;
  participant.failResume = undefined;
  return failResume && room.nowMs <= failResume.untilMs ? failResume.when : undefined;
}

/** Media that had failed, or is about to, gets a new chance, and is given up if the restart of ICE does not bring it back. */
function awaitMedia(room: RoomState, participant: Participant): void {
  room.timers.clear("mediaGone", participant.sid);
  for (const link of [participant.publisher, participant.subscriber]) {
    if (link?.state !== "failed" && link?.state !== "disconnected") continue;
    link.state = "disconnected";
    room.timers.set("mediaGone", participant.sid, room.nowMs + RESTORE_MEDIA_WITHIN_MS);
  }
}

function reconnectResponse(room: RoomState, participant: Participant): ReconnectResponse {
  return new ReconnectResponse({
    iceServers: usableIceServers(room.options.server.iceServers(participant.sid), participant.way),
    clientConfiguration: clientConfiguration(room, participant),
    serverInfo: room.serverInfo,
    lastMessageSeq: participant.lastDataSequence,
  });
}
