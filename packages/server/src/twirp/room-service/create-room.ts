/**
 * RoomService.CreateRoom (livekit.md 4.2): makes a room, or gives the one that exists. What the request says, with the
 * preset beneath, overwrites; what is zero or empty does not.
 */
import { RoomConfiguration, type CreateRoomRequest, type Room } from "@livekit/protocol";
import { readRoom } from "@stoa/core/room/admin/read";
import { reconfigureRoom } from "@stoa/core/room/admin/update-room";
import { limitsOf } from "../../config/limits.ts";
import { NODE_LIMIT_REACHED } from "../../metrics/node-usage.ts";
import { newRoomConfig, overlay } from "../../rooms/room-config.ts";
import { attributesTooLarge, inRoom, tooLong, type ApiContext } from "../context.ts";
import { invalidArgument, TwirpError } from "../errors.ts";

export function createRoom(context: ApiContext, request: CreateRoomRequest): Room | TwirpError {
  const { registry, config } = context;
  const { name, roomPreset } = request;
  const mistake = checkRequest(context, request);
  if (mistake) return mistake;
  const preset = registry.presets.get(roomPreset);
  const wanted = configurationOf(request);
  if (registry.find(name)) return inRoom(context, name, reconfigureRoom(overlay(wanted, preset)));
  if (registry.isFull) return new TwirpError("unavailable", NODE_LIMIT_REACHED);
  if (!registry.open(name, () => newRoomConfig(config, preset, wanted))) {
    return new TwirpError("unavailable", "no media worker is available");
  }
  return inRoom(context, name, readRoom);
}

function checkRequest({ registry, config }: ApiContext, request: CreateRoomRequest): TwirpError | undefined {
  const { roomNameBytes, metadataBytes, attributesBytes } = limitsOf(config);
  const { name, metadata, agents, roomPreset, nodeId, egress } = request;
  if (name === "") return invalidArgument("name", "a room needs a name");
  if (egress) return new TwirpError("internal", "egress not connected (redis required)", { argument: "egress" });
  if (roomPreset !== "" && !registry.presets.has(roomPreset)) {
    return invalidArgument("room_preset", "unknown room configuration in create room request");
  }
  if (nodeId !== "" && nodeId !== registry.nodeId)
    return new TwirpError("not_found", "no such node", { argument: "node_id" });
  const nameTooLong = tooLong("name", name, roomNameBytes, "room name length exceeds limits");
  if (nameTooLong) return nameTooLong;
  for (const [field, text] of [["metadata", metadata], ...agents.map((agent) => ["agents.metadata", agent.metadata])]) {
    const metadataTooLong = tooLong(field!, text!, metadataBytes, "metadata size exceeds limits");
    if (metadataTooLong) return metadataTooLong;
  }
  for (const { attributes } of agents) {
    const tooLarge = attributesTooLarge("agents.attributes", attributes, attributesBytes);
    if (tooLarge) return tooLarge;
  }
  return undefined;
}

function configurationOf(request: CreateRoomRequest): RoomConfiguration {
  const { emptyTimeout, departureTimeout, maxParticipants, metadata, agents, tags } = request;
  const { minPlayoutDelay, maxPlayoutDelay, syncStreams } = request;
  return new RoomConfiguration({
    emptyTimeout,
    departureTimeout,
    maxParticipants,
    metadata,
    agents,
    tags,
    minPlayoutDelay,
    maxPlayoutDelay,
    syncStreams,
  });
}
