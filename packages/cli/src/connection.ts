/** Which server a command talks to, and as whom: flags, then LiveKit's environment variables. */
import { DEV_KEY, type KeyPair } from "@stoa/server";
import type { Command } from "commander";

const DEV_URL = "http://127.0.0.1:7880";

/** A server and the key pair for it. */
export interface Connection {
  /** Without a slash at the end. */
  readonly url: string;
  readonly pair: KeyPair;
}

/** What the flags of `addConnectionOptions` give. */
export interface ConnectionFlags {
  readonly url?: string;
  readonly apiKey?: string;
  readonly apiSecret?: string;
  readonly dev?: true;
}

/** Adds the flags that every command has which calls a server. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option("--url <url>", "URL of the server (env: LIVEKIT_URL)")
    .option("--api-key <key>", "API key (env: LIVEKIT_API_KEY)")
    .option("--api-secret <secret>", "API secret (env: LIVEKIT_API_SECRET)")
    .option("--dev", `${DEV_URL} with devkey / secret`)
    .option("--json", "print the server's answer as JSON");
}

/** The server that is meant, or what is missing. */
export function connectionOf(
  flags: ConnectionFlags,
  env: Readonly<Record<string, string | undefined>>,
): Connection | string {
  const key = flags.apiKey ?? (flags.dev ? DEV_KEY.key : env["LIVEKIT_API_KEY"]);
  const secret = flags.apiSecret ?? (flags.dev ? DEV_KEY.secret : env["LIVEKIT_API_SECRET"]);
  const given = flags.url ?? (flags.dev ? DEV_URL : env["LIVEKIT_URL"]);
  if (!given) return "no server: give --url, set LIVEKIT_URL, or use --dev";
  if (!key || !secret) {
    return "no API key: give --api-key and --api-secret, set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or use --dev";
  }
  const url = httpUrl(given);
  return url === undefined ? `"${given}" is no URL such as wss://livekit.example.com` : { url, pair: { key, secret } };
}

/** The API is on the port that clients connect to. */
function httpUrl(given: string): string | undefined {
  const text = given.replace(/^ws(s?):\/\//i, "http$1://");
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  return text.replace(/\/+$/, "");
}
