/** AgentDispatchService.CreateDispatch: calls an agent into a room, which is made if need be. */
import type { AgentDispatch, CreateAgentDispatchRequest } from "@livekit/protocol";
import { createDispatch as create } from "@stoa/core/room/admin/dispatch";
import { deploymentMistake } from "../../agents/deployment.ts";
import { limitsOf } from "../../config/limits.ts";
import { NODE_LIMIT_REACHED } from "../../metrics/node-usage.ts";
import { newRoomConfig } from "../../rooms/room-config.ts";
import { attributesTooLarge, inRoom, tooLong, type ApiContext } from "../context.ts";
import { invalidArgument, TwirpError } from "../errors.ts";

export function createDispatch(context: ApiContext, request: CreateAgentDispatchRequest): AgentDispatch | TwirpError {
  const { registry, config } = context;
  const { roomNameBytes, metadataBytes, attributesBytes } = limitsOf(config);
  const { room } = request;
  const mistake =
    wrongDeployment(request.deployment) ??
    tooLong("room", room, roomNameBytes, "room name length exceeds limits") ??
    tooLong("metadata", request.metadata, metadataBytes, "metadata size exceeds limits") ??
    attributesTooLarge("attributes", request.attributes, attributesBytes);
  if (mistake) return mistake;
  if (room === "") return invalidArgument("room", "a room needs a name");
  if (registry.isFull && !registry.find(room)) return new TwirpError("unavailable", NODE_LIMIT_REACHED);
  if (config.room.auto_create && !registry.open(room, () => newRoomConfig(config, undefined, undefined))) {
    return new TwirpError("unavailable", "no media worker is available");
  }
  return inRoom(context, room, create(request));
}

function wrongDeployment(deployment: string): TwirpError | undefined {
  const mistake = deploymentMistake(deployment);
  return mistake === undefined ? undefined : invalidArgument("deployment", `deployment ${mistake}`);
}
