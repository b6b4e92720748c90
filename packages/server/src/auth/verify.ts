/**
 * Access tokens in: JWT with HS256 and nothing else, `iss` names the API key (`kid` is not looked at), `exp` is required,
 * one minute of leeway. The error texts are those that LiveKit's clients and their users know (livekit.md 1.1).
 */
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from "jose";
import { parseClaims, type TokenGrants } from "./claims.ts";

const LEEWAY_S = 60;
const BEARER = "Bearer ";
const encoder = new TextEncoder();

/** A token that stood the check. */
export interface VerifiedToken {
  readonly apiKey: string;
  readonly grants: TokenGrants;
  readonly expiresAtMs: number;
}

/** Why a token was refused: the body of the 401. */
export interface AuthFailure {
  readonly refused: string;
}

/** No token at all is `undefined`: health checks and 404s work without one. */
export type AuthResult = VerifiedToken | AuthFailure | undefined;

/** Secret by API key. */
export type KeyProvider = ReadonlyMap<string, string>;

/** Whether the request has to be answered with 401 before anything else. */
export function isRefused(result: AuthResult): result is AuthFailure {
  return result !== undefined && "refused" in result;
}

/** The token of a request, from `Authorization: Bearer …` or else `?access_token=…`, checked at `nowMs`. */
export async function authenticate(
  keys: KeyProvider,
  authorization: string | null | undefined,
  accessToken: string | null | undefined,
  nowMs: number,
): Promise<AuthResult> {
  if (!authorization) return accessToken ? verifyToken(keys, accessToken, nowMs) : undefined;
  if (!authorization.startsWith(BEARER)) return { refused: `invalid authorization header. Must start with ${BEARER}` };
  return verifyToken(keys, authorization.slice(BEARER.length).trim(), nowMs);
}

/** Checks one token. */
export async function verifyToken(
  keys: KeyProvider,
  token: string,
  nowMs: number,
): Promise<VerifiedToken | AuthFailure> {
  const claimed = decodeUnverified(token);
  if (!claimed) return { refused: "invalid authorization token" };
  const secret = keys.get(claimed.issuer);
  if (!secret) return { refused: "invalid API key" };
  try {
    const { payload } = await jwtVerify(token, encoder.encode(secret), {
      algorithms: ["HS256"],
      issuer: claimed.issuer,
      requiredClaims: ["exp"],
      clockTolerance: LEEWAY_S,
      currentDate: new Date(nowMs),
    });
    const grants = parseClaims(payload, claimed.identity);
    if (typeof grants === "string") return invalid(`token is malformed: ${grants}`);
    return { apiKey: claimed.issuer, grants, expiresAtMs: payload.exp! * 1000 };
  } catch (error) {
    return invalid(detail(error, claimed.algorithm));
  }
}

interface Claimed {
  readonly issuer: string;
  readonly identity: string;
  readonly algorithm: string;
}

/** What a token says about itself, believed only as far as picking the secret goes. */
function decodeUnverified(token: string): Claimed | undefined {
  try {
    const { alg } = decodeProtectedHeader(token);
    const { iss, sub, jti, exp, nbf } = decodeJwt(token) as Record<string, unknown>;
    const [issuer, subject, id] = [iss, sub, jti].map(textClaim);
    if (typeof alg !== "string" || issuer === undefined || subject === undefined || id === undefined) return undefined;
    if (![exp, nbf].every((date) => date === undefined || date === null || typeof date === "number")) return undefined;
    return { issuer, identity: subject || id, algorithm: alg };
  } catch {
    return undefined;
  }
}

/** "" for an absent claim, undefined for one of another type. */
function textClaim(value: unknown): string | undefined {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : undefined;
}

function invalid(reason: string): AuthFailure {
  return { refused: `invalid authorization token: ${reason}` };
}

function detail(error: unknown, algorithm: string): string {
  if (error instanceof errors.JWSSignatureVerificationFailed) return "token signature is invalid: signature is invalid";
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return `token signature is invalid: signing method ${algorithm} is invalid`;
  }
  if (error instanceof errors.JWTExpired) return "token has invalid claims: token is expired";
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === "missing") {
      return `token has invalid claims: token is missing required claim: ${error.claim} claim is required`;
    }
    if (error.claim === "nbf") return "token has invalid claims: token is not valid yet";
    return `token has invalid claims: ${error.claim} is not as expected`;
  }
  return "token is malformed";
}
