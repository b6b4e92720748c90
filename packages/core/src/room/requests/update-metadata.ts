/** SignalRequest.update_metadata: a participant changes its own name, metadata or attributes (livekit.md 1.15). */
import { RequestResponse_Reason, type UpdateParticipantMetadata } from "@livekit/protocol";
import type { RoomLimits } from "../options.ts";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";
import { refreshToken } from "../token.ts";
import { announce } from "../updates.ts";
import { respond } from "./respond.ts";

/** Changes what is given: empty text means unchanged, an attribute with an empty value is removed. */
export function handleUpdateMetadata(
  room: RoomState,
  participant: Participant,
  update: UpdateParticipantMetadata,
): void {
  const answer = (reason: RequestResponse_Reason, message = "") =>
    respond(room, participant, {
      reason,
      message,
      requestId: update.requestId,
      request: { case: "updateMetadata", value: update },
    });
  if (!participant.grants.canUpdateOwnMetadata) {
    return answer(RequestResponse_Reason.NOT_ALLOWED, "does not have permission to update own metadata");
  }
  const attributes = mergeAttributes(participant.claims.attributes, update.attributes);
  const limit = exceededLimit(update, attributes, room.options.server.limits);
  if (limit !== undefined) return answer(RequestResponse_Reason.LIMIT_EXCEEDED, limit);

  if (changes(participant, update)) {
    const { claims } = participant;
    participant.setClaims({
      ...claims,
      name: update.name || claims.name,
      metadata: update.metadata || claims.metadata,
      attributes,
    });
    announce(room, participant, { immediate: true, self: true });
    room.event("updated", participant);
    refreshToken(room, participant);
  }
  answer(RequestResponse_Reason.OK);
}

/** The attributes after the update; the key "__proto__" is a key like any other. */
function mergeAttributes(
  current: Readonly<Record<string, string>>,
  update: Readonly<Record<string, string>>,
): Record<string, string> {
  const merged = new Map(Object.entries(current));
  for (const [name, value] of Object.entries(update)) {
    if (value === "") merged.delete(name);
    else merged.set(name, value);
  }
  return Object.fromEntries(merged);
}

function changes(participant: Participant, update: UpdateParticipantMetadata): boolean {
  const { name, metadata, attributes } = participant.claims;
  if (update.name !== "" && update.name !== name) return true;
  if (update.metadata !== "" && update.metadata !== metadata) return true;
  return Object.entries(update.attributes).some(([key, value]) => (attributes[key] ?? "") !== value);
}

/** The sum counts what would be kept, so that many small updates do not get past the limit. */
function exceededLimit(
  update: UpdateParticipantMetadata,
  attributes: Readonly<Record<string, string>>,
  limits: RoomLimits,
): string | undefined {
  if (exceeds(utf8Bytes(update.name), limits.nameBytes)) return "exceeds name length limit";
  if (exceeds(utf8Bytes(update.metadata), limits.metadataBytes)) return "exceeds metadata size limit";
  let sum = 0;
  for (const [name, value] of Object.entries(attributes)) sum += utf8Bytes(name) + utf8Bytes(value);
  if (exceeds(sum, limits.attributesBytes)) return "exceeds attributes size limit";
  return undefined;
}

function exceeds(bytes: number, limit: number): boolean {
  return limit > 0 && bytes > limit;
}

/** Length in UTF-8, as the limits are meant; there is no TextEncoder here. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit < 0xe000) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}
