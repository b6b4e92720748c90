/** When a client gets a fresh token (livekit.md 1.6): after join and resume, every five minutes, and when its claims change. */
import type { Participant } from "./participant.ts";
import type { RoomState } from "./state.ts";

const REFRESH_EVERY_MS = 5 * 60_000;

/** Has a token sent now, and the next one in five minutes. */
export function refreshToken(room: RoomState, participant: Participant): void {
  room.timers.set("refreshToken", participant.sid, room.nowMs + REFRESH_EVERY_MS);
  if (participant.connection === undefined) return;
  const { sid, connection, claims } = participant;
  room.emit({ type: "refreshToken", participant: sid, connection, claims });
}
