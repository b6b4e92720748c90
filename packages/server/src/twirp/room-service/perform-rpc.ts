/** RoomService.PerformRpc: calls a method of a participant's client and waits for its answer (livekit.md 2.5). */
import { PerformRpcResponse, type PerformRpcRequest } from "@livekit/protocol";
import { performRpc as perform } from "@stoa/core/room/admin/perform-rpc";
import type { RpcError } from "@stoa/core/room/rpc";
import { inRoom, type ApiContext } from "../context.ts";
import { TwirpError, type TwirpCode } from "../errors.ts";

/** What the codes of LiveKit's RPC errors are in Twirp; those of an application are its own affair. */
const CODES: Readonly<Record<number, TwirpCode>> = {
  1400: "invalid_argument",
  1401: "not_found",
  1402: "invalid_argument",
  1403: "unimplemented",
  1404: "unimplemented",
  1500: "internal",
  1501: "canceled",
  1502: "canceled",
  1503: "unavailable",
  1504: "internal",
  1505: "internal",
};

export async function performRpc(
  context: ApiContext,
  request: PerformRpcRequest,
): Promise<PerformRpcResponse | TwirpError> {
  const id = inRoom(context, request.room, perform(request));
  if (id instanceof TwirpError) return id;
  const outcome = await context.registry.rpcs.wait(id);
  return "payload" in outcome ? new PerformRpcResponse({ payload: outcome.payload }) : failed(outcome.error);
}

function failed({ code, message, data }: RpcError): TwirpError {
  const meta = { rpc_code: String(code), ...(data !== "" && { rpc_data: data }) };
  return new TwirpError(CODES[code] ?? "internal", `RpcError ${code}: ${message}`, meta);
}
