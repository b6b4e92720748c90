/**
 * Everything a room asks of its surroundings. The room performs nothing itself: the runner takes the list after each
 * input and performs it in order. Invariant: effects name an instance (participant SID and signal connection), so that
 * a late one misses the successor of the same identity.
 */
import type {
  DisconnectReason,
  ParticipantInfo,
  Room as RoomInfo,
  RoomConfiguration,
  SignalResponse,
  TrackInfo,
} from "@livekit/protocol";
import type { MediaCommand } from "../engine/protocol.ts";
import type { Claims } from "./options.ts";
import type { ParticipantSid } from "./sid.ts";

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
  | "negotiationFailed"
  | "trackPublished"
  | "trackUnpublished"
  | "left";

export type Effect =
  /** The first effect of a room; `config` is what it was made with (agents to dispatch, tags). */
  | { readonly type: "roomCreated"; readonly room: RoomInfo; readonly config: RoomConfiguration }
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
      readonly atMs: number;
    }
  /** Counters, metadata or the recording flag changed: store it. */
  | { readonly type: "roomUpdated"; readonly room: RoomInfo }
  /** The last effect of a room: forget it. */
  | { readonly type: "roomClosed"; readonly room: RoomInfo; readonly reason: DisconnectReason };
