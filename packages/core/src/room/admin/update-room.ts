/** RoomService.UpdateRoomMetadata, and CreateRoom for a room that exists: everybody in it hears of the change at once. */
import type { Room as RoomInfo, RoomConfiguration } from "@livekit/protocol";
import { armEmptyTimer } from "../empty.ts";
import { tooLong } from "../profile.ts";
import { sendRoomUpdate } from "../updates.ts";
import { Refusal, type Action } from "./action.ts";

/** Empty metadata is metadata too: it removes what was there. */
export function updateRoomMetadata(metadata: string): Action<RoomInfo> {
  return (room) => {
    const { metadataBytes } = room.options.server.limits;
    if (tooLong(metadata, metadataBytes)) {
      return new Refusal("invalid_argument", `metadata size exceeds limits: max length ${metadataBytes}`, "metadata");
    }
    if (metadata !== room.metadata) {
      room.metadata = metadata;
      sendRoomUpdate(room);
    }
    return room.info();
  };
}

/** Takes over what is said; zero and empty mean "as it is". Agents and egress are for new rooms only. */
export function reconfigureRoom(config: RoomConfiguration): Action<RoomInfo> {
  return (room) => {
    const before = room.info();
    const { config: own } = room.options;
    room.emptyTimeoutS = config.emptyTimeout || room.emptyTimeoutS;
    room.departureTimeoutS = config.departureTimeout || room.departureTimeoutS;
    room.maxParticipants = config.maxParticipants || room.maxParticipants;
    room.metadata = config.metadata || room.metadata;
    // For those who join from now on.
    own.minPlayoutDelay = config.minPlayoutDelay || own.minPlayoutDelay;
    own.maxPlayoutDelay = config.maxPlayoutDelay || own.maxPlayoutDelay;
    own.syncStreams = config.syncStreams || own.syncStreams;
    const after = room.info();
    after.version = before.version;
    if (!after.equals(before)) {
      if (room.timers.isSet("emptyRoom", "")) armEmptyTimer(room);
      sendRoomUpdate(room);
    }
    return room.info();
  };
}
