/** What several tests of this package need: a silent log, a test configuration, a worker of paper, tokens as a stranger would write them. */
import { createHmac } from "node:crypto";
import type { Log } from "@stoa/io/log";
import { loadConfig, type LoadedConfig } from "./config/load.ts";

/** A log that keeps what it was told. */
export function recordingLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export const KEY = "APItest";
export const SECRET = "secretsecretsecretsecretsecretsecret";
export const KEYS: ReadonlyMap<string, string> = new Map([[KEY, SECRET]]);

/** A JWT signed by hand, so that it can be as wrong as a test likes. */
export function handmadeToken(
  claims: Record<string, unknown>,
  options: { alg?: string; hash?: string; secret?: string; header?: Record<string, unknown> } = {},
): string {
  const { alg = "HS256", hash = "sha256", secret = SECRET, header = {} } = options;
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ alg, typ: "JWT", ...header })}.${part(claims)}`;
  const signature = alg === "none" ? "" : createHmac(hash, secret).update(body).digest("base64url");
  return `${body}.${signature}`;
}

/** The claims of a good join token for room "lobby", seen at `nowMs`. */
export function joinClaims(nowMs: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  const nowS = Math.floor(nowMs / 1000);
  return { iss: KEY, sub: "ada", nbf: nowS - 10, exp: nowS + 600, video: { roomJoin: true, room: "lobby" }, ...more };
}

/** A configuration with the test key; `yaml` says the rest. */
export function testConfig(yaml = "", flags: Record<string, string | boolean | string[]> = {}): LoadedConfig {
  return loadConfig({ flags: { "config-body": yaml, keys: `${KEY}: ${SECRET}`, ...flags } });
}

/** A media worker that is there, and does nothing. */
export const PAPER_WORKER = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from "node:worker_threads";
    parentPort.on("message", (command) => command.type === "shutdown" && parentPort.close());
    parentPort.postMessage({ type: "ready", candidates: [] });
  `)}`,
);
