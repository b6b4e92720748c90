/** From the flags of `stoa token create` to the claims of a token; mistakes come back as one sentence. */
import { dispatchAgent, nearest, parseDurationMs, type TokenOptions, type VideoGrant } from "@stoa/server";

/** The flags that say what is in the token. */
export interface TokenFlags {
  readonly identity?: string | undefined;
  readonly room?: string | undefined;
  readonly name?: string;
  readonly join?: true;
  readonly create?: true;
  readonly list?: true;
  readonly admin?: true;
  readonly egress?: true;
  readonly ingress?: true;
  readonly recorder?: true;
  readonly hidden?: true;
  readonly inference?: true;
  readonly allowUpdateMetadata?: true;
  readonly allowSource?: readonly string[];
  readonly metadata?: string;
  readonly attribute?: readonly string[];
  readonly grant?: string;
  readonly validFor?: string;
  readonly roomPreset?: string;
  readonly agent?: string;
  readonly deployment?: string;
  readonly jobMetadata?: string;
}

const SOURCES = ["camera", "microphone", "screen_share", "screen_share_audio"];

const GRANT_TYPES: Readonly<Record<keyof VideoGrant, "boolean" | "string" | "list">> = {
  roomCreate: "boolean",
  roomList: "boolean",
  roomRecord: "boolean",
  roomAdmin: "boolean",
  roomJoin: "boolean",
  room: "string",
  destinationRoom: "string",
  canPublish: "boolean",
  canSubscribe: "boolean",
  canPublishData: "boolean",
  canPublishSources: "list",
  canUpdateOwnMetadata: "boolean",
  ingressAdmin: "boolean",
  hidden: "boolean",
  recorder: "boolean",
  agent: "boolean",
  canSubscribeMetrics: "boolean",
  canManageAgentSession: "boolean",
};

/** The claims, or what is wrong with the flags. */
export function tokenOptions(
  flags: TokenFlags,
  fromFile: Readonly<Record<string, string>> = {},
): TokenOptions | string {
  const sources = flags.allowSource?.flatMap((value) => value.split(",")).map((value) => value.trim());
  const unknown = sources?.find((source) => !SOURCES.includes(source));
  if (unknown !== undefined) return `--allow-source: "${unknown}" is none of ${SOURCES.join(", ")}`;
  const more = parseGrant(flags.grant);
  if (typeof more === "string") return more;
  const video: VideoGrant = { ...grantOf(flags, sources), ...more };
  const attributes = parseAttributes(flags.attribute ?? []);
  if (typeof attributes === "string") return attributes;
  const validForMs = parseDurationMs(flags.validFor ?? "5m");
  if (validForMs === undefined || validForMs <= 0)
    return `--valid-for: "${flags.validFor}" is no time such as 5m or 1h10m`;
  const { room: _room, canPublishSources: _sources, ...permissions } = video;
  if (!flags.inference && !Object.values(permissions).some((value) => value !== undefined)) {
    return "the token would allow nothing: add --join, --create, --list, --admin, --egress, --ingress or --grant";
  }
  const { identity, metadata, roomPreset, agent, deployment, jobMetadata } = flags;
  return {
    identity,
    name: flags.name ?? identity,
    metadata,
    attributes: { ...attributes, ...fromFile },
    video,
    inference: flags.inference ? { perform: true } : undefined,
    roomPreset,
    roomConfig: agent === undefined ? undefined : dispatchAgent(agent, deployment ?? "", jobMetadata ?? ""),
    validForMs,
  };
}

function grantOf(flags: TokenFlags, sources: readonly string[] | undefined): VideoGrant {
  const watcher = flags.recorder ? { recorder: true, hidden: true, canPublish: false, canPublishData: false } : {};
  const grant: VideoGrant = {
    room: flags.room,
    roomJoin: flags.join,
    roomCreate: flags.create,
    roomList: flags.list,
    roomAdmin: flags.admin,
    roomRecord: flags.egress,
    ingressAdmin: flags.ingress,
    canUpdateOwnMetadata: flags.allowUpdateMetadata,
    hidden: flags.hidden,
    canPublishSources: sources && [...sources],
    ...watcher,
  };
  return grant;
}

function parseGrant(json: string | undefined): VideoGrant | string {
  if (json === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return "--grant: this is not JSON";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "--grant: a JSON object is needed";
  for (const [key, one] of Object.entries(value)) {
    const type = Object.hasOwn(GRANT_TYPES, key) ? GRANT_TYPES[key as keyof VideoGrant] : undefined;
    if (!type) {
      const close = nearest(key, Object.keys(GRANT_TYPES));
      return `--grant: "${key}" is no video grant${close ? `; did you mean "${close}"?` : ""}`;
    }
    const fits =
      type === "list" ? Array.isArray(one) && one.every((item) => typeof item === "string") : typeof one === type;
    if (!fits) return `--grant: "${key}" must be a ${type}`;
  }
  return value as VideoGrant;
}

/** `key=value` pairs as a map, or what is wrong with them. */
export function parseAttributes(pairs: readonly string[]): Record<string, string> | string {
  const attributes: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at <= 0) return `--attribute: "${pair}" is not key=value`;
    attributes[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return attributes;
}
