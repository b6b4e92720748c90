/** Calls of LiveKit's server API and of Stoa's own, in JSON, each with a token that grants just what it needs. A failure is one sentence. */
import { createToken, type VideoGrant } from "@stoa/server";
import type { Connection } from "./connection.ts";

const TIMEOUT_MS = 15_000;
const TOKEN_VALID_FOR_MS = 60_000;
const NO_API = "has no server API; is it a LiveKit server?";

/** A value of a JSON answer. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** A message of the protocol as JSON, with snake_case names. */
export type JsonMessage = { readonly [name: string]: Json };

/** The server said no, or did not answer: a sentence for the user. */
export class ApiFailure {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** Calls a method of RoomService. */
export function callRoomService(
  connection: Connection,
  method: string,
  grant: VideoGrant,
  request: JsonMessage,
): Promise<JsonMessage | ApiFailure> {
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify(request) };
  return answerOf(connection, `/twirp/livekit.RoomService/${method}`, grant, init, NO_API);
}

/** Reads what only Stoa has, such as timelines. */
export function readFromStoa(
  connection: Connection,
  path: string,
  grant: VideoGrant,
): Promise<JsonMessage | ApiFailure> {
  return answerOf(connection, path, grant, { headers: {} }, "keeps no timelines; is it Stoa?");
}

async function answerOf(
  { url, pair }: Connection,
  path: string,
  grant: VideoGrant,
  init: { readonly method?: string; readonly headers: Record<string, string>; readonly body?: string },
  absent: string,
): Promise<JsonMessage | ApiFailure> {
  const token = await createToken(pair, { video: grant, validForMs: TOKEN_VALID_FOR_MS }, Date.now());
  const headers = { ...init.headers, authorization: `Bearer ${token}` };
  try {
    const response = await fetch(`${url}${path}`, { ...init, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    return response.ok ? parseAnswer(url, text) : new ApiFailure(refusal(url, response.status, text, absent));
  } catch (error) {
    return new ApiFailure(unreachable(url, error));
  }
}

function parseAnswer(url: string, text: string): JsonMessage | ApiFailure {
  const json = parse(text);
  return json ?? new ApiFailure(`${url} answered with something that is not JSON; is it a LiveKit server?`);
}

function refusal(url: string, status: number, text: string, absent: string): string {
  const error = parse(text);
  const code = error?.["code"];
  const msg = error?.["msg"];
  if (typeof code !== "string" || typeof msg !== "string") {
    if (status === 404) return `${url} ${absent}`;
    if (status === 401) {
      const why = text
        .slice(0, 200)
        .trim()
        .replace(/(signature is invalid): signature is invalid$/, "$1");
      return `${url} refuses the API key or its secret: ${why}`;
    }
    return `${url} answered with status ${status}: ${text.slice(0, 200).trim()}`;
  }
  const hint = code === "unauthenticated" ? "; check the API key and its secret" : "";
  return `${msg.replace(/^twirp error \w+: /, "")} (${code})${hint}`;
}

function unreachable(url: string, error: unknown): string {
  const { name, cause } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === "TimeoutError") return `${url} did not answer within ${TIMEOUT_MS / 1000} s`;
  const reason = cause?.code ?? cause?.message ?? (error as Error).message;
  return `${url} cannot be reached (${reason}); is the server running?`;
}

function parse(text: string): JsonMessage | undefined {
  try {
    const json = JSON.parse(text) as Json;
    return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as JsonMessage) : undefined;
  } catch {
    return undefined;
  }
}
