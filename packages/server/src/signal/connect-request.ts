/**
 * Everything that is checked before somebody may enter a room (livekit.md 1.1), in LiveKit's order and with its texts.
 * `/rtc/validate` and the upgrade of `/rtc` both go through here, so that a dry run cannot say something else.
 * Pure but for the two questions to the rooms.
 */
import {
  ClientInfo,
  type AddTrackRequest,
  type JoinRequest,
  type RoomConfiguration,
  type SessionDescription,
  ReconnectReason,
} from "@livekit/protocol";
import type { Claims, ConnectionOptions, JoinInput } from "@stoa/core/room/options";
import type { TokenGrants, VideoGrant } from "../auth/claims.ts";
import { resolveGrants } from "../auth/grants.ts";
import type { VerifiedToken } from "../auth/verify.ts";
import type { Limits } from "../config/limits.ts";
import { augmentClientInfo, clientInfoFromQuery, type RequestOrigin } from "./client-info.ts";
import { httpFailure, type HttpFailure } from "./http-failure.ts";
import { decodeBase64, decodeJoinRequest } from "./join-request.ts";

/** What a token and a request must not exceed. */
export type ConnectLimits = Pick<Limits, "identityBytes" | "roomNameBytes" | "metadataBytes" | "attributesBytes">;

/** What is asked of the rooms. */
export interface Doorkeeper {
  readonly limits: ConnectLimits;
  /** Why this room cannot be entered now (it does not exist and may not be created, the node is full), or undefined. */
  findRoom(room: string, mayCreate: boolean): HttpFailure | undefined;
  /** Why this very request must fail now (unknown preset), or undefined. */
  admit(request: ConnectRequest): HttpFailure | undefined;
}

/** A request to connect, as it came in. */
export interface ConnectInput extends RequestOrigin {
  readonly query: URLSearchParams;
  readonly token: VerifiedToken | undefined;
  /** `/rtc/v1`: `join_request` is a must. */
  readonly needsJoinRequest: boolean;
  /** `validate` refuses undecodable `attributes`; the socket ignores them. */
  readonly strict: boolean;
}

/** A request that may enter. */
export interface ConnectRequest {
  readonly room: string;
  readonly apiKey: string;
  readonly claims: Claims;
  /** What the token said beyond `claims`, for refreshed tokens. */
  readonly grants: TokenGrants;
  readonly video: VideoGrant;
  readonly tokenExpiresAtMs: number;
  readonly client: ClientInfo;
  readonly options: ConnectionOptions;
  readonly resume: JoinInput["resume"];
  readonly addTracks: readonly AddTrackRequest[];
  readonly publisherOffer: SessionDescription | undefined;
  readonly roomPreset: string;
  readonly roomConfig: RoomConfiguration | undefined;
}

const NO_ACCESS = httpFailure("unauthenticated", "no permissions to access the room");

/** Checks a request; never throws for what a client sent. */
export function readConnectRequest(input: ConnectInput, door: Doorkeeper): ConnectRequest | HttpFailure {
  const token = input.token;
  if (!token?.grants.video) return NO_ACCESS;
  const parameters = readParameters(input);
  if ("status" in parameters) return parameters;
  const who = checkToken(token.grants, token.grants.video, parameters.publish, door.limits);
  if ("status" in who) return who;
  const { grants, video } = who;
  const absent = door.findRoom(video.room!, video.roomCreate === true);
  if (absent) return absent;
  const changes = checkOwnChanges(grants, video, parameters, door.limits);
  if ("status" in changes) return changes;
  const request: ConnectRequest = {
    room: video.room!,
    apiKey: token.apiKey,
    grants,
    video,
    tokenExpiresAtMs: token.expiresAtMs,
    claims: {
      identity: grants.identity,
      name: grants.name,
      kind: grants.kind,
      kindDetails: grants.kindDetails,
      ...changes,
      grants: resolveGrants(video),
    },
    ...(parameters.join ? fromJoinRequest(parameters.join, input) : fromQuery(input)),
    roomPreset: grants.roomPreset,
    roomConfig: grants.roomConfig,
  };
  return door.admit(request) ?? request;
}

interface Parameters {
  readonly join: JoinRequest | undefined;
  readonly publish: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
}

function readParameters({ query, needsJoinRequest, strict }: ConnectInput): Parameters | HttpFailure {
  const encoded = query.get("join_request") ?? "";
  if (encoded === "") {
    if (needsJoinRequest) return httpFailure("invalid_argument", "join_request is required");
    const attributes = decodeAttributes(query.get("attributes") ?? "");
    if (!attributes && strict) return httpFailure("invalid_argument", "cannot decode attributes");
    return { join: undefined, publish: query.get("publish") ?? "", metadata: "", attributes: attributes ?? {} };
  }
  const join = decodeJoinRequest(encoded);
  if ("status" in join) return join;
  return { join, publish: "", metadata: join.metadata, attributes: join.participantAttributes };
}

