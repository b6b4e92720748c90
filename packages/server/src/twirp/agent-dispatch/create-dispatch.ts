/** AgentDispatchService.CreateDispatch: calls an agent into a room, which is made if need be. */
import type { AgentDispatch, CreateAgentDispatchRequest } from "@livekit/protocol";
import { createDispatch as create } from "@stoa/core/room/admin/dispatch";
import { newRoomConfig } from "../../rooms/room-config.ts";
import { attributesTooLarge, inRoom, tooLong, type ApiContext } from "../context.ts";
import { invalidArgument, TwirpError } from "../errors.ts";

const MAX_DEPLOYMENT_BYTES = 64;

export function createDispatch(context: ApiContext, request: CreateAgentDispatchRequest): AgentDispatch | TwirpError {
  const { registry, config } = context;
  const { limit } = config;
  const { room } = request;
  const mistake =
    deploymentMistake(request.deployment) ??
    tooLong("room", room, limit.max_room_name_length, "room name length exceeds limits") ??
    tooLong("metadata", request.metadata, limit.max_metadata_size, "metadata size exceeds limits") ??
    attributesTooLarge("attributes", request.attributes, limit.max_attributes_size);
  if (mistake) return mistake;
  if (room === "") return invalidArgument("room", "a room needs a name");
  if (config.room.auto_create && !registry.open(room, () => newRoomConfig(config, undefined, undefined))) {
    return new TwirpError("unavailable", "no media worker is available");
  }
  return inRoom(context, room, create(request));
}

/** A deployment is part of a name that is taken apart at underscores. */
function deploymentMistake(deployment: string): TwirpError | undefined {
  const refuse = (what: string) => invalidArgument("deployment", `deployment ${what}`);
  if (Buffer.byteLength(deployment) > MAX_DEPLOYMENT_BYTES) return refuse(`exceeds ${MAX_DEPLOYMENT_BYTES} bytes`);
  if (deployment.includes("_")) return refuse("contains reserved character '_'");
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u0020\u007f]/.test(deployment)) return refuse("contains whitespace or a control character");
  return undefined;
}
