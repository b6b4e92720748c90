/**
 * What a token must grant for each method (livekit.md section 5). Missing and insufficient grants are one answer,
 * 401 `unauthenticated`, which names nothing that its caller may not know.
 */
import type { TokenGrants } from "../auth/claims.ts";
import type { RequestOf, ServiceName, Services } from "./services.ts";

/** Whether these grants allow this request. */
export type GrantCheck<In> = (grants: TokenGrants, request: In) => boolean;

type Grants = { [S in ServiceName]: { [M in keyof Services[S]]: GrantCheck<RequestOf<Services[S][M]>> } };

const create: GrantCheck<unknown> = ({ video }) => video?.roomCreate === true;
const list: GrantCheck<unknown> = ({ video }) => video?.roomList === true;
const record: GrantCheck<unknown> = ({ video }) => video?.roomRecord === true;
const ingress: GrantCheck<unknown> = ({ video }) => video?.ingressAdmin === true;
const sipAdmin: GrantCheck<unknown> = ({ sip }) => sip?.admin === true;
const sipCall: GrantCheck<unknown> = ({ sip }) => sip?.call === true;

/** Administers the room that the request names. */
const admin: GrantCheck<{ room: string }> = (grants, { room }) => administers(grants, room);

/** Administers the room, and may put somebody into the other one. */
const between: GrantCheck<{ room: string; destinationRoom: string }> = (grants, request) =>
  administers(grants, request.room) && request.destinationRoom === (grants.video?.destinationRoom ?? "");

function administers({ video }: TokenGrants, room: string): boolean {
  return video?.roomAdmin === true && room === (video.room ?? "");
}

/** Service → method → check; complete by its type. */
export const GRANTS: Grants = {
  "livekit.RoomService": {
    CreateRoom: create,
    ListRooms: list,
    DeleteRoom: create,
    ListParticipants: admin,
    GetParticipant: admin,
    RemoveParticipant: admin,
    MutePublishedTrack: admin,
    UpdateParticipant: admin,
    UpdateSubscriptions: admin,
    SendData: admin,
    UpdateRoomMetadata: admin,
    ForwardParticipant: between,
    MoveParticipant: between,
    PerformRpc: admin,
  },
  "livekit.AgentDispatchService": { CreateDispatch: admin, DeleteDispatch: admin, ListDispatch: admin },
  "livekit.Egress": {
    StartEgress: record,
    StartRoomCompositeEgress: record,
    StartWebEgress: record,
    StartParticipantEgress: record,
    StartTrackCompositeEgress: record,
    StartTrackEgress: record,
    UpdateLayout: record,
    UpdateStream: record,
    ListEgress: record,
    StopEgress: record,
  },
  "livekit.Ingress": { CreateIngress: ingress, UpdateIngress: ingress, ListIngress: ingress, DeleteIngress: ingress },
  "livekit.SIP": {
    ListSIPTrunk: sipAdmin,
    CreateSIPInboundTrunk: sipAdmin,
    CreateSIPOutboundTrunk: sipAdmin,
    UpdateSIPInboundTrunk: sipAdmin,
    UpdateSIPOutboundTrunk: sipAdmin,
    GetSIPInboundTrunk: sipAdmin,
    GetSIPOutboundTrunk: sipAdmin,
    ListSIPInboundTrunk: sipAdmin,
    ListSIPOutboundTrunk: sipAdmin,
    DeleteSIPTrunk: sipAdmin,
    CreateSIPDispatchRule: sipAdmin,
    UpdateSIPDispatchRule: sipAdmin,
    ListSIPDispatchRule: sipAdmin,
    DeleteSIPDispatchRule: sipAdmin,
    CreateSIPParticipant: sipCall,
    TransferSIPParticipant: (grants, request) => sipCall(grants, request) && administers(grants, request.roomName),
  },
};
