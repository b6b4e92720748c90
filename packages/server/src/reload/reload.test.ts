/** A new configuration for a running server: what takes effect, what waits, and that nobody is dropped. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { SignalResponse } from "@livekit/protocol";
import { until } from "@stoa/testkit/until";
import { WebSocket } from "ws";
import { loadConfig } from "../config/load.ts";
import { handmadeToken, joinClaims, PAPER_WORKER, recordingLog, SECRET, testConfig } from "../fixtures.test.ts";
import { createServer, type StoaServer } from "../main.ts";
import { changedKeys, fateOf } from "./changes.ts";
import { watchConfig } from "./watch.ts";

describe("changes of a configuration", () => {
  test("are named by their keys, without values", () => {
    const changed = (from: string, to: string) => changedKeys(testConfig(from).config, testConfig(to).config);
    assert.deepEqual(changed("port: 1", "port: 1"), []);
    assert.deepEqual(changed("port: 1", "port: 2\nlimit: { max_metadata_size: 3 }"), [
      "port",
      "limit.max_metadata_size",
    ]);
    assert.deepEqual(changed("", 'webhook: { urls: ["https://a"] }'), ["webhook.urls"]);
  });

  test("take effect at once, wait for the next start, or have none", () => {
    for (const key of [
      "keys.a",
      "limit.num_tracks",
      "limit.max_data_blobs_size",
      "webhook.urls",
      "logging.level",
      "room.empty_timeout",
    ]) {
      assert.equal(fateOf(key), "applied", key);
    }
    for (const key of ["port", "rtc.udp_port", "room.enabled_codecs", "prometheus.port", "logging.json", "limits"]) {
      assert.equal(fateOf(key), "waiting", key);
    }
    for (const key of ["room.create_room_timeout", "turn.udp_port", "rtc.force_tcp"]) {
      assert.equal(fateOf(key), "ineffective", key);
    }
  });
});

describe("a running server", () => {
  let stoa: StoaServer;
  let base: string;
  const log = Object.assign(recordingLog(), { setLevel: (level: string) => void log.lines.push(`level ${level}`) });

  before(async () => {
    const loaded = testConfig("port: 0\nlogging: { level: info }", { bind: ["127.0.0.1"] });
    stoa = createServer({ loaded, log, parts: { workerEntry: PAPER_WORKER, cores: 1 } });
    base = `127.0.0.1:${(await stoa.start()).port}`;
  });
  after(() => stoa.close());

  const load = (yaml: string, key: string) => {
    return loadConfig({ flags: { "config-body": yaml, keys: `${key}: ${SECRET}`, bind: ["127.0.0.1"] } });
  };
  const token = (key: string, more: Record<string, unknown> = {}) => {
    return handmadeToken({ ...joinClaims(Date.now()), iss: key, ...more });
  };
  const validate = async (key: string, more: Record<string, unknown> = {}) => {
    return (await fetch(`http://${base}/rtc/validate?access_token=${token(key, more)}`)).status;
  };

  test("takes keys, limits, room defaults and the log level over; who is connected stays", async () => {
    const ws = new WebSocket(`ws://${base}/rtc?protocol=16&sdk=js&access_token=${token("APItest")}`);
    const [frame] = (await once(ws, "message")) as [Buffer];
    assert.equal(SignalResponse.fromBinary(frame).message.case, "join");
    assert.equal(await validate("APInew"), 401);

    const reloaded = stoa.reload(
      load(
        `port: 1
logging: { level: debug }
limit: { max_room_name_length: 3 }
room: { create_room_timeout: 3s }
rtc: { udp_port: 1234 }
turn: { enabled: true }`,
        "APInew",
      ),
    );
    assert.deepEqual(reloaded.applied, ["keys.APItest", "keys.APInew", "logging.level", "limit.max_room_name_length"]);
    assert.deepEqual(reloaded.waiting, ["port", "rtc.udp_port"]);
    assert.deepEqual(reloaded.ineffective, ["room.create_room_timeout", "turn.enabled"]);
    const sentence = "has changed; it is accepted but without effect in this version";
    assert.ok(log.lines.includes(`warn "room.create_room_timeout" ${sentence}`));
    assert.ok(log.lines.includes('warn "port" has changed; it takes effect when the server is started again'));
    assert.ok(log.lines.includes("level debug"));
    assert.equal(await validate("APItest"), 401);
    assert.equal(await validate("APInew"), 400); // "lobby" is too long now
    assert.equal(await validate("APInew", { video: { roomJoin: true, room: "abc" } }), 200);
    assert.equal(ws.readyState, WebSocket.OPEN);
    ws.terminate();
  });

  test("stays as it is when something is wrong", async () => {
    assert.throws(() => stoa.reload(load('webhook: { urls: ["https://a.example"] }', "APIbroken")), /webhook\.api_key/);
    assert.equal(await validate("APInew", { video: { roomJoin: true, room: "abc" } }), 200);
    assert.equal(await validate("APIbroken"), 401);
  });
});

test("a changed file is loaded again, also one that was put in the place of another; a mistake in it is a line in the log", async () => {
  const folder = mkdtempSync(join(tmpdir(), "stoa-reload-"));
  const file = join(folder, "livekit.yaml");
  const write = (text: string) => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  write(`port: 1\nkeys: { a: ${SECRET} }`);
  const load = () => loadConfig({ flags: { config: file } });
  const ports: number[] = [];
  const log = recordingLog();
  const first = load();
  assert.deepEqual(first.files, [file]);
  const watch = watchConfig({ files: first.files, load, apply: ({ config }) => void ports.push(config.port), log });
  write(`port: 2\nkeys: { a: ${SECRET} }`);
  await until(() => ports.length === 1, 5000, "the change");
  write("port: x");
  await until(() => log.lines.length > 0, 5000, "the mistake");
  assert.match(log.lines[0]!, /^error the configuration is left as it was: .*line 1.*"port" must be a whole number/);
  write(`port: 3\nkeys: { a: ${SECRET} }`);
  await until(() => ports.length === 2, 5000, "the next change");
  assert.deepEqual(ports, [2, 3]);
  watch.stop();
  rmSync(folder, { recursive: true });
});

test("a file that a later configuration names is watched from then on, one that it does not name is not any more", async () => {
  const folder = mkdtempSync(join(tmpdir(), "stoa-reload-"));
  const [file, keyFile] = [join(folder, "livekit.yaml"), join(folder, "keys.yaml")];
  const write = (path: string, text: string) => {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };
  write(file, `keys: { a: ${SECRET} }`);
  const load = () => loadConfig({ flags: { config: file } });
  const keys: string[] = [];
  const log = recordingLog();
  const apply = (next: { keys: ReadonlyMap<string, string> }) => void keys.push([...next.keys.keys()].join());
  const watch = watchConfig({ files: load().files, load, apply, log });
  const become = (wanted: string) => until(() => keys.at(-1) === wanted, 5000, `the keys ${wanted}`);
  write(keyFile, "no keys");
  write(file, `key_file: ${keyFile}`);
  await until(() => log.lines.length > 0, 5000, "the mistake");
  write(keyFile, `b: ${SECRET}`); // mended where only the wrong configuration points to
  await become("b");
  write(keyFile, `c: ${SECRET}`);
  await become("c");
  write(file, `keys: { d: ${SECRET} }`);
  await become("d");
  write(keyFile, `e: ${SECRET}`);
  write(file, `keys: { f: ${SECRET} }`);
  await become("f");
  assert.deepEqual(keys, ["b", "c", "d", "f"]);
  assert.equal(log.lines.length, 1);
  watch.stop();
  rmSync(folder, { recursive: true });
});
