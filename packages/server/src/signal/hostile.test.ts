/** Whatever a stranger sends: an answer, never an exception. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { handmadeToken, joinClaims, KEYS } from "../fixtures.test.ts";
import { isRefused, verifyToken } from "../auth/verify.ts";
import { splitTarget } from "../http/path.ts";
import { parseUserAgent } from "./client-info.ts";
import { readConnectRequest, type Doorkeeper } from "./connect-request.ts";
import { decodeRequest } from "./encode.ts";
import { decodeJoinRequest } from "./join-request.ts";

const NOW = 1_800_000_000_000;
const RUNS = { numRuns: 300 };
const door: Doorkeeper = {
  limits: { identityBytes: 256, roomNameBytes: 256, metadataBytes: 1000, attributesBytes: 1000 },
  findRoom: () => undefined,
  admit: () => undefined,
};
const NAMES = [
  "join_request",
  "attributes",
  "publish",
  "sdk",
  "protocol",
  "reconnect",
  "sid",
  "capabilities",
  "auto_subscribe",
];
const base64 = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString("base64url"));

test("tokens", async () => {
  const part = fc.oneof(
    base64,
    fc.json().map((text) => Buffer.from(text).toString("base64url")),
    fc.string(),
  );
  const token = fc.oneof(
    fc.string(),
    fc.array(part, { minLength: 3, maxLength: 3 }).map((parts) => parts.join(".")),
  );
  await fc.assert(
    fc.asyncProperty(token, async (text) => isRefused(await verifyToken(KEYS, text, NOW))),
    RUNS,
  );
});

test("claims of any shape, well signed", async () => {
  const claim = fc.oneof(fc.jsonValue(), fc.constant(undefined)) as fc.Arbitrary<unknown>;
  const claims = fc.record({
    sub: claim,
    video: claim,
    name: claim,
    attributes: claim,
    roomConfig: claim,
    kind: claim,
  });
  await fc.assert(
    fc.asyncProperty(claims, async (more) => {
      const result = await verifyToken(KEYS, handmadeToken({ ...joinClaims(NOW), ...more }), NOW);
      return result !== undefined;
    }),
    RUNS,
  );
});

test("queries", async () => {
  const token = await verifyToken(KEYS, handmadeToken(joinClaims(NOW)), NOW);
  assert.ok(!isRefused(token));
  const pair = fc.tuple(fc.constantFrom(...NAMES), fc.oneof(base64, fc.string(), fc.constantFrom("1", "true", "js")));
  fc.assert(
    fc.property(fc.array(pair), fc.boolean(), fc.string(), (pairs, strict, header) => {
      const input = { query: new URLSearchParams(pairs), token, needsJoinRequest: false, strict };
      const result = readConnectRequest({ ...input, header: () => header, remoteAddress: header }, door);
      return "status" in result ? result.status >= 400 && result.status < 500 : result.room === "lobby";
    }),
    RUNS,
  );
});

test("join requests, frames, targets and agents", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (bytes, text) => {
      decodeJoinRequest(Buffer.from(bytes).toString("base64"));
      decodeJoinRequest(text);
      decodeRequest(bytes, "binary");
      decodeRequest(bytes, "json");
      parseUserAgent(text);
      return splitTarget(text).path !== "";
    }),
    RUNS,
  );
});
