import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { MediaEvent } from "@stoa/core/engine/events";
import { DEFAULT_LANES } from "@stoa/core/data/peer-lanes";
import { DEFAULT_AUDIO_LEVEL } from "@stoa/core/media/audio-level";
import { DEFAULT_TUNING } from "@stoa/core/media/tuning";
import { recordingLog } from "../fixtures.test.ts";
import { healthResponse } from "../http/health.ts";
import { announcedCandidates, type AnnounceRules } from "./announced.ts";
import { MediaWorkers } from "./media-workers.ts";
import type { WorkerInit } from "./worker-init.ts";

const OPEN: MediaCommand = {
  type: "openPeer",
  peer: 1,
  room: "r",
  participant: "PA_1",
  ufrag: "u",
  pwd: "p",
  channels: [],
  congestion: { enabled: false, allowPause: false },
  playoutDelay: undefined,
};
const REMOTE: MediaCommand = { type: "restartIce", peer: 1, ufrag: "v", pwd: "p" };
const MEMBER = {
  identity: "ada",
  canPublish: true,
  canPublishData: true,
  canSubscribe: true,
  hidden: false,
  agent: false,
  active: true,
  away: false,
  dataPeer: 0,
};

/** A worker of a few lines. `on`: what it does with a command, as JavaScript over `command`, `tell` and `workerData`. */
function entry(on = "", start = ""): URL {
  const source = `
    import { parentPort, workerData } from "node:worker_threads";
    const tell = (event) => parentPort.postMessage(event);
    parentPort.on("message", (command) => {
      if (command.type === "shutdown") parentPort.close();
      ${on}
    });
    ${start || 'tell({ type: "ready", candidates: [{ protocol: "udp", address: "127.0.0.1", port: workerData.udpPort }] });'}
  `;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

const running: MediaWorkers[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((workers) => workers.close()));
});

function workers(url: URL, count = 1) {
  const announce: AnnounceRules = { nodeIps: [], interfaces: NONE, ips: NONE, loopback: true };
  const certificate = { certDer: new Uint8Array(1), keyDer: new Uint8Array(1) };
  const inits = Array.from({ length: count }, (_, index): WorkerInit => ({
    index,
    certificate,
    accel: "auto",
    announce,
    audioLevel: DEFAULT_AUDIO_LEVEL,
    activeRed: false,
    tuning: DEFAULT_TUNING,
    tapData: false,
    dataLanes: DEFAULT_LANES,
    udpPort: 7000 + index,
    tcpPort: 0,
  }));
  const log = recordingLog();
  const clock = { nowMs: 1_800_000_000_000 };
  const media = new MediaWorkers({ entry: url, inits, fingerprint: "AA:BB", log, nowMs: () => clock.nowMs });
  running.push(media);
  const events: [string, MediaEvent][] = [];
  const lost: number[] = [];
  media.listen({
    onMedia: (room, event) => void events.push([room, event]),
    onWorkerLost: (worker) => void lost.push(worker),
  });
  return { media, events, lost, log, clock };
}

const NONE = { includes: [], excludes: [] };

