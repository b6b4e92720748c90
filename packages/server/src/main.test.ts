/** A whole server in this process: real HTTP and WebSockets, real rooms, a media worker of a few lines. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { DisconnectReason, SignalResponse } from "@livekit/protocol";
import { until } from "@stoa/testkit/until";
import { WebSocket } from "ws";
import { developmentBanner } from "./banner.ts";
import { handmadeToken, joinClaims, KEYS, recordingLog, SECRET, testConfig } from "./fixtures.test.ts";
import { loadConfig } from "./config/load.ts";
import { createServer } from "./main.ts";
import { verifyToken } from "./auth/verify.ts";

const WORKER = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, workerData } from "node:worker_threads";
    parentPort.on("message", (command) => command.type === "shutdown" && parentPort.close());
    parentPort.postMessage({ type: "ready", candidates: [{ protocol: "udp", address: "127.0.0.1", port: workerData.udpPort }] });
  `)}`,
);

function server(yaml = "port: 0", flags: Record<string, string | boolean | string[]> = { bind: ["127.0.0.1"] }) {
  const log = recordingLog();
  return {
    log,
    server: createServer({ loaded: testConfig(yaml, flags), log, parts: { workerEntry: WORKER, cores: 2 } }),
  };
}

const token = () => handmadeToken(joinClaims(Date.now()));

describe("a server", () => {
  test("answers, lets somebody in, says goodbye, and frees its port", async () => {
    const { server: stoa } = server();
    const { port, candidates } = await stoa.start();
    assert.equal(candidates[0]?.port, 7882);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "OK");
    const ws = new WebSocket(`ws://127.0.0.1:${port}/rtc?protocol=16&sdk=js&access_token=${token()}`);
    const frames: SignalResponse["message"][] = [];
    ws.on("message", (data: Buffer) => void frames.push(SignalResponse.fromBinary(data).message));
    const closed = once(ws, "close");
    await once(ws, "message");
    assert.equal(frames[0]?.case, "join");

    const began = performance.now();
    await stoa.close();
    assert.ok(performance.now() - began < 4000);
    assert.deepEqual((await closed)[0], 1000);
    const leave = frames.at(-1)!;
    assert.ok(leave.case === "leave" && leave.value.reason === DisconnectReason.SERVER_SHUTDOWN);
    await listenable(port);
  });

  test("takes a request line of 100 KB: join requests stand there", async () => {
    const { server: stoa } = server();
    const { port } = await stoa.start();
    const long = `access_token=${token()}&browser=${"x".repeat(100_000)}`;
    assert.equal((await fetch(`http://127.0.0.1:${port}/rtc/validate?${long}`)).status, 200);
    await stoa.close();
  });

  test("logs what the configuration could not do", async () => {
    const { server: stoa, log } = server("port: 0\nredis: { address: a }");
    await stoa.start();
    await stoa.close();
    assert.ok(log.lines.includes("warn Accepted but without effect in this version: redis."));
  });

  test("lets nobody more in when a limit of the node is reached", async () => {
    const busy = new URL(
      `data:text/javascript,${encodeURIComponent(`
        import { parentPort } from "node:worker_threads";
        let bytes = 0;
        const load = () => ({ utilization: 0, lagMs: 0, packetsIn: 0, packetsOut: 0, bytesIn: (bytes += 1000), bytesOut: 0,
          droppedIn: 0, droppedOut: 0, forwardLatency: [], forwardLatencyUs: 0 });
        const reports = setInterval(() => parentPort.postMessage({ type: "load", load: load() }), 10);
        parentPort.on("message", ({ type }) => type === "shutdown" && (clearInterval(reports), parentPort.close()));
        parentPort.postMessage({ type: "ready", candidates: [] });
      `)}`,
    );
    const loaded = testConfig("port: 0\nlimit: { bytes_per_sec: 1000 }", { bind: ["127.0.0.1"] });
    const stoa = createServer({ loaded, log: recordingLog(), parts: { workerEntry: busy, cores: 1 } });
    const { port } = await stoa.start();
    const ask = () => fetch(`http://127.0.0.1:${port}/rtc/validate?access_token=${token()}`);
    await until(async () => (await ask()).status === 503, 5000, "the node to be full");
    assert.equal(await (await ask()).text(), "node has exceeded its configured limit");
    const ws = new WebSocket(`ws://127.0.0.1:${port}/rtc?protocol=16&sdk=js&access_token=${token()}`);
    const [, refusal] = (await once(ws, "unexpected-response")) as [unknown, { statusCode: number }];
    assert.equal(refusal.statusCode, 503);
    ws.on("error", () => {}).terminate();
    await stoa.close();
  });

  test("shows its rooms on the debug port, and on the main one in development only", async () => {
    const port = 30_000 + (process.pid % 2000); // below those that the system gives to others
    const join = async ({ port: main }: { port: number }) => {
      const ws = new WebSocket(`ws://127.0.0.1:${main}/rtc?protocol=16&sdk=js&access_token=${token()}`);
      await once(ws, "message");
      return (at: number, path = "/debug/rooms") => fetch(`http://127.0.0.1:${at}${path}`);
    };
    const { server: plain } = server(`port: 0\ndebug_handler: { port: ${port} }`);
    const get = await join(await plain.start());
    const [room] = (await (await get(port)).json()) as Record<string, any>[];
    assert.equal(room!["Name"], "lobby");
    assert.match(room!["Sid"], /^RM_/);
    assert.deepEqual(Object.keys(room!["Participants"]), ["ada"]);
    assert.match(room!["Participants"].ada.ID, /^PA_/);
    assert.equal((await get(port, "/debug/pprof/")).status, 404);
    assert.equal((await get(plain.address.port)).status, 404);
    await plain.close();
    await listenable(port);

    const { server: dev } = server("port: 0", { dev: true, bind: ["127.0.0.1"] });
    const getDev = await join(await dev.start());
    const [devRoom] = (await (await getDev(dev.address.port)).json()) as Record<string, any>[];
    assert.equal(devRoom!["Name"], "lobby");
    await dev.close();
  });

  test("serves its figures on a port of their own", async () => {
    const port = 20_000 + (process.pid % 10_000); // below those that the system gives to others
    const { server: stoa } = server(`port: 0\nprometheus: { port: ${port} }`);
    await stoa.start();
    const ws = new WebSocket(`ws://127.0.0.1:${stoa.address.port}/rtc?protocol=16&sdk=js&access_token=${token()}`);
    await once(ws, "message");
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(text, /^livekit_room_total\{[^}]*\} 1$/m);
    assert.match(text, /^livekit_participant_total\{[^}]*\} 1$/m);
    assert.match(text, /^nodejs_eventloop_lag_seconds\{/m);
    await stoa.close();
    await listenable(port);
  });

  test("close before start, and twice, does no harm", async () => {
    const { server: stoa } = server();
    await stoa.close();
    await stoa.close();
  });
});

describe("addresses that cannot be had are one sentence", () => {
  test("a port in use", async () => {
    const other = createTcpServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const { server: stoa } = server(`port: ${port}`);
    const expected = `TCP port ${port} for HTTP is in use; choose another with --port, or "port:" in the configuration.`;
    await assert.rejects(stoa.start(), { code: "port_in_use", message: expected });
    other.close();
  });

  test("a port for metrics in use", async () => {
    const other = createTcpServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const { server: stoa } = server(`port: 0\nprometheus: { port: ${port} }`);
    const change = 'choose another with --prometheus.port, or "prometheus.port:" in the configuration.';
    await assert.rejects(stoa.start(), { message: `TCP port ${port} for metrics is in use; ${change}` });
    other.close();
  });

  test("an address of another machine", async () => {
    const { server: stoa } = server("port: 0", { bind: ["192.0.2.1"] });
    await assert.rejects(stoa.start(), {
      message: '192.0.2.1 is not an address of this machine; change --bind or "bind_addresses:".',
    });
  });

  test("a room configuration that is none", () => {
    assert.throws(
      () => server("room: { room_configurations: { x: { empty_timeout: soon } } }"),
      /room_configurations\.x" is not a room configuration/,
    );
  });
});

describe("the banner of a development server", () => {
  test("has everything to connect, and a token that is valid", async () => {
    const loaded = loadConfig({ flags: { dev: true } });
    const text = await developmentBanner(
      loaded,
      { hosts: ["127.0.0.1", "::1"], port: 7880, candidates: [] },
      Date.now(),
    );
    assert.match(text, /Demo call +http:\/\/127\.0\.0\.1:7880\/demo\/\n/);
    assert.match(text, /WebSocket URL +ws:\/\/127\.0\.0\.1:7880\n/);
    assert.match(text, /API key +devkey\n +API secret +secret\n/);
    const jwt = /Token +(\S+)/.exec(text)![1]!;
    const result = await verifyToken(new Map([["devkey", "secret"]]), jwt, Date.now());
    assert.ok(result && "grants" in result && result.grants.video?.roomJoin);
  });

  test("does not show a configured secret", async () => {
    const text = await developmentBanner(
      testConfig("", { dev: true }),
      { hosts: ["::"], port: 1, candidates: [] },
      Date.now(),
    );
    assert.ok(!text.includes(SECRET));
    assert.ok([...KEYS.keys()].every((key) => text.includes(key)));
  });
});

async function listenable(port: number): Promise<void> {
  const again = createTcpServer();
  await new Promise<void>((resolve, reject) => again.once("error", reject).listen(port, "127.0.0.1", resolve));
  await new Promise((resolve) => again.close(resolve));
}
