/**
 * The wait for the end of an empty room (livekit.md 4.2): since its creation, or since the last one left. Agents and
 * recorders do not keep a room open.
 */
import type { RoomState } from "./state.ts";

/** Starts the wait when nobody is left who keeps the room open; a running one starts anew. */
export function armEmptyTimer(room: RoomState): void {
  if (room.closed) return;
  for (const participant of room.participants.values()) {
    if (!participant.dependent) return;
  }
  room.timers.set("emptyRoom", "", room.nowMs + room.emptyAfterMs);
}

/** Somebody came who keeps the room open. */
export function disarmEmptyTimer(room: RoomState): void {
  room.timers.clear("emptyRoom", "");
}
