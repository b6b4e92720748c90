/** What a development server prints when it is up: where the demo is, and everything a program needs to connect. */
import { createToken } from "./auth/create.ts";
import { DEV_KEY } from "./config/keys.ts";
import type { LoadedConfig } from "./config/load.ts";
import type { ServerAddress } from "./main.ts";
import { firstKey } from "./preset.ts";
import { STOA_VERSION } from "./version.ts";

const VALID_FOR_MS = 24 * 3_600_000;
const ROOM = "lobby";
const IDENTITY = "first-guest";

/** The text, with a token for the room "lobby" that is valid for a day. */
export async function developmentBanner(loaded: LoadedConfig, address: ServerAddress, nowMs: number): Promise<string> {
  const pair = firstKey(loaded);
  const token = await createToken(
    pair,
    { identity: IDENTITY, video: { roomJoin: true, room: ROOM }, validForMs: VALID_FOR_MS },
    nowMs,
  );
  const host = printableHost(address.hosts);
  const secret = pair.key === DEV_KEY.key ? pair.secret : "(as configured)";
  return [
    `Stoa ${STOA_VERSION} is running for development.`,
    "",
    `  Demo call      http://${host}:${address.port}/demo/`,
    `  WebSocket URL  ws://${host}:${address.port}`,
    `  API key        ${pair.key}`,
    `  API secret     ${secret}`,
    `  Token          ${token}`,
    `                 (room "${ROOM}", identity "${IDENTITY}", valid for a day)`,
    "",
  ].join("\n");
}

/** An address that a browser on this machine can open. */
function printableHost(hosts: readonly string[]): string {
  const host = hosts[0] ?? "";
  if (host === "" || host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
