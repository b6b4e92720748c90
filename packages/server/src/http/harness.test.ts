/** The HTTP side of a server without a network, for the tests of this folder: a door that is strict, and a demo page. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { handmadeToken, joinClaims, KEYS, recordingLog } from "../fixtures.test.ts";
import type { ConnectRequest, Doorkeeper } from "../signal/connect-request.ts";
import { httpFailure } from "../signal/http-failure.ts";
import { setUp } from "../rooms/harness.test.ts";
import { createApi } from "../twirp/api.ts";
import { createApp, type HttpDeps } from "./app.ts";

export const NOW = 1_800_000_000_000;
export const ORIGIN = "https://app.example";

export const door: Doorkeeper = {
  limits: { identityBytes: 20, roomNameBytes: 20, metadataBytes: 30, attributesBytes: 10 },
  findRoom: (room, mayCreate) =>
    room === "absent" && !mayCreate ? httpFailure("not_found", "requested room does not exist") : undefined,
  admit: ({ roomPreset }: ConnectRequest) =>
    roomPreset === "unknown"
      ? httpFailure("invalid_argument", "unknown room configuration in create room request")
      : undefined,
};

const folder = mkdtempSync(join(tmpdir(), "stoa-demo-"));
export const root = join(folder, "demo");
mkdirSync(join(root, "sub"), { recursive: true });
writeFileSync(join(root, "index.html"), "<!doctype html>hello");
writeFileSync(join(root, "sub", "app.js"), "export {}");
writeFileSync(join(root, ".hidden"), "secret");
writeFileSync(join(folder, "outside.txt"), "secret");
symlinkSync(join(folder, "outside.txt"), join(root, "link.txt"));
after(() => rmSync(folder, { recursive: true }));

const api = createApi(setUp());

/** The server's HTTP with a door that lets everybody in but those whom the texts of the tests name. */
export function app(more: Partial<HttpDeps> = {}) {
  return createApp({
    keys: KEYS,
    door,
    health: { updatedAtMs: NOW },
    maxBodyBytes: () => 1000,
    demo: { root, signer: undefined },
    twirp: { api, log: recordingLog(), nowMs: () => NOW },
    log: recordingLog(),
    nowMs: () => NOW,
    ...more,
  });
}

export const token = (more: Record<string, unknown> = {}) => handmadeToken(joinClaims(NOW, more));
export const video = (more: Record<string, unknown>) => token({ video: { roomJoin: true, room: "lobby", ...more } });
