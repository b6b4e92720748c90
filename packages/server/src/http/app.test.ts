import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { JoinRequest, WrappedJoinRequest, WrappedJoinRequest_Compression } from "@livekit/protocol";
import { handmadeToken, joinClaims, KEY, KEYS, recordingLog, SECRET } from "../fixtures.test.ts";
import type { ConnectRequest, Doorkeeper } from "../signal/connect-request.ts";
import { httpFailure } from "../signal/http-failure.ts";
import { setUp } from "../rooms/harness.test.ts";
import { createApi } from "../twirp/api.ts";
import { createApp, type HttpDeps } from "./app.ts";

const NOW = 1_800_000_000_000;
const ORIGIN = "https://app.example";

const door: Doorkeeper = {
  limits: { identityBytes: 20, roomNameBytes: 20, metadataBytes: 30, attributesBytes: 10 },
  findRoom: (room, mayCreate) =>
    room === "absent" && !mayCreate ? httpFailure("not_found", "requested room does not exist") : undefined,
  admit: ({ roomPreset }: ConnectRequest) =>
    roomPreset === "unknown"
      ? httpFailure("invalid_argument", "unknown room configuration in create room request")
      : undefined,
};

const folder = mkdtempSync(join(tmpdir(), "stoa-demo-"));
const root = join(folder, "demo");
mkdirSync(join(root, "sub"), { recursive: true });
writeFileSync(join(root, "index.html"), "<!doctype html>hello");
writeFileSync(join(root, "sub", "app.js"), "export {}");
writeFileSync(join(root, ".hidden"), "secret");
writeFileSync(join(folder, "outside.txt"), "secret");
symlinkSync(join(folder, "outside.txt"), join(root, "link.txt"));
after(() => rmSync(folder, { recursive: true }));

const api = createApi(setUp());

