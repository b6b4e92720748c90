/**
 * What a program that embeds the server is asked and told. The messages are LiveKit's (`@livekit/protocol`); whoever gets
 * one must not change it.
 */
import type { DataPacket, ParticipantInfo, Room, TrackInfo } from "@livekit/protocol";
import type { Grants } from "@stoa/core/room/options";

/** Somebody wants to join. */
export interface JoinAttempt {
  readonly room: string;
  readonly identity: string;
  readonly name: string;
  /** "standard", "agent", "ingress" … */
  readonly kind: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** What the token allows. */
  readonly grants: Grants;
  /** The API key that signed the token. */
  readonly apiKey: string;
  readonly client: {
    /** "JS", "SWIFT" …, as in LiveKit's ClientInfo. */
    readonly sdk: string;
    readonly version: string;
    readonly browser: string;
    readonly os: string;
    readonly address: string;
  };
  /** A client only asks whether it could join (`/rtc/validate`), often to learn why it could not. */
  readonly dryRun: boolean;
}

/** Yes, with other words or rights than the token says; what is left out stays. The limits of a token's words hold here too. */
export interface JoinAllowed {
  readonly allow: true;
  readonly name?: string;
  readonly metadata?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly grants?: Partial<Grants>;
}

/** No: the client gets this status (403 if left out) with this text. */
export interface JoinDenied {
  readonly allow: false;
  readonly reason: string;
  readonly status?: 401 | 403 | 429 | 503;
}

/** The answer to an attempt; nothing means yes. */
export type JoinDecision = JoinAllowed | JoinDenied | undefined | void;

/** Something happened to a participant. */
export interface ParticipantHookEvent {
  readonly room: string;
  readonly participant: ParticipantInfo;
}

/** A data message between participants, as its recipients get it. */
export interface DataHookEvent {
  readonly room: string;
  readonly identity: string;
  readonly participantSid: string;
  readonly reliable: boolean;
  /** Of user packets (`publishData`); "" and undefined for chat, RPC, streams and encrypted packets. */
  readonly topic: string;
  readonly payload: Uint8Array | undefined;
  /** The whole message. */
  readonly packet: DataPacket;
}

/** What is told. Nobody waits for these; one that throws is a line in the log. */
export interface EventHooks {
  roomStarted?(event: { readonly room: Room }): unknown;
  roomFinished?(event: { readonly room: Room }): unknown;
  /** Its media is connected: the others see it. */
  participantJoined?(event: ParticipantHookEvent): unknown;
  /** `participant.disconnectReason` and `detail` say why. */
  participantLeft?(event: ParticipantHookEvent & { readonly detail: string }): unknown;
  trackPublished?(event: ParticipantHookEvent & { readonly track: TrackInfo }): unknown;
  trackUnpublished?(event: ParticipantHookEvent & { readonly track: TrackInfo }): unknown;
  /** Costs a copy of each message to the main thread; beyond 5,000 messages or 8 MiB a second some are left out. */
  data?(event: DataHookEvent): unknown;
}

/** The hooks of a server. */
export interface ServerHooks {
  /**
   * Asked before anybody joins, not for one who resumes a session. One that throws, takes longer than `deadlineMs`, or
   * answers what cannot be, denies this request with status 503 and is a line in the log.
   */
  beforeJoin?(attempt: JoinAttempt): JoinDecision | Promise<JoinDecision>;
  /** 5,000 if left out. */
  readonly deadlineMs?: number;
  readonly on?: EventHooks;
}
