import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KEY, SECRET } from "../fixtures.test.ts";
import { ORIGIN, app, root } from "./harness.test.ts";

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
