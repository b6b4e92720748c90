/** Access tokens out: for `stoa token create`, for the banner of `--dev`, and to refresh those of connected clients. */
import { SignJWT } from "jose";
import { RoomAgentDispatch, RoomConfiguration } from "@livekit/protocol";
import type { VideoGrant } from "./claims.ts";

/** Six hours, as LiveKit's SDKs. */
export const DEFAULT_VALID_FOR_MS = 6 * 3_600_000;

/** The least life of a refreshed token (livekit.md 1.6). */
const REFRESH_VALID_FOR_MS = 600_000;

const encoder = new TextEncoder();

/** One API key with its secret. */
export interface KeyPair {
  readonly key: string;
  readonly secret: string;
}

/** What a new token says; what is empty or undefined is left out. */
export interface TokenOptions {
  readonly identity?: string | undefined;
  readonly name?: string | undefined;
  /** "agent", "egress" …; absent = standard. */
  readonly kind?: string | undefined;
  readonly kindDetails?: readonly string[] | undefined;
  readonly metadata?: string | undefined;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  readonly sha256?: string | undefined;
  readonly roomPreset?: string | undefined;
  readonly roomConfig?: RoomConfiguration | undefined;
  readonly video?: VideoGrant | undefined;
  readonly sip?: { readonly admin?: boolean; readonly call?: boolean } | undefined;
  readonly agent?: { readonly admin?: boolean } | undefined;
  readonly inference?: { readonly perform?: boolean } | undefined;
  readonly validForMs?: number | undefined;
}

/** The claims beside the registered ones, as they stand in the token. */
export function tokenClaims(options: TokenOptions): Record<string, unknown> {
  const { identity: _identity, validForMs: _validFor, roomConfig, ...rest } = options;
  const claims: Record<string, unknown> = {};
  for (const [name, value] of Object.entries({ ...rest, roomConfig: roomConfig?.toJson() })) {
    if (!isEmpty(value)) claims[name] = value;
  }
  return claims;
}

/** Signs a token with HS256; `nbf` and `iat` are now. */
export async function createToken(pair: KeyPair, options: TokenOptions, nowMs: number): Promise<string> {
  const nowS = Math.floor(nowMs / 1000);
  const validForS = Math.ceil((options.validForMs ?? DEFAULT_VALID_FOR_MS) / 1000);
  const jwt = new SignJWT(tokenClaims(options))
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer(pair.key)
    .setIssuedAt(nowS)
    .setNotBefore(nowS)
    .setExpirationTime(nowS + validForS);
  if (options.identity) jwt.setSubject(options.identity);
  return jwt.sign(encoder.encode(pair.secret));
}

/** A fresh token for a connected client: lives ten minutes, or as long as the one it joined with if that is longer. */
export async function refreshToken(
  pair: KeyPair,
  options: TokenOptions,
  originalExpiresAtMs: number,
  nowMs: number,
): Promise<string> {
  const validForMs = Math.max(REFRESH_VALID_FOR_MS, originalExpiresAtMs - nowMs);
  return createToken(pair, { ...options, validForMs }, nowMs);
}

/** A room configuration that has an agent dispatched when the room is made. */
export function dispatchAgent(agentName: string, deployment: string, metadata: string): RoomConfiguration {
  return new RoomConfiguration({ agents: [new RoomAgentDispatch({ agentName, deployment, metadata })] });
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === "" || value === null) return true;
  return typeof value === "object" && Object.values(value).every((inner) => inner === undefined);
}
