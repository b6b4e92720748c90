/**
 * Asks the embedding program before somebody joins. Invariant: every question is answered within its deadline, and a hook
 * that fails costs one join, nothing else.
 */
import { ClientInfo_SDK } from "@livekit/protocol";
import type { RoomLimits } from "@stoa/core/room/options";
import type { Log } from "@stoa/io/log";
import { kindToClaim } from "../auth/claims.ts";
import type { ConnectRequest } from "../signal/connect-request.ts";
import { httpFailure, type HttpFailure } from "../signal/http-failure.ts";
import type { JoinAllowed, JoinAttempt, JoinDecision, JoinDenied, ServerHooks } from "./hooks.ts";

const DEADLINE_MS = 5000;

/** The request as it may go on, or why not. */
export type JoinGate = (request: ConnectRequest, dryRun: boolean) => Promise<ConnectRequest | HttpFailure>;

/** What the words of a participant must not exceed, as in a token; 0 = no limit. Read for each join. */
export type ClaimLimits = Pick<RoomLimits, "nameBytes" | "metadataBytes" | "attributesBytes">;

/** The gate that asks `beforeJoin`; undefined when there is none to ask. */
export function createJoinGate(hooks: ServerHooks, limits: () => ClaimLimits, log: Log): JoinGate | undefined {
  if (!hooks.beforeJoin) return undefined;
  const { deadlineMs = DEADLINE_MS } = hooks;
  return async (request, dryRun) => {
    if (request.resume) return request;
    const who = { room: request.room, participant: request.claims.identity };
    let decision: JoinDecision;
    try {
      decision = await within(deadlineMs, async () => hooks.beforeJoin?.(attemptOf(request, dryRun)));
      if (decision !== undefined) checkDecision(decision, limits());
    } catch (error) {
      log.error("the beforeJoin hook failed; the join is denied", { ...who, error });
      return httpFailure("unavailable", "the server could not decide about this join");
    }
    if (decision === undefined) return request;
    if (decision.allow) return changed(request, decision);
    const { reason, status = 403 } = decision;
    log.info("join denied by the beforeJoin hook", { ...who, reason });
    return { status, body: reason };
  };
}

/** What a program, in JavaScript perhaps, may answer by mistake. */
function checkDecision(decision: JoinAllowed | JoinDenied, limits: ClaimLimits): void {
  const given = typeof decision === "object" && decision !== null ? (decision as Partial<JoinAllowed>) : {};
  const { allow, name, metadata, attributes } = given;
  if (typeof allow !== "boolean") throw new TypeError("it must answer nothing, or an object with allow: true or false");
  if (!allow) return;
  checkText("name", [name], "limit.max_participant_name_length", limits.nameBytes);
  checkText("metadata", [metadata], "limit.max_metadata_size", limits.metadataBytes);
  const pairs = Object.entries(attributes ?? {}).flat();
  checkText("attributes", pairs, "limit.max_attributes_size", limits.attributesBytes);
}

/** What a token may not say, a hook may not either. */
function checkText(field: string, texts: readonly unknown[], key: string, mostBytes: number): void {
  let bytes = 0;
  for (const text of texts) {
    if (text === undefined) continue;
    if (typeof text !== "string") throw new TypeError(`its ${field} must be text`);
    bytes += Buffer.byteLength(text);
  }
  if (mostBytes > 0 && bytes > mostBytes) {
    throw new RangeError(`its ${field} would take ${bytes} bytes; ${key} allows ${mostBytes}`);
  }
}

function attemptOf({ room, claims, apiKey, client }: ConnectRequest, dryRun: boolean): JoinAttempt {
  const { identity, name, kind, metadata, attributes, grants } = claims;
  const { sdk, version, browser, os, address } = client;
  return {
    room,
    identity,
    name,
    kind: kindToClaim(kind),
    metadata,
    attributes,
    grants,
    apiKey,
    client: { sdk: ClientInfo_SDK[sdk] ?? "UNKNOWN", version, browser, os, address },
    dryRun,
  };
}

function changed(request: ConnectRequest, { name, metadata, attributes, grants }: JoinAllowed): ConnectRequest {
  const { claims } = request;
  return {
    ...request,
    claims: {
      ...claims,
      name: name ?? claims.name,
      metadata: metadata ?? claims.metadata,
      attributes: attributes ?? claims.attributes,
      grants: { ...claims.grants, ...grants },
    },
  };
}

/** The outcome of `work`, or an error after `deadlineMs`; what comes later is nobody's. */
async function within<T>(deadlineMs: number, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
