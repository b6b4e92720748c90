/** AgentDispatchService.DeleteDispatch: takes a dispatch back; its jobs end. */
import type { AgentDispatch, DeleteAgentDispatchRequest } from "@livekit/protocol";
import { deleteDispatch as remove } from "@stoa/core/room/admin/dispatch";
import { inRoom, type ApiContext } from "../context.ts";
import type { TwirpError } from "../errors.ts";

export function deleteDispatch(
  context: ApiContext,
  { room, dispatchId }: DeleteAgentDispatchRequest,
): AgentDispatch | TwirpError {
  return inRoom(context, room, remove(dispatchId));
}