function decodeAttributes(parameter: string): Record<string, string> | undefined {
  if (parameter === "") return {};
  try {
    const value: unknown = JSON.parse(decodeBase64(parameter)?.toString("utf8") ?? "");
    if (value === null) return {};
    const valid = typeof value === "object" && !Array.isArray(value) && Object.values(value).every(isText);
    return valid ? (value as Record<string, string>) : undefined;
  } catch {
    return undefined;
  }
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function checkToken(
  grants: TokenGrants,
  video: VideoGrant,
  publish: string,
  limits: ConnectLimits,
): { grants: TokenGrants; video: VideoGrant } | HttpFailure {
  if (!video.roomJoin) return NO_ACCESS;
  if (grants.identity === "") return httpFailure("invalid_argument", "identity cannot be empty");
  if (exceeds(grants.identity, limits.identityBytes)) {
    const most = limits.identityBytes;
    return httpFailure("invalid_argument", `participant identity length exceeds limits: max length ${most}`);
  }
  if (!video.room) return httpFailure("invalid_argument", "no room name");
  if (exceeds(video.room, limits.roomNameBytes)) {
    return httpFailure("invalid_argument", `room name length exceeds limits: max length ${limits.roomNameBytes}`);
  }
  if (publish === "") return { grants, video };
  // a second connection of somebody who is already here, for publishing only
  if (video.canPublish === false) return NO_ACCESS;
  const identity = `${grants.identity}#${publish}`;
  return { grants: { ...grants, identity }, video: { ...video, canSubscribe: false } };
}

function checkOwnChanges(
  grants: TokenGrants,
  video: VideoGrant,
  wished: Parameters,
  limits: ConnectLimits,
): { metadata: string; attributes: Record<string, string> } | HttpFailure {
  const changed = Object.entries(wished.attributes);
  if ((wished.metadata !== "" || changed.length > 0) && video.canUpdateOwnMetadata !== true) return NO_ACCESS;
  const metadata = wished.metadata || grants.metadata;
  // an empty value would delete what the token says, which a client may not do
  const added = changed.filter(([, value]) => value !== "");
  const attributes = { ...grants.attributes, ...Object.fromEntries(added) };
  if (exceeds(metadata, limits.metadataBytes)) {
    return httpFailure("invalid_argument", "metadata size exceeds limits");
  }
  const total = Object.entries(attributes).reduce((sum, [key, value]) => sum + byteLength(key) + byteLength(value), 0);
  if (limits.attributesBytes > 0 && total > limits.attributesBytes) {
    return httpFailure("invalid_argument", "attribute size exceeds limits");
  }
  return { metadata, attributes };
}

type Connection = Pick<ConnectRequest, "client" | "options" | "resume" | "addTracks" | "publisherOffer">;

function fromQuery(input: ConnectInput): Connection {
  const { query } = input;
  const isSet = (name: string) => ["1", "true"].includes(query.get(name) ?? "");
  return {
    client: clientInfoFromQuery(query, input),
    options: {
      peerConnections: "dual",
      autoSubscribe: query.get("auto_subscribe") ? isSet("auto_subscribe") : true,
      autoSubscribeDataTrack: isSet("auto_subscribe_data_track"),
      adaptiveStream: isSet("adaptive_stream"),
      subscriberAllowPause: query.get("subscriber_allow_pause") ? isSet("subscriber_allow_pause") : undefined,
    },
    resume: isSet("reconnect")
      ? { participantSid: query.get("sid") ?? "", reason: reasonOf(query.get("reconnect_reason")) }
      : undefined,
    addTracks: [],
    publisherOffer: undefined,
  };
}

function fromJoinRequest(join: JoinRequest, input: ConnectInput): Connection {
  const settings = join.connectionSettings;
  const client = join.clientInfo?.clone() ?? new ClientInfo();
  return {
    client: augmentClientInfo(client, input),
    options: {
      peerConnections: "single",
      autoSubscribe: settings?.autoSubscribe ?? false,
      autoSubscribeDataTrack: settings?.autoSubscribeDataTrack ?? false,
      adaptiveStream: settings?.adaptiveStream ?? false,
      // LiveKit: absent means no, whatever the configuration says
      subscriberAllowPause: settings?.subscriberAllowPause ?? false,
    },
    resume: join.reconnect ? { participantSid: join.participantSid, reason: join.reconnectReason } : undefined,
    addTracks: join.addTrackRequests,
    publisherOffer: join.publisherOffer,
  };
}

function reasonOf(parameter: string | null): ReconnectReason {
  const reason = /^\d+$/.test(parameter ?? "") ? Number(parameter) : 0;
  return reason in ReconnectReason ? reason : ReconnectReason.RR_UNKNOWN;
}

function exceeds(text: string, mostBytes: number): boolean {
  return mostBytes > 0 && byteLength(text) > mostBytes;
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}
