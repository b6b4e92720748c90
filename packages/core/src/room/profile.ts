/**
 * Name, metadata and attributes of a participant: how they change, whoever changes them, and how long they may get
 * (livekit.md 1.15, 4.3). Empty text means unchanged; an attribute with an empty value is removed.
 */
import { utf8Length } from "@stoa/wire/text";
import type { RoomLimits } from "./options.ts";
import type { Participant } from "./participant.ts";

/** What is to change. */
export interface ProfileChange {
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The first field that would exceed its limit. The attributes count as they would be kept: many small changes do not get past. */
export function exceededField(
  participant: Participant,
  change: ProfileChange,
  limits: RoomLimits,
): keyof ProfileChange | undefined {
  if (exceeds(utf8Length(change.name), limits.nameBytes)) return "name";
  if (exceeds(utf8Length(change.metadata), limits.metadataBytes)) return "metadata";
  const attributes = mergeAttributes(participant.claims.attributes, change.attributes);
  let sum = 0;
  for (const [name, value] of Object.entries(attributes)) sum += utf8Length(name) + utf8Length(value);
  return exceeds(sum, limits.attributesBytes) ? "attributes" : undefined;
}

/** Changes what is given; false when everything is so already. */
export function changeProfile(participant: Participant, change: ProfileChange): boolean {
  const { claims } = participant;
  const differs =
    (change.name !== "" && change.name !== claims.name) ||
    (change.metadata !== "" && change.metadata !== claims.metadata) ||
    Object.entries(change.attributes).some(([key, value]) => (claims.attributes[key] ?? "") !== value);
  if (!differs) return false;
  participant.setClaims({
    ...claims,
    name: change.name || claims.name,
    metadata: change.metadata || claims.metadata,
    attributes: mergeAttributes(claims.attributes, change.attributes),
  });
  return true;
}

/** Whether text of this length in UTF-8 is too long; 0 is no limit. */
export function tooLong(text: string, limitBytes: number): boolean {
  return exceeds(utf8Length(text), limitBytes);
}

/** The key "__proto__" is a key like any other. */
function mergeAttributes(
  current: Readonly<Record<string, string>>,
  change: Readonly<Record<string, string>>,
): Record<string, string> {
  const merged = new Map(Object.entries(current));
  for (const [name, value] of Object.entries(change)) {
    if (value === "") merged.delete(name);
    else merged.set(name, value);
  }
  return Object.fromEntries(merged);
}

function exceeds(bytes: number, limit: number): boolean {
  return limit > 0 && bytes > limit;
}
