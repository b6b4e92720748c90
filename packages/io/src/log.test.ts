import { describe, test } from "node:test";
import assert from "node:assert/strict";
import type { LogOptions } from "./log.ts";
import { createLog, withFields } from "./log.ts";

function setUp(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({ level: "debug", format: "json", write: (line) => void lines.push(line), ...options });
  return { log, lines, last: () => JSON.parse(lines.at(-1)!) as Record<string, unknown> };
}

describe("log", () => {
  test("a line is one JSON object with level, time and message", () => {
    const { log, lines, last } = setUp();
    log.warn("room closed", { room: "lobby", participants: 3 });
    assert.equal(lines.length, 1);
    assert.ok(lines[0]!.endsWith("}\n"));
    const { time, ...rest } = last();
    assert.deepEqual(rest, { level: "warn", message: "room closed", room: "lobby", participants: 3 });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test("levels below the chosen one are silent", () => {
    const { log, lines } = setUp({ level: "warn" });
    log.debug("no");
    log.info("no");
    log.error("yes");
    assert.equal(lines.length, 1);
  });

  test("secrets are replaced, at any depth, by name", () => {
    const { log, last } = setUp();
    log.info("settings", {
      apiSecret: "s3cr3t",
      keys: { devkey: "s3cr3t" },
      ice: [{ ufrag: "abcd", pwd: "s3cr3t", password: "s3cr3t" }],
      headers: { Authorization: "Bearer s3cr3t" },
      keyDer: new Uint8Array([1, 2]),
      tokenValid: true,
    });
    assert.doesNotMatch(JSON.stringify(last()), /s3cr3t/);
    assert.deepEqual(last()["ice"], [{ ufrag: "abcd", pwd: "***", password: "***" }]);
    assert.equal(last()["tokenValid"], true);
  });

  test("a signed token is replaced wherever it stands", () => {
    const { log, last } = setUp();
    const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.abc-DEF_123";
    log.info(`GET /rtc?access_token=${token}&x=1`, { url: `wss://host/rtc?access_token=${token}` });
    assert.equal(last()["message"], "GET /rtc?access_token=***&x=1");
    assert.equal(last()["url"], "wss://host/rtc?access_token=***");
  });

  test("errors, bytes, bigints and cycles are written without harm", () => {
    const { log, last } = setUp();
    const cycle: Record<string, unknown> = { n: 1n, bytes: new Uint8Array(5) };
    cycle["self"] = cycle;
    const cause = Object.assign(new Error("inner"), { code: "EPIPE" });
    log.error("odd", { cycle, error: new Error("outer", { cause }) });
    const error = last()["error"] as { text: string; cause: { code: string } };
    assert.equal(error.text, "outer");
    assert.equal(error.cause.code, "EPIPE");
    assert.equal((last()["cycle"] as { n: string; bytes: string }).n, "1");
    assert.equal((last()["cycle"] as { n: string; bytes: string }).bytes, "5 bytes");
  });

  test("fields cannot pose as level, time or message", () => {
    const { log, last } = setUp();
    log.info("real", { message: "fake", level: "fatal" });
    assert.equal(last()["message"], "real");
    assert.equal(last()["level"], "info");
    assert.equal(last()["message_"], "fake");
  });

  test("on a terminal a line is for people", () => {
    const { log, lines } = setUp({ format: "plain" });
    log.info("participant joined", { room: "my room", identity: "ann", tracks: 2 });
    assert.match(lines[0]!, /^\d\d:\d\d:\d\d\.\d{3} INFO  participant joined room="my room" identity=ann tracks=2\n$/);
  });

  test("added fields stand in every line, nearer ones win", () => {
    const { log, last } = setUp();
    withFields(log, { room: "a", node: "n" }).debug("x", { room: "b" });
    assert.equal(last()["room"], "b");
    assert.equal(last()["node"], "n");
  });
});
