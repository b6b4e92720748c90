/** STUN and TURN servers that clients are told of (`rtc.stun_servers`, `rtc.turn_servers`), with credentials per participant. */
import { createHmac } from "node:crypto";
import { ICEServer } from "@livekit/protocol";
import { operatorError, whyUnread } from "../errors.ts";
import { parseKeyLines, type ConfigFiles } from "./keys.ts";
import type { Config } from "./schema.ts";

const DEFAULT_TTL_S = 14_400;
const SHORTEST_TTL_S = 300;
const LONGEST_TTL_S = 86_400;

type TurnServer = Config["rtc"]["turn_servers"][number];

/** Reads `secret_file` and `credentials_file` into the entries; a file that others may read is refused. */
export function readTurnSecrets(servers: TurnServer[], files: ConfigFiles): void {
  for (const server of servers) {
    server.secret = server.secret.trim();
    if (server.secret === "" && server.secret_file !== "") {
      server.secret = readPrivate(server.secret_file, files).trim();
      if (server.secret === "")
        throw operatorError("bad_config", `${server.secret_file}: the TURN secret file is empty.`);
    }
    if (server.credentials_file === "" || server.username !== "" || server.credential !== "") continue;
    const pair = parseKeyLines(readPrivate(server.credentials_file, files));
    server.username = pair?.get("username") ?? "";
    server.credential = pair?.get("credential") ?? "";
    if (server.username !== "" && server.credential !== "") continue;
    throw operatorError(
      "bad_config",
      `${server.credentials_file}: a TURN credentials file has the keys username and credential.`,
    );
  }
}

function readPrivate(path: string, files: ConfigFiles): string {
  let mode: number;
  let text: string;
  try {
    mode = files.mode(path);
    text = files.read(path);
  } catch (error) {
    throw operatorError("bad_config", `${path}: the TURN secret ${whyUnread(error)}.`, error);
  }
  if ((mode & 0o007) === 0) return text;
  throw operatorError("bad_config", `${path}: others may read this TURN secret; run: chmod o-rwx ${path}`);
}

/** The list for one participant. */
export function iceServersFor(config: Config, participant: string, nowMs: number): ICEServer[] {
  const { turn_servers: turn, stun_servers: stun } = config.rtc;
  const servers = turn.map((server) => turnEntry(server, participant, nowMs));
  if (stun.length > 0) servers.push(new ICEServer({ urls: stun.map((address) => `stun:${address}`) }));
  return servers;
}

function turnEntry(server: TurnServer, participant: string, nowMs: number): ICEServer {
  const scheme = server.protocol === "tls" ? "turns" : "turn";
  const transport = server.protocol === "udp" ? "udp" : "tcp";
  const urls = [`${scheme}:${server.host}:${server.port}?transport=${transport}`];
  if (server.secret === "") return new ICEServer({ urls, username: server.username, credential: server.credential });
  // the "TURN REST API" that coturn and others understand
  const username = `${Math.floor(nowMs / 1000) + lifetimeS(server.ttl)}:${participant}`;
  const credential = createHmac("sha1", server.secret).update(username).digest("base64");
  return new ICEServer({ urls, username, credential });
}

function lifetimeS(ttl: number): number {
  if (ttl === 0) return DEFAULT_TTL_S;
  return ttl < 0 ? SHORTEST_TTL_S : Math.min(ttl, LONGEST_TTL_S);
}
