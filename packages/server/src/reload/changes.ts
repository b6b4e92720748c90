/**
 * What a new configuration changes, and which of it a running server takes over. Invariant: values do not show, they may
 * be secrets; only keys do.
 */
import type { Config } from "../config/schema.ts";
import { isPendingKey } from "../config/schema-walk.ts";

/** The keys whose changes take effect at once; everything below them as well. */
const AT_ONCE = ["keys", "key_file", "limit", "webhook", "logging.level", "log_level"];
/** Below `room` everything does, for rooms that are made from now on, except what is fixed when the server starts. */
const ROOM_FIXED = ["room.enabled_codecs", "room.room_configurations"];

/** Paths of the leaves that differ, in the order of the schema. */
export function changedKeys(before: unknown, after: unknown, path = ""): string[] {
  if (isMap(before) && isMap(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => changedKeys(before[key], after[key], path === "" ? key : `${path}.${key}`));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [path];
}

/** What becomes of a changed key: in force, in force after the next start, or accepted without effect in this version. */
export function fateOf(key: string): "applied" | "waiting" | "ineffective" {
  if (isPendingKey(key.split("."))) return "ineffective";
  const under = (parent: string) => key === parent || key.startsWith(`${parent}.`);
  return AT_ONCE.some(under) || (under("room") && !ROOM_FIXED.some(under)) ? "applied" : "waiting";
}

/** Writes what takes effect at once from `next` into `config`, which the server's parts look at. */
export function takeOver(config: Config, next: Config): void {
  const { enabled_codecs, room_configurations } = config.room;
  Object.assign(config.room, next.room, { enabled_codecs, room_configurations });
  Object.assign(config.limit, next.limit);
  config.keys = next.keys;
  config.key_file = next.key_file;
  config.webhook = next.webhook;
  config.logging.level = next.logging.level;
  config.log_level = next.log_level;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
