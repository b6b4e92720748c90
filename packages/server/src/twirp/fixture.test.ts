/** Calls of the API without a socket: a registry with real rooms, tokens that grant what a test says. */
import assert from "node:assert/strict";
import { isRefused, verifyToken, type VerifiedToken } from "../auth/verify.ts";
import { handmadeToken, joinClaims, KEYS, recordingLog } from "../fixtures.test.ts";
import { setUp } from "../rooms/harness.test.ts";
import { createApi } from "./api.ts";
import { handleTwirp, type CallReport } from "./handler.ts";

export const ROOM_SERVICE = "livekit.RoomService";

/** A grant for everything that concerns room "lobby". */
export const EVERYTHING = {
  video: {
    roomCreate: true,
    roomList: true,
    roomRecord: true,
    roomAdmin: true,
    ingressAdmin: true,
    room: "lobby",
    destinationRoom: "attic",
  },
  sip: { admin: true, call: true },
};

export interface Answer {
  readonly status: number;
  readonly contentType: string | null;
  readonly text: string;
  /** The body as JSON. */
  readonly json: Record<string, unknown>;
}

export interface CallOptions {
  /** Claims of the token; null = none. */
  readonly claims?: Record<string, unknown> | null;
  readonly contentType?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

/** A server's API; `yaml` configures it. */
export function startApi(yaml = "") {
  const parts = setUp(yaml);
  const reports: CallReport[] = [];
  const log = recordingLog();
  const deps = { api: createApi(parts), log, nowMs: Date.now, onCall: (report: CallReport) => reports.push(report) };

  async function post(path: string, body: string | Uint8Array, options: CallOptions = {}): Promise<Answer> {
    const { claims = EVERYTHING, contentType = "application/json", method = "POST" } = options;
    const headers = { "content-type": contentType, ...options.headers };
    const content = method === "POST" ? { body: body as string } : {};
    const request = new Request(`http://localhost${path}`, { method, headers, ...content });
    const answer = await handleTwirp(deps, request, path, claims ? await tokenOf(claims) : undefined);
    const text = await answer.clone().text();
    const json = answer.headers.get("content-type") === "application/json" ? JSON.parse(text) : {};
    return { status: answer.status, contentType: answer.headers.get("content-type"), text, json };
  }

  return {
    ...parts,
    reports,
    post,
    call: (method: string, request: object = {}, options: CallOptions = {}) => {
      const path = method.includes("/") ? method : `${ROOM_SERVICE}/${method}`;
      return post(`/twirp/${path}`, JSON.stringify(request), options);
    },
  };
}

/** Fails unless it was answered with 200; the answer's body. */
export function ok(answer: Answer): Record<string, unknown> {
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

/** Status, code and message of an error. */
export function failure({ status, json }: Answer): [number, unknown, unknown] {
  return [status, json["code"], json["msg"]];
}

async function tokenOf(claims: Record<string, unknown>): Promise<VerifiedToken> {
  const token = await verifyToken(KEYS, handmadeToken(joinClaims(Date.now(), claims)), Date.now());
  assert.ok(!isRefused(token));
  return token;
}
