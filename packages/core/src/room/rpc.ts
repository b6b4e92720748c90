/**
 * Calls that the server makes to a participant (PerformRpc, livekit.md 2.5): a request over its data channel, an
 * acknowledgement, a response. Invariant: every call ends once, with a payload or with one of LiveKit's error codes, at the
 * latest when its time is over or its participant has gone.
 */
import { DataPacket, DataPacket_Kind, RpcRequest } from "@livekit/protocol";
import type { Participant } from "./participant.ts";
import { newSid, type ParticipantSid } from "./sid.ts";
import type { RoomState } from "./state.ts";

/** Why a call failed; the codes of the client SDKs. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data: string;
}

/** How a call ended. */
export type RpcOutcome = { readonly payload: string } | { readonly error: RpcError };

/** Codes that this server gives; those of the participant pass through. */
export const RPC_CODES = {
  requestTooLarge: { code: 1402, message: "Request payload too large" },
  application: { code: 1500, message: "Application error in method handler" },
  connectionTimeout: { code: 1501, message: "Connection timeout" },
  responseTimeout: { code: 1502, message: "Response timeout" },
  recipientDisconnected: { code: 1503, message: "Recipient disconnected" },
} as const;

/** Bytes of the payload of one call. */
export const MAX_RPC_PAYLOAD_BYTES = 15_360;
const DEFAULT_RESPONSE_TIMEOUT_MS = 10_000;
/** Nobody holds a connection to the API for longer. */
const MAX_RESPONSE_TIMEOUT_MS = 120_000;
/** A client acknowledges at once: this is the longest round trip. */
const ACK_WITHIN_MS = 2000;
const VERSION = 1;

/** Sends the request; the outcome comes as an effect with the id that this gives. */
export function startRpc(
  room: RoomState,
  participant: Participant,
  request: { readonly method: string; readonly payload: string; readonly responseTimeoutMs: number },
): string {
  const id = newSid(room.options.random, "RPC_");
  const wantedMs = request.responseTimeoutMs || DEFAULT_RESPONSE_TIMEOUT_MS;
  const responseTimeoutMs = Math.min(wantedMs, MAX_RESPONSE_TIMEOUT_MS);
  room.rpcs.set(id, { participant: participant.sid });
  room.timers.set("rpcAck", id, room.nowMs + ACK_WITHIN_MS);
  room.timers.set("rpcResponse", id, room.nowMs + responseTimeoutMs);
  room.media({ type: "awaitRpc", id, awaited: true });
  const { method, payload } = request;
  const packet = new DataPacket({
    kind: DataPacket_Kind.RELIABLE,
    // The answers go to this name, which no participant has.
    participantIdentity: id,
    value: { case: "rpcRequest", value: new RpcRequest({ id, method, payload, responseTimeoutMs, version: VERSION }) },
  });
  room.media({
    type: "sendData",
    room: room.options.sid,
    to: [participant.sid],
    reliable: true,
    packet: packet.toBinary(),
  });
  return id;
}

/** An RpcAck or RpcResponse from a participant; one for a call to somebody else is a forgery. */
export function handleRpcReply(room: RoomState, from: ParticipantSid, bytes: Uint8Array): void {
  const { value } = parse(bytes);
  if (value.case !== "rpcAck" && value.case !== "rpcResponse") return;
  const id = value.value.requestId;
  if (room.rpcs.get(id)?.participant !== from) return;
  if (value.case === "rpcAck") {
    room.timers.clear("rpcAck", id);
    return;
  }
  const answer = value.value.value;
  if (answer.case === "payload") finish(room, id, { payload: answer.value });
  else if (answer.case === "error") {
    const { code, message, data } = answer.value;
    finish(room, id, { error: { code, message, data } });
  } else finish(room, id, { error: { ...RPC_CODES.application, data: "the response has no payload" } });
}

/** A timer of a call: nobody acknowledged it, or nobody answered. */
export function rpcTimedOut(room: RoomState, id: string, kind: "rpcAck" | "rpcResponse"): void {
  const reason = kind === "rpcAck" ? RPC_CODES.connectionTimeout : RPC_CODES.responseTimeout;
  finish(room, id, { error: { ...reason, data: "" } });
}

/** The participant has gone: nobody will answer. */
export function failRpcsOf(room: RoomState, participant: Participant): void {
  for (const [id, pending] of room.rpcs) {
    if (pending.participant !== participant.sid) continue;
    finish(room, id, { error: { ...RPC_CODES.recipientDisconnected, data: "" } });
  }
}

function finish(room: RoomState, id: string, outcome: RpcOutcome): void {
  if (!room.rpcs.delete(id)) return;
  room.timers.clear("rpcAck", id);
  room.timers.clear("rpcResponse", id);
  room.media({ type: "awaitRpc", id, awaited: false });
  room.emit({ type: "rpcDone", id, outcome });
}

function parse(bytes: Uint8Array): DataPacket {
  try {
    return DataPacket.fromBinary(bytes);
  } catch {
    return new DataPacket();
  }
}
