/** SignalRequest.ping and ping_req: the client checks that we are there and measures the way (livekit.md 1.6). */
import { Pong, type Ping } from "@livekit/protocol";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";

/** The time in milliseconds: nanoseconds would not fit a JavaScript number. */
export function handlePing(room: RoomState, participant: Participant): void {
  room.send(participant, { case: "pong", value: nowMs(room) });
}

/** Echoes the client's time, so that it can measure the round trip. */
export function handlePingReq(room: RoomState, participant: Participant, ping: Ping): void {
  participant.way.signalRttMs = Number(ping.rtt);
  const value = new Pong({ lastPingTimestamp: ping.timestamp, timestamp: nowMs(room) });
  room.send(participant, { case: "pongResp", value });
}

function nowMs(room: RoomState): bigint {
  return BigInt(Math.floor(room.nowMs));
}