describe("media workers", () => {
  test("are up when start resolves, and say where they are", async () => {
    const { media } = workers(entry(), 2);
    assert.equal(media.choose(), undefined);
    await media.start();
    assert.equal(media.choose(), 0);
    assert.deepEqual(media.address(1), {
      fingerprint: "AA:BB",
      candidates: [{ protocol: "udp", address: "127.0.0.1", port: 7001 }],
    });
    assert.equal(media.candidates.length, 2);
  });

  test("that cannot start give their sentence, and leave no thread behind", async () => {
    const message = "udp port 7001 is in use; choose another with --udp-port or rtc.udp_port";
    const url = entry(
      "",
      `workerData.index === 1 ? tell({ type: "fatal", message: ${JSON.stringify(message)} }) : tell({ type: "ready", candidates: [] });`,
    );
    const { media } = workers(url, 2);
    await assert.rejects(media.start(), { message });
    assert.equal(media.choose(), undefined);
  });

  test("that crash while starting are an error with the reason", async () => {
    await assert.rejects(
      workers(entry("", 'throw new Error("no sockets today")')).media.start(),
      /media worker 0 failed: no sockets today/,
    );
    await assert.rejects(workers(entry("", "process.exit(3)")).media.start(), /media worker 0 ended while starting/);
  });

  test("get the commands, and their events find the room", async () => {
    const url = entry(`
      if (command.type === "openPeer") tell({ type: "peerState", peer: command.peer, state: "connected", detail: "udp" });
      if (command.type === "setMember") tell({ type: "dataSequence", participant: command.participant, sequence: 4 });
      if (command.type === "setMember") tell({ type: "speakers", room: command.room, speakers: [] });
      if (command.type === "closePeer") tell({ type: "peerState", peer: command.peer, state: "closed", detail: "late" });
      if (command.type === "muteTrack") tell({ type: "log", level: "warn", message: "muted", fields: {} });
    `);
    const { media, events, log } = workers(url);
    await media.start();
    media.post(0, "r", OPEN);
    media.post(0, "r", { type: "setMember", room: "r", participant: "PA_1", member: MEMBER });
    await until(() => events.length >= 3);
    media.post(0, "r", { type: "closePeer", peer: 1 });
    media.post(0, "r", { type: "muteTrack", track: "TR_1", muted: true });
    await until(() => log.lines.includes("warn muted"));
    assert.deepEqual(
      events.map(([room, { type }]) => `${room} ${type}`),
      ["r peerState", "r dataSequence", "r speakers"],
    );
  });

  test("the one with the fewest members is chosen, and forgets a room that is released", async () => {
    const { media } = workers(entry(), 2);
    await media.start();
    media.post(0, "r", { type: "setMember", room: "r", participant: "PA_1", member: MEMBER });
    assert.equal(media.choose(), 1);
    media.post(1, "s", { type: "setMember", room: "s", participant: "PA_2", member: MEMBER });
    media.post(1, "s", { type: "setMember", room: "s", participant: "PA_3", member: MEMBER });
    assert.equal(media.choose(), 0);
    media.release(1, "s");
    assert.equal(media.choose(), 1);
  });

  test("one that dies is reported before its successor is up; the other goes on", async () => {
    const { media, lost, events } = workers(entry('if (command.type === "restartIce") process.exit(1);'), 2);
    await media.start();
    const address = media.address(0);
    media.post(0, "r", OPEN);
    media.post(0, "r", REMOTE);
    await until(() => lost.length === 1);
    assert.deepEqual([lost, media.choose(), address.candidates], [[0], 1, []]);
    media.post(0, "r", OPEN); // falls on the floor
    await until(() => media.candidates.length === 2);
    assert.equal(address.candidates.length, 1);
    assert.deepEqual([lost, events.length], [[0], 0]);
  });

  test("the health check answers 406 when one of them hangs, and 200 again when it goes on", async () => {
    const load = `{ type: "load", load: {} }`;
    const url = entry(
      `if (command.type === "restartIce") {
        tell({ type: "log", level: "warn", message: "stands", fields: {} });
        clearInterval(reports);
      }
      if (command.type === "openPeer") tell(${load});
      if (command.type === "closePeer") {
        tell({ type: "log", level: "warn", message: "hangs", fields: {} });
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      }`,
      `const reports = setInterval(() => tell(${load}), 5); tell({ type: "ready", candidates: [] });`,
    );
    const { media, log, clock } = workers(url, 2);
    await media.start();
    const check = () => healthResponse({ updatedAtMs: media.reportedAtMs }, clock.nowMs);
    clock.nowMs += 60_000;
    await until(() => check().status === 200);
    media.post(1, "r", REMOTE);
    await until(() => log.lines.includes("warn stands"));
    const silentSince = new Date(clock.nowMs).toISOString();
    clock.nowMs += 4001;
    assert.deepEqual(
      [check().status, await check().text()],
      [406, `Not Ready\nNode Updated At ${silentSince}`],
      "the other one reports",
    );
    media.post(1, "r", OPEN);
    await until(() => check().status === 200);
    media.post(0, "r", { type: "closePeer", peer: 1 });
    await until(() => log.lines.includes("warn hangs"));
    clock.nowMs += 4001;
    media.post(1, "r", OPEN);
    await until(() => check().status === 406);
  });

  test("close ends them, also one that does not listen", async () => {
    const deaf = entry(
      "",
      'parentPort.removeAllListeners("message"); setInterval(() => {}, 1000); tell({ type: "ready", candidates: [] });',
    );
    const { media, lost } = workers(deaf);
    await media.start();
    const began = performance.now();
    await media.close();
    assert.ok(performance.now() - began < 3000);
    assert.deepEqual(lost, []);
  });
});

describe("announced candidates", () => {
  const interfaces = {
    lo: [info("127.0.0.1", true), info("::1", true)],
    eth0: [info("192.0.2.5"), info("2001:db8::5"), info("fe80::1")],
    docker0: [info("172.17.0.1")],
  };
  const rules = (more: Partial<AnnounceRules> = {}): AnnounceRules => ({
    nodeIps: [],
    interfaces: NONE,
    ips: NONE,
    loopback: false,
    ...more,
  });
  const list = (more: Partial<AnnounceRules>, available: Parameters<typeof announcedCandidates>[0] = interfaces) =>
    announcedCandidates(available, rules(more), { udp: 1, tcp: undefined }).map(({ address }) => address);

  test("every interface that is allowed", () => {
    assert.deepEqual(list({}), ["192.0.2.5", "2001:db8::5", "172.17.0.1"]);
    assert.deepEqual(list({ interfaces: { includes: [], excludes: ["docker0"] } }), ["192.0.2.5", "2001:db8::5"]);
    assert.deepEqual(list({ ips: { includes: ["192.0.2.0/24"], excludes: [] } }), ["192.0.2.5"]);
    assert.ok(list({ loopback: true }).includes("127.0.0.1"));
  });

  test("node_ip instead of the addresses of its family; two of them, one per family", () => {
    assert.deepEqual(list({ nodeIps: ["203.0.113.7"] }), ["203.0.113.7", "2001:db8::5"]);
    assert.deepEqual(list({ nodeIps: ["203.0.113.7", "2001:db8::7"] }), ["203.0.113.7", "2001:db8::7"]);
  });

  test("a machine without a network announces loopback", () => {
    assert.deepEqual(list({}, { lo: interfaces.lo }), ["127.0.0.1"]);
  });

  test("UDP before TCP", () => {
    const both = announcedCandidates(interfaces, rules({ nodeIps: ["203.0.113.7", "2001:db8::7"] }), {
      udp: 1,
      tcp: 2,
    });
    assert.deepEqual(
      both.map(({ protocol, address, port }) => `${protocol} ${address} ${port}`),
      ["udp 203.0.113.7 1", "udp 2001:db8::7 1", "tcp 203.0.113.7 2", "tcp 2001:db8::7 2"],
    );
  });
});

function info(address: string, internal = false) {
  const family = address.includes(":") ? ("IPv6" as const) : ("IPv4" as const);
  return {
    address,
    internal,
    family,
    netmask: "",
    mac: "",
    cidr: null,
    ...(family === "IPv6" && { scopeid: 0 }),
  } as never;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 1000, "it did not happen within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
