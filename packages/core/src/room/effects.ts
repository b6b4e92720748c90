/**
 * Everything a room asks of its surroundings. The room performs nothing itself: the runner takes the list after each
 * input and performs it in order. Invariant: effects name an instance (participant SID and signal connection), so that
 * a late one misses the successor of the same identity.
 */
import type {
  AgentDispatch,
  ClientInfo,
  DisconnectReason,
  ParticipantInfo,
  Room as RoomInfo,
  SignalResponse,
  SubscriptionError,
  TrackInfo,
} from "@livekit/protocol";
import type { MediaCommand } from "../engine/commands.ts";
import type { Forwarded, ForwardSource } from "./forwards.ts";
import type { Claims } from "./options.ts";
import type { RpcOutcome } from "./rpc.ts";
import type { ParticipantSid, TrackSid } from "./sid.ts";

/** One signal connection (WebSocket) as the server numbers them; never used twice in a process. */
export type SignalId = number;

/** What happened to a participant: feeds webhooks, the store and the participant's timeline. */
export type ParticipantEventKind =
  | "joined"
  | "active"
  | "updated"
  | "signalLost"
  | "resumed"
  | "mediaConnected"
  | "mediaDisconnected"
  | "mediaFailed"
  /** Its media is to travel another way from now on (detail: "any", "tcp", "tls"). */
  | "transportChosen"
  | "negotiationFailed"
  | "trackPublished"
  | "trackUnpublished"
  /** Of data: its TrackInfo is SID, name and type. */
  | "dataTrackPublished"
  | "dataTrackUnpublished"
  | "left";

export type Effect =
  /** The first effect of a room. */
  | { readonly type: "roomCreated"; readonly room: RoomInfo }
  /**
   * Send on that signal connection. The same `message` object goes to many recipients in a broadcast:
   * encode it once and remember the bytes by object identity.
   */
  | {
      readonly type: "send";
      readonly to: ParticipantSid;
      readonly connection: SignalId;
      readonly message: SignalResponse;
    }
  /** Close that signal connection (1000); `afterFlush`: what was sent before goes out first, with a deadline. */
  | {
      readonly type: "endSignal";
      readonly participant: ParticipantSid;
      readonly connection: SignalId;
      readonly afterFlush: boolean;
    }
  | { readonly type: "media"; readonly command: MediaCommand }
  /** Sign a token with these claims and send it as `refresh_token` (livekit.md 1.6). */
  | {
      readonly type: "refreshToken";
      readonly participant: ParticipantSid;
      readonly connection: SignalId;
      readonly claims: Claims;
    }
  | {
      readonly type: "participantEvent";
      readonly kind: ParticipantEventKind;
      readonly participant: ParticipantInfo;
      /** Set for the track events. */
      readonly track: TrackInfo | undefined;
      /** For people: why, in words. */
      readonly detail: string;
      /** With "joined": what it joined with. Absent where it is forwarded from another room. */
      readonly client?: ClientInfo;
      readonly atMs: number;
    }
  /** A track is to be sent to somebody from now on, which takes a negotiation; or it cannot be, for this reason. */
  | {
      readonly type: "subscription";
      readonly subscriber: ParticipantSid;
      readonly track: TrackSid;
      readonly error: SubscriptionError | undefined;
    }
  /** A participant that another room shows has changed, or left. */
  | { readonly type: "forwarded"; readonly destination: string; readonly forwarded: Forwarded }
  /** What the subscribers here want of a track of it: a level for each codec. */
  | {
      readonly type: "forwardWanted";
      readonly source: ForwardSource;
      readonly track: TrackSid;
      readonly levels: readonly number[];
    }
  /** This room does not show a participant of another room any more. */
  | { readonly type: "forwardEnded"; readonly source: ForwardSource }
  /** A call of the server to a participant has ended. */
  | { readonly type: "rpcDone"; readonly id: string; readonly outcome: RpcOutcome }
  /** An agent is called into the room (AgentDispatchService, or the configuration of a new room). */
  | { readonly type: "dispatchCreated"; readonly dispatch: AgentDispatch }
  /** It is not wanted any more: its jobs end. */
  | { readonly type: "dispatchDeleted"; readonly dispatch: AgentDispatch }
  /** Counters, metadata or the recording flag changed: store it. */
  | { readonly type: "roomUpdated"; readonly room: RoomInfo }
  /** The last effect of a room: forget it. */
  | { readonly type: "roomClosed"; readonly room: RoomInfo; readonly reason: DisconnectReason };