function app(more: Partial<HttpDeps> = {}) {
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

const token = (more: Record<string, unknown> = {}) => handmadeToken(joinClaims(NOW, more));
const video = (more: Record<string, unknown>) => token({ video: { roomJoin: true, room: "lobby", ...more } });

function joinRequest(request: JoinRequest | Uint8Array, compression = WrappedJoinRequest_Compression.NONE): string {
  const plain = request instanceof JoinRequest ? request.toBinary() : request;
  const bytes = compression === WrappedJoinRequest_Compression.GZIP ? gzipSync(plain) : plain;
  return base64(new WrappedJoinRequest({ joinRequest: bytes, compression }).toBinary());
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

describe("validate: status and body of every rule, with CORS", () => {
  const v0 = (parameters: string, expected: readonly [number, string]) =>
    [`/rtc/validate?${parameters}`, ...expected] as const;
  const v1 = (parameters: string, expected: readonly [number, string]) =>
    [`/rtc/v1/validate?access_token=${token()}&${parameters}`, ...expected] as const;
  const ok = [200, "success"] as const;
  const noAccess = [401, "no permissions to access the room"] as const;
  const attributes = (value: unknown) => `attributes=${encodeURIComponent(base64(Buffer.from(JSON.stringify(value))))}`;
  const own = video({ canUpdateOwnMetadata: true });
  const bomb = gzipSync(Buffer.alloc(2 << 20));
  const wrappedBomb = base64(
    new WrappedJoinRequest({ joinRequest: bomb, compression: WrappedJoinRequest_Compression.GZIP }).toBinary(),
  );
  const cut = base64(
    new WrappedJoinRequest({
      joinRequest: gzipSync(Buffer.from("not all of it")).subarray(0, 12),
      compression: WrappedJoinRequest_Compression.GZIP,
    }).toBinary(),
  );
  const table: Record<string, readonly [string, number, string]> = {
    good: v0(`access_token=${token()}`, ok),
    "no token": v0("", noAccess),
    "an empty token": v0("access_token=", noAccess),
    "no video grant": v0(`access_token=${token({ video: undefined })}`, noAccess),
    "no roomJoin": v0(`access_token=${video({ roomJoin: false })}`, noAccess),
    "a bad token": v0("access_token=xx", [401, "invalid authorization token"]),
    "no identity": v0(`access_token=${token({ sub: "" })}`, [400, "identity cannot be empty"]),
    "a long identity": v0(`access_token=${token({ sub: "a".repeat(21) })}`, [
      400,
      "participant identity length exceeds limits: max length 20",
    ]),
    "an identity counted in bytes": v0(`access_token=${token({ sub: "é".repeat(11) })}`, [
      400,
      "participant identity length exceeds limits: max length 20",
    ]),
    "no room": v0(`access_token=${video({ room: "" })}`, [400, "no room name"]),
    "a long room": v0(`access_token=${video({ room: "r".repeat(21) })}`, [
      400,
      "room name length exceeds limits: max length 20",
    ]),
    "a room that is not there": v0(`access_token=${video({ room: "absent" })}`, [404, "requested room does not exist"]),
    "a room that is not there, with the right to create it": v0(
      `access_token=${video({ room: "absent", roomCreate: true })}`,
      ok,
    ),
    "an unknown preset": v0(`access_token=${token({ roomPreset: "unknown" })}`, [
      400,
      "unknown room configuration in create room request",
    ]),
    publish: v0(`access_token=${token()}&publish=x`, ok),
    "publish without the right": v0(`access_token=${video({ canPublish: false })}&publish=x`, noAccess),
    attributes: v0(`access_token=${own}&${attributes({ a: "b" })}`, ok),
    "attributes without the right": v0(`access_token=${token()}&${attributes({ a: "b" })}`, noAccess),
    "attributes over the limit": v0(`access_token=${own}&${attributes({ a: "1234567890" })}`, [
      400,
      "attribute size exceeds limits",
    ]),
    "attributes that are no map of texts": v0(`access_token=${own}&${attributes({ a: 1 })}`, [
      400,
      "cannot decode attributes",
    ]),
    "attributes that are no base64": v0(`access_token=${own}&attributes=%21%21`, [400, "cannot decode attributes"]),
    "metadata of the token over the limit": v0(`access_token=${token({ metadata: "m".repeat(31) })}`, [
      400,
      "metadata size exceeds limits",
    ]),
    "v1 without join_request": v1("", [400, "join_request is required"]),
    v1: v1(`join_request=${encodeURIComponent(joinRequest(new JoinRequest({ participantSid: "PA_1" })))}`, ok),
    "v1, gzip": v1(
      `join_request=${encodeURIComponent(joinRequest(new JoinRequest({ participantSid: "PA_1" }), WrappedJoinRequest_Compression.GZIP))}`,
      ok,
    ),
    "v1 without padding": v1("join_request=EgA", ok),
    "v1 in the standard alphabet": v1(`join_request=${encodeURIComponent("EgD6/w4=")}`, [
      400,
      "cannot unmarshal wrapped join request",
    ]),
    "v1, no base64": v1("join_request=%21%21%21", [400, "cannot base64 decode wrapped join request"]),
    "v1, no message": v1("join_request=_____w==", [400, "cannot unmarshal wrapped join request"]),
    "v1, no join request inside": v1(`join_request=${joinRequest(Uint8Array.of(255, 255, 255))}`, [
      400,
      "cannot unmarshal join request",
    ]),
    "v1, cut gzip": v1(`join_request=${encodeURIComponent(cut)}`, [400, "cannot read decompressed join request"]),
    "v1, a gzip bomb": v1(`join_request=${encodeURIComponent(wrappedBomb)}`, [400, "join request too large"]),
    "v1, too large without gzip": v1(`join_request=${encodeURIComponent(joinRequest(Buffer.alloc((1 << 20) + 1)))}`, [
      400,
      "join request too large",
    ]),
    "v1, metadata without the right": v1(`join_request=${joinRequest(new JoinRequest({ metadata: "m" }))}`, noAccess),
    "join_request on v0": v0(`access_token=${token()}&join_request=%21`, [
      400,
      "cannot base64 decode wrapped join request",
    ]),
  };
  for (const [name, [path, status, body]] of Object.entries(table)) {
    test(name, async () => {
      const answer = await app().request(path, { headers: { origin: ORIGIN } });
      assert.deepEqual([answer.status, await answer.text()], [status, body]);
      assert.equal(answer.headers.get("access-control-allow-origin"), "*");
      assert.match(answer.headers.get("content-type")!, /^text\/plain/);
    });
  }

  test("the token may stand in the header, and the header must say Bearer", async () => {
    const ask = (authorization: string) => app().request("/rtc/validate", { headers: { authorization } });
    assert.equal((await ask(`Bearer ${token()}`)).status, 200);
    const refused = await ask(token());
    assert.deepEqual(
      [refused.status, await refused.text()],
      [401, "invalid authorization header. Must start with Bearer "],
    );
  });
});

describe("health, unknown paths, slashes", () => {
  test("200 OK, for HEAD too", async () => {
    const answer = await app().request("/");
    assert.deepEqual([answer.status, await answer.text()], [200, "OK"]);
    assert.equal((await app().request("/", { method: "HEAD" })).status, 200);
  });

  test("406 when the node's figures are older than four seconds", async () => {
    const fresh = await app({ health: { updatedAtMs: NOW - 4000 } }).request("/");
    assert.equal(fresh.status, 200);
    const stale = await app({ health: { updatedAtMs: NOW - 4001 } }).request("/");
    assert.equal(stale.status, 406);
    assert.equal(await stale.text(), `Not Ready\nNode Updated At ${new Date(NOW - 4001).toISOString()}`);
  });

  test("a bare 404 for everything else, also for /rtc without an upgrade", async () => {
    for (const path of ["/nope", "/rtc", "/rtc/v1", "/rtc/", `/rtc?access_token=${token()}`]) {
      const answer = await app().request(path, { headers: { origin: ORIGIN } });
      assert.deepEqual([path, answer.status, await answer.text()], [path, 404, ""]);
      assert.equal(answer.headers.get("access-control-allow-origin"), ORIGIN);
      assert.equal(answer.headers.get("vary"), "Origin");
    }
  });

  test("a bad token is refused before the path is looked at", async () => {
    assert.equal((await app().request("/nope?access_token=zz")).status, 401);
  });

  test("one of two leading slashes is removed", async () => {
    assert.equal((await app().request(`http://localhost//rtc/validate?access_token=${token()}`)).status, 200);
    assert.equal((await app().request("http://localhost//")).status, 200);
    assert.equal((await app().request(`http://localhost///rtc/validate?access_token=${token()}`)).status, 404);
  });
});

describe("CORS", () => {
  test("no Origin, no header but Vary", async () => {
    const { headers } = await app().request("/");
    assert.deepEqual([headers.get("access-control-allow-origin"), headers.get("vary")], [null, "Origin"]);
  });

  test("a preflight allows the method and the headers that it asks for, for a day", async () => {
    const answer = await app().request("/anything", {
      method: "OPTIONS",
      headers: {
        origin: ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
    const { headers } = answer;
    assert.equal(answer.status, 204);
    assert.deepEqual(
      ["origin", "methods", "headers"].map((name) => headers.get(`access-control-allow-${name}`)),
      [ORIGIN, "POST", "authorization,content-type"],
    );
    assert.equal(headers.get("access-control-max-age"), "86400");
  });

  test("a preflight for a method that nobody has allows nothing", async () => {
    const answer = await app().request("/", {
      method: "OPTIONS",
      headers: { origin: ORIGIN, "access-control-request-method": "PUT" },
    });
    assert.deepEqual([answer.status, answer.headers.get("access-control-allow-origin")], [204, null]);
  });
});

describe("bodies", () => {
  test("over the limit: 413, with or without a length", async () => {
    const body = "x".repeat(1001);
    const declared = await app().request("/nope", {
      method: "POST",
      body,
      headers: { "content-length": "1001", origin: ORIGIN },
    });
    assert.deepEqual([declared.status, await declared.text()], [413, "request body too large"]);
    assert.equal(declared.headers.get("access-control-allow-origin"), ORIGIN);
    const stream = new Blob([body]).stream();
    const signer = { key: KEY, secret: SECRET };
    const streamed = await app({ demo: { root, signer } }).request("/demo/token", {
      method: "POST",
      body: stream,
      duplex: "half",
    } as RequestInit);
    assert.equal(streamed.status, 413);
  });

  test("over the limit at the API: 413 as a Twirp error, since its clients read nothing else", async () => {
    const path = "/twirp/livekit.RoomService/ListRooms";
    const body = JSON.stringify({ names: ["x".repeat(1001)] });
    const headers = { authorization: `Bearer ${token()}`, "content-type": "application/json", origin: ORIGIN };
    for (const init of [{ body }, { body: new Blob([body]).stream(), duplex: "half" }]) {
      const answer = await app().request(path, { method: "POST", headers, ...init } as RequestInit);
      assert.deepEqual([answer.status, answer.headers.get("content-type")], [413, "application/json"]);
      const error = { code: "resource_exhausted", msg: "request body too large: max length 1000" };
      assert.deepEqual(await answer.json(), error);
      assert.equal(answer.headers.get("access-control-allow-origin"), ORIGIN);
    }
  });

  test("0 switches the limit off", async () => {
    assert.equal(
      (await app({ maxBodyBytes: () => 0 }).request("/nope", { method: "POST", body: "x".repeat(5000) })).status,
      404,
    );
  });
});

describe("the demo page", () => {
  const get = (path: string, headers: Record<string, string> = {}) => app().request(path, { headers });

  test("files with their type; the folder is its index", async () => {
    const index = await get("/demo/");
    assert.deepEqual([index.status, await index.text()], [200, "<!doctype html>hello"]);
    assert.equal(index.headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal((await get("/demo/sub/app.js")).headers.get("content-type"), "text/javascript; charset=utf-8");
    assert.equal((await get("/demo?room=x")).headers.get("location"), "/demo/?room=x");
    const head = await app().request("/demo/index.html", { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, "20", ""]);
  });

  test("checked with the browser each time, and not sent again when it is the same", async () => {
    const first = await get("/demo/index.html");
    assert.equal(first.headers.get("cache-control"), "no-cache");
    const etag = first.headers.get("etag")!;
    const again = await get("/demo/index.html", { "if-none-match": `"x", W/${etag}` });
    assert.deepEqual([again.status, await again.text()], [304, ""]);
  });

  test("nothing from outside the folder, nothing hidden", async () => {
    const paths = [
      "/demo/../outside.txt",
      "/demo/%2e%2e/outside.txt",
      "/demo/..%2foutside.txt",
      "/demo/sub/..%2f..%2foutside.txt",
      "/demo/..%5coutside.txt",
      "/demo//etc/passwd",
      "/demo/%00",
      "/demo/%zz",
      "/demo/.hidden",
      "/demo/link.txt",
      "/demo/sub",
      "/demo/none.html",
    ];
    for (const path of paths) assert.equal((await get(`http://localhost${path}`)).status, 404, path);
  });

  test("tokens only in development, and only for its own page", async () => {
    const signer = { key: KEY, secret: SECRET };
    const ask = (development: boolean, body: string, headers: Record<string, string> = {}) =>
      app({ demo: { root, signer: development ? signer : undefined } }).request("http://localhost/demo/token", {
        method: "POST",
        body,
        headers,
      });
    const body = JSON.stringify({ identity: "ada", room: "lobby" });
    assert.equal((await ask(false, body)).status, 404);
    assert.equal((await ask(true, body, { origin: ORIGIN })).status, 403);
    const answer = await ask(true, body, { origin: "http://localhost" });
    const { token: made } = (await answer.json()) as { token: string };
    assert.equal((await app().request(`/rtc/validate?access_token=${made}`)).status, 200);
    for (const wrong of [
      "",
      "{}",
      "[]",
      JSON.stringify({ identity: "", room: "r" }),
      JSON.stringify({ identity: "x".repeat(65), room: "r" }),
    ]) {
      assert.equal((await ask(true, wrong)).status, 400, wrong);
    }
  });

  test("what the page needs to know", async () => {
    assert.deepEqual(await (await get("/demo/config.json")).json(), { tokens: false });
    const library = await get("/demo/livekit-client.mjs");
    assert.match(library.headers.get("content-type")!, /^text\/javascript/);
    assert.match(await library.text(), /RoomEvent/);
  });
});

test("a handler that throws is a 500 with CORS, and a line in the log", async () => {
  const log = recordingLog();
  const failing: Doorkeeper = {
    ...door,
    findRoom: () => {
      throw new Error("boom");
    },
  };
  const answer = await app({ door: failing, log }).request(`/rtc/validate?access_token=${token()}`, {
    headers: { origin: ORIGIN },
  });
  assert.deepEqual([answer.status, await answer.text()], [500, "internal error"]);
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  assert.ok(log.lines.some((line) => line.startsWith("error")));
});
