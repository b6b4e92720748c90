/**
 * The page that Prometheus reads, on a port of its own (`prometheus.port`), with a password if one is set. As in LiveKit
 * any path is that page. Invariant: without the right password nothing is told, and how wrong it was does not show.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import type { Log } from "@stoa/io/log";
import type { Config } from "../config/schema.ts";
import { operatorError } from "../errors.ts";

/** Where the page is, and who may read it. */
export interface MetricsSettings {
  readonly port: number;
  /** Undefined: everybody who reaches the port. */
  readonly password: { readonly user: string; readonly secret: string } | undefined;
}

/** Undefined: no port is configured. Throws an operator error. */
export function readMetricsSettings({ prometheus, prometheus_port }: Config): MetricsSettings | undefined {
  const { username, password } = prometheus;
  if ((username === "") !== (password === "")) {
    const missing = username === "" ? "username" : "password";
    throw operatorError("bad_config", `"prometheus.${missing}" is missing: set both username and password, or none.`);
  }
  const port = prometheus.port || prometheus_port;
  if (port === 0) return undefined;
  return { port, password: username === "" ? undefined : { user: username, secret: password } };
}

/** The server of the page; it does not listen yet. */
export function createMetricsServer(registry: Registry, settings: MetricsSettings, log: Log): Server {
  const expected = settings.password && digest(`${settings.password.user}:${settings.password.secret}`);
  return createServer({ requestTimeout: 10_000 }, (request, response) => {
    if (expected && !isAllowed(request, expected)) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="metrics"' }).end("unauthorized\n");
      return;
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return;
    }
    answer(registry, response).catch((error: unknown) => {
      log.error("metrics failed", { error });
      response.destroy();
    });
  });
}

async function answer(registry: Registry, response: ServerResponse): Promise<void> {
  const text = await registry.metrics();
  response.writeHead(200, { "content-type": registry.contentType }).end(text);
}

function isAllowed({ headers }: IncomingMessage, expected: Buffer): boolean {
  const match = /^Basic\s+([A-Za-z0-9+/=]+)\s*$/i.exec(headers.authorization ?? "");
  return timingSafeEqual(digest(Buffer.from(match?.[1] ?? "", "base64").toString("utf8")), expected);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
