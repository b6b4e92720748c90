/** What the runner needs of a room: the surface of `core/room`'s `Room`, so that a test can put a script in its place. */
import type { DisconnectReason, SignalRequest } from "@livekit/protocol";
import type { MediaEvent } from "@stoa/core/engine/events";
import type { Action, Refusal } from "@stoa/core/room/admin/action";
import type { Effect, SignalId } from "@stoa/core/room/effects";
import type { JoinInput, JoinResult, RoomOptions } from "@stoa/core/room/options";
import type { ParticipantSid } from "@stoa/core/room/sid";

/** A reducer: inputs in, effects out. */
export interface RoomMachine {
  join(input: JoinInput, nowMs: number): JoinResult;
  handleRequest(from: ParticipantSid, connection: SignalId, request: SignalRequest, nowMs: number): void;
  handleMedia(event: MediaEvent, nowMs: number): void;
  handleSignalClosed(from: ParticipantSid, connection: SignalId, nowMs: number, why?: string): void;
  act<Answer>(action: Action<Answer>, nowMs: number): Answer | Refusal;
  close(reason: DisconnectReason, nowMs: number): void;
  nextTimeoutMs(): number;
  handleTimeout(nowMs: number): void;
  takeEffects(): Effect[];
}

/** Makes the machine of a new room. */
export type RoomFactory = (options: RoomOptions) => RoomMachine;
