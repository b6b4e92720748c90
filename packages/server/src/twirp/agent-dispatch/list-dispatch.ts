/** AgentDispatchService.ListDispatch: the agents that a room has called, or the one with the id. */
import { ListAgentDispatchResponse, type ListAgentDispatchRequest } from "@livekit/protocol";
import { listDispatches } from "@stoa/core/room/admin/dispatch";
import { answerFrom, type ApiContext } from "../context.ts";

export function listDispatch(context: ApiContext, { room, dispatchId }: ListAgentDispatchRequest) {
  return answerFrom(
    context,
    room,
    listDispatches(dispatchId),
    (agentDispatches) => new ListAgentDispatchResponse({ agentDispatches }),
  );
}
