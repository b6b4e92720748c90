/**
 * What the demo page asks for beside its files: the client library, whether this server hands out tokens, and a token.
 * Tokens without a login exist only in development.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { createToken, type KeyPair } from "../auth/create.ts";

const MAX_NAME_CHARACTERS = 64;
const VALID_FOR_MS = 6 * 3_600_000;

/** What the demo works with. */
export interface DemoOptions {
  /** Folder of the page. */
  readonly root: string;
  /** The pair that signs tokens for everybody who asks; undefined outside development. */
  readonly signer: KeyPair | undefined;
}

const name = z.string().trim().min(1).max(MAX_NAME_CHARACTERS);
const tokenRequest = z.object({ identity: name, room: name });

/** `GET /demo/config.json`. */
export function demoConfig({ signer }: DemoOptions): Response {
  return Response.json({ tokens: signer !== undefined }, { headers: { "cache-control": "no-store" } });
}

/** `POST /demo/token` with `{ identity, room }`, for the page itself only; undefined where tokens are not handed out. */
export async function demoToken(options: DemoOptions, request: Request, nowMs: number): Promise<Response | undefined> {
  if (!options.signer) return undefined;
  if (isForeign(request)) return new Response("tokens are for the demo page of this server only", { status: 403 });
  const parsed = tokenRequest.safeParse(parseJson(await request.text()));
  if (!parsed.success)
    return new Response(`your name and the room must have 1 to ${MAX_NAME_CHARACTERS} characters`, { status: 400 });
  const { identity, room } = parsed.data;
  const token = await createToken(
    options.signer,
    { identity, name: identity, video: { roomJoin: true, room }, validForMs: VALID_FOR_MS },
    nowMs,
  );
  return Response.json({ token }, { headers: { "cache-control": "no-store" } });
}

let library: Promise<Uint8Array | undefined> | undefined;

/** `GET /demo/livekit-client.mjs`: the published client as it is installed here, or undefined. */
export async function demoLibrary(): Promise<Response | undefined> {
  library ??= readLibrary();
  const bytes = await library;
  if (!bytes) return undefined;
  const headers = { "content-type": "text/javascript; charset=utf-8", "cache-control": "no-cache" };
  return new Response(bytes as Uint8Array<ArrayBuffer>, { headers });
}

async function readLibrary(): Promise<Uint8Array | undefined> {
  try {
    return await readFile(fileURLToPath(import.meta.resolve("livekit-client")));
  } catch {
    return undefined;
  }
}

/** Any page may call this server, but a stranger's page must not get a token for a development server. */
function isForeign(request: Request): boolean {
  const origin = request.headers.get("origin");
  if (!origin) return false;
  const host = request.headers.get("host") ?? new URL(request.url).host;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
