/**
 * `/debug/rooms`: every room with who is in it and what they publish, in the shape of LiveKit's. It asks for no token: it is
 * served on the main port in development only, and on `debug_handler.port`. The rest of LiveKit's debug paths is about Go.
 */
import { createServer, type Server } from "node:http";
import { ParticipantInfo_State, type ParticipantInfo } from "@livekit/protocol";
import { Refusal } from "@stoa/core/room/admin/action";
import { readParticipants, readRoom } from "@stoa/core/room/admin/read";
import type { RoomRegistry } from "../rooms/registry.ts";
import { splitTarget } from "./path.ts";

export const DEBUG_ROOMS = "/debug/rooms";

/** All rooms, as JSON. */
export function debugRooms(registry: RoomRegistry): string {
  const rooms = registry.rooms.flatMap((runner) => {
    const room = runner.act(readRoom);
    const participants = runner.act(readParticipants);
    if (room instanceof Refusal || participants instanceof Refusal) return [];
    return {
      Name: room.name,
      Sid: room.sid,
      CreatedAt: Number(room.creationTime),
      Worker: runner.worker,
      Participants: Object.fromEntries(participants.map((one) => [one.identity, participantJson(one)])),
    };
  });
  return JSON.stringify(rooms);
}

/** What listens on `debug_handler.port`. */
export function createDebugServer(registry: RoomRegistry): Server {
  return createServer({ requestTimeout: 10_000 }, (request, response) => {
    const found = splitTarget(request.url ?? "/").path === DEBUG_ROOMS;
    response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
    response.end(found ? debugRooms(registry) : undefined);
  });
}

function participantJson({ sid, state, tracks }: ParticipantInfo) {
  return {
    ID: sid,
    State: ParticipantInfo_State[state],
    Tracks: tracks.map((track) => track.toJson({ useProtoFieldName: true })),
  };
}
