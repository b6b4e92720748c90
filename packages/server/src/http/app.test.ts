import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KEY, recordingLog, SECRET } from "../fixtures.test.ts";
import type { Doorkeeper } from "../signal/connect-request.ts";
import { NOW, ORIGIN, app, door, root, token } from "./harness.test.ts";

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
