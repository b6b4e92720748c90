/** From configuration and token to the RoomConfiguration of a new room (livekit.md 4.2): defaults, preset, token. */
import { RoomConfiguration } from "@livekit/protocol";
import type { Config } from "../config/schema.ts";
import { PlainScalar } from "../config/scalar.ts";

/** Named presets of `room.room_configurations`. */
export type RoomPresets = ReadonlyMap<string, RoomConfiguration>;

/** Reads the presets; keys may be written as in the protocol, in snake_case, or all in lower case as LiveKit does. */
export function readPresets(config: Config): RoomPresets | { readonly mistake: string } {
  const presets = new Map<string, RoomConfiguration>();
  const names = new Map(RoomConfiguration.fields.list().map((field) => [plainKey(field.name), field.jsonName]));
  for (const [name, value] of Object.entries(config.room.room_configurations)) {
    const json = toJson(value);
    if (typeof json !== "object" || json === null || Array.isArray(json)) return { mistake: name };
    const renamed = Object.entries(json).map(([key, inner]) => [names.get(plainKey(key)) ?? key, inner]);
    try {
      presets.set(name, RoomConfiguration.fromJson(Object.fromEntries(renamed) as never));
    } catch {
      return { mistake: name };
    }
  }
  return presets;
}

/** What a new room gets: what was asked for over the preset over the server's defaults; zero and empty mean "not said". */
export function newRoomConfig(
  config: Config,
  preset: RoomConfiguration | undefined,
  wanted: RoomConfiguration | undefined,
): RoomConfiguration {
  const { room } = config;
  const said = overlay(wanted, preset);
  const defaults = new RoomConfiguration({
    ...standardPlayoutDelay(config, said),
    emptyTimeout: room.empty_timeout,
    departureTimeout: room.departure_timeout,
    maxParticipants: room.max_participants,
    syncStreams: room.sync_streams,
  });
  return overlay(said, defaults);
}

/** The first one, with what it does not say taken from the second one. */
export function overlay(
  first: RoomConfiguration = new RoomConfiguration(),
  second: RoomConfiguration = new RoomConfiguration(),
): RoomConfiguration {
  return new RoomConfiguration({
    emptyTimeout: first.emptyTimeout || second.emptyTimeout,
    departureTimeout: first.departureTimeout || second.departureTimeout,
    maxParticipants: first.maxParticipants || second.maxParticipants,
    minPlayoutDelay: first.minPlayoutDelay || second.minPlayoutDelay,
    maxPlayoutDelay: first.maxPlayoutDelay || second.maxPlayoutDelay,
    syncStreams: first.syncStreams || second.syncStreams,
    metadata: first.metadata || second.metadata,
    egress: first.egress ?? second.egress,
    agents: first.agents.length > 0 ? first.agents : second.agents,
    tags: { ...second.tags, ...first.tags },
  });
}

/** The server's limits, where nothing is said: a least delay of one and a largest of the other would mean nothing. */
function standardPlayoutDelay({ room: { playout_delay: standard } }: Config, said: RoomConfiguration) {
  if (!standard.enabled || said.minPlayoutDelay > 0 || said.maxPlayoutDelay > 0) return {};
  return { minPlayoutDelay: standard.min, maxPlayoutDelay: standard.max };
}

function plainKey(key: string): string {
  return key.replaceAll("_", "").toLowerCase();
}

function toJson(value: unknown): unknown {
  if (value instanceof PlainScalar) {
    const { source } = value;
    if (source === "true" || source === "false") return source === "true";
    return /^-?\d+(\.\d+)?$/.test(source) ? Number(source) : source;
  }
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
}
