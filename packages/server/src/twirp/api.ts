/** The API of this server: each method of each service, by name. A missing one does not compile. */
import { ABSENT_INGRESS, ABSENT_SIP, absentEgress } from "./absent.ts";
import { createDispatch } from "./agent-dispatch/create-dispatch.ts";
import { deleteDispatch } from "./agent-dispatch/delete-dispatch.ts";
import { listDispatch } from "./agent-dispatch/list-dispatch.ts";
import type { ApiContext } from "./context.ts";
import type { Api } from "./handler.ts";
import { createRoom } from "./room-service/create-room.ts";
import { deleteRoom } from "./room-service/delete-room.ts";
import { forwardParticipant } from "./room-service/forward-participant.ts";
import { getParticipant } from "./room-service/get-participant.ts";
import { listParticipants } from "./room-service/list-participants.ts";
import { listRooms } from "./room-service/list-rooms.ts";
import { moveParticipant } from "./room-service/move-participant.ts";
import { mutePublishedTrack } from "./room-service/mute-published-track.ts";
import { performRpc } from "./room-service/perform-rpc.ts";
import { removeParticipant } from "./room-service/remove-participant.ts";
import { sendData } from "./room-service/send-data.ts";
import { updateParticipant } from "./room-service/update-participant.ts";
import { updateRoomMetadata } from "./room-service/update-room-metadata.ts";
import { updateSubscriptions } from "./room-service/update-subscriptions.ts";

/** All methods over one set of rooms. */
export function createApi(context: ApiContext): Api {
  return {
    "livekit.RoomService": {
      CreateRoom: (request) => createRoom(context, request),
      ListRooms: (request) => listRooms(context, request),
      DeleteRoom: (request) => deleteRoom(context, request),
      ListParticipants: (request) => listParticipants(context, request),
      GetParticipant: (request) => getParticipant(context, request),
      RemoveParticipant: (request) => removeParticipant(context, request),
      MutePublishedTrack: (request) => mutePublishedTrack(context, request),
      UpdateParticipant: (request) => updateParticipant(context, request),
      UpdateSubscriptions: (request) => updateSubscriptions(context, request),
      SendData: (request) => sendData(context, request),
      UpdateRoomMetadata: (request) => updateRoomMetadata(context, request),
      ForwardParticipant: (request) => forwardParticipant(context, request),
      MoveParticipant: (request) => moveParticipant(context, request),
      PerformRpc: (request) => performRpc(context, request),
    },
    "livekit.AgentDispatchService": {
      CreateDispatch: (request) => createDispatch(context, request),
      DeleteDispatch: (request) => deleteDispatch(context, request),
      ListDispatch: (request) => listDispatch(context, request),
    },
    "livekit.Egress": absentEgress(context),
    "livekit.Ingress": ABSENT_INGRESS,
    "livekit.SIP": ABSENT_SIP,
  };
}
