/** RoomService.PerformRpc: calls a method of a participant's client. The answer comes later, as the effect `rpcDone`. */
import { tooLong } from "../profile.ts";
import { MAX_RPC_PAYLOAD_BYTES, RPC_CODES, startRpc } from "../rpc.ts";
import { participantOf, Refusal, type Action } from "./action.ts";

/** Calls of one room that may wait for their answers. */
const MAX_PENDING = 1000;

/** Gives the id of the call. */
export function performRpc(request: {
  readonly destinationIdentity: string;
  readonly method: string;
  readonly payload: string;
  readonly responseTimeoutMs: number;
}): Action<string> {
  const { destinationIdentity, payload } = request;
  return (room) => {
    if (destinationIdentity === "") {
      return new Refusal("invalid_argument", "destination identity is required", "destination_identity");
    }
    const participant = participantOf(room, destinationIdentity);
    if (participant instanceof Refusal) return participant;
    if (participant.forwardedFrom) {
      return new Refusal("failed_precondition", "the participant is forwarded from another room; call it there");
    }
    if (tooLong(payload, MAX_RPC_PAYLOAD_BYTES)) {
      const { code, message } = RPC_CODES.requestTooLarge;
      return new Refusal(
        "invalid_argument",
        `RpcError ${code}: ${message} (at most ${MAX_RPC_PAYLOAD_BYTES} bytes)`,
        "payload",
      );
    }
    if (room.rpcs.size >= MAX_PENDING) {
      return new Refusal("resource_exhausted", `${MAX_PENDING} calls of this room wait for their answers already`);
    }
    return startRpc(room, participant, request);
  };
}
