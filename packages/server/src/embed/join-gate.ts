/**
 * Asks the embedding program before somebody joins. Invariant: every question is answered within its deadline, and a hook
 * that fails costs one join, nothing else.
 */
import { ClientInfo_SDK } from "@livekit/protocol";
import type { Log } from "@stoa/io/log";
import { kindToClaim } from "../auth/claims.ts";
import type { ConnectRequest } from "../signal/connect-request.ts";
import { httpFailure, type HttpFailure } from "../signal/http-failure.ts";
import type { JoinAllowed, JoinAttempt, JoinDecision, ServerHooks } from "./hooks.ts";

const DEADLINE_MS = 5000;

/** The request as it may go on, or why not. */
export type JoinGate = (request: ConnectRequest, dryRun: boolean) => Promise<ConnectRequest | HttpFailure>;

/** The gate that asks `beforeJoin`; undefined when there is none to ask. */
export function createJoinGate(hooks: ServerHooks, log: Log): JoinGate | undefined {
  if (!hooks.beforeJoin) return undefined;
  const { deadlineMs = DEADLINE_MS } = hooks;
  return async (request, dryRun) => {
    if (request.resume) return request;
    const who = { room: request.room, participant: request.claims.identity };
    let decision: JoinDecision;
    try {
      decision = await within(deadlineMs, async () => hooks.beforeJoin?.(attemptOf(request, dryRun)));
      if (decision !== undefined) checkDecision(decision);
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

/** What a program in JavaScript may answer by mistake. */
function checkDecision(decision: unknown): void {
  const allow = typeof decision === "object" && decision !== null && "allow" in decision ? decision.allow : undefined;
  if (typeof allow !== "boolean") throw new TypeError("it must answer nothing, or an object with allow: true or false");
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
