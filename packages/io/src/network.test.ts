import { describe, test, type TestContext } from "node:test";
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type Socket, connect, createServer } from "node:net";
import { Worker } from "node:worker_threads";
import type { DatagramBatch, Path } from "@stoa/core/paths";
import { SLOT_BYTES } from "@stoa/core/slab";
import { probeAccel } from "./accel/probe.ts";
import { nowMs } from "./clock.ts";
import type { NetworkOptions } from "./network.ts";
import { Network } from "./network.ts";
import { createRandom } from "./random.ts";
import { FrameReader, frame } from "./tcp-framing.ts";

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

for (const mode of ["auto", "portable"] as const) {
  const accel = probeAccel(mode, nowMs());
  const open = (options: Partial<NetworkOptions> = {}): Promise<Network> =>
    Network.open({
      accel,
      memory: accel.allocateMemory(64 << 20),
      udpPort: 0,
      tcpPort: 0,
      addresses: ["127.0.0.1"],
      random: createRandom(),
      clock: nowMs,
      ...options,
    });
  describe(`network: ${accel.ciphers} ciphers, ${accel.sockets} sockets`, () => networkTests(open));
}

/** Starts a worker with an open network on a port of its own; `body` goes on from there. */
function workerWithNetwork(body: string): Worker {
  const module = (name: string): string => JSON.stringify(new URL(`./${name}.js`, import.meta.url).href);
  const code = `(async () => {
    const { probeAccel } = await import(${module("accel/probe")});
    const { generateCertificate } = await import(${module("accel/certificate")});
    const { Network } = await import(${module("network")});
    const { createRandom } = await import(${module("random")});
    const { parentPort } = require("node:worker_threads");
    const accel = probeAccel("auto", Date.now());
    const network = await Network.open({ accel, memory: accel.allocateMemory(64 << 20), udpPort: 0, tcpPort: undefined,
      addresses: ["127.0.0.1"], random: createRandom(), clock: Date.now });
    const toMyself = network.open({ protocol: "udp", address: Uint8Array.of(127, 0, 0, 1), port: network.udpPort });
    ${body}
    network.send(toMyself, new Uint8Array(9));
    network.flush();
  })()`;
  return new Worker(code, { eval: true });
}

test("an exception while a batch is handled ends the worker with that exception, not with a crash, and frees the port", async () => {
  const worker = workerWithNetwork(`
    network.onBatch(() => { throw new Error("a bug"); });
    parentPort.postMessage(network.udpPort);
  `);
  const ended = new Promise((resolve) => worker.once("exit", (code) => resolve(`exit ${code} without an error`)));
  const failed = new Promise((resolve) => worker.once("error", resolve));
  const port = await new Promise<number>((resolve) => worker.once("message", resolve));
  assert.match(String(await Promise.race([failed, ended])), /a bug/);
  await ended;
  const again = createSocket("udp4").bind(port, "127.0.0.1");
  await once(again, "listening");
  again.close();
});

test("a worker can be terminated in the middle of traffic, with sessions open", async () => {
  for (let i = 0; i < 3; i++) {
    const worker = workerWithNetwork(`
      const dtls = accel.createDtls(generateCertificate(Date.now()));
      globalThis.sessions = Array.from({ length: 10 }, (_, i) => dtls.create(i % 2 ? "client" : "server"));
      for (const session of sessions) session.start();
      let count = 0;
      network.onBatch((batch) => {
        if (++count === 100) parentPort.postMessage("busy");
        for (let i = 0; i < batch.count; i++) network.send(batch.path[i], new Uint8Array(9));
        network.flush();
      });
    `);
    await once(worker, "message");
    await worker.terminate();
  }
});

type Open = (options?: Partial<NetworkOptions>) => Promise<Network>;

interface Received {
  readonly path: Path;
  readonly bytes: Buffer;
}

/** An open network and what came in. */
async function setUp(t: TestContext, open: Open, options: Partial<NetworkOptions> = {}) {
  const network = await open(options);
  t.after(() => network.close());
  const received: Received[] = [];
  network.onBatch((batch: DatagramBatch) => {
    for (let i = 0; i < batch.count; i++) {
      const [at, length] = [batch.at[i]!, batch.length[i]!];
      received.push({ path: batch.path[i]!, bytes: Buffer.from(network.slab.u8.slice(at, at + length)) });
    }
  });
  return { network, received, until: (count: number) => waitFor(() => received.length >= count) };
}

async function waitFor(done: () => boolean): Promise<void> {
  for (let waited = 0; !done(); waited += 5) {
    assert.ok(waited < 5000, "gave up waiting");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A TCP client that knows frames. */
async function dial(t: TestContext, port: number) {
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  const received: Buffer[] = [];
  const reader = new FrameReader();
  let closed = false;
  socket.on("data", (chunk: Buffer) => void reader.read(chunk, (bytes) => received.push(Buffer.from(bytes))));
  socket.on("close", () => (closed = true));
  return {
    socket,
    received,
    send: (bytes: Uint8Array) => socket.write(frame(bytes, 0, bytes.length)),
    closed: () => closed,
  };
}

const text = (value: string): Buffer => Buffer.from(value);

function networkTests(open: Open): void {
  test("two networks talk over UDP, and each knows the other's address", async (t) => {
    const [one, two] = [await setUp(t, open), await setUp(t, open)];
    const path = one.network.open({ protocol: "udp", address: LOOPBACK, port: two.network.udpPort });
    one.network.send(path, text("hello"));
    one.network.flush();
    await two.until(1);
    const from = two.received[0]!;
    assert.deepEqual(from.bytes, text("hello"));
    assert.deepEqual(two.network.describe(from.path), {
      protocol: "udp",
      address: LOOPBACK,
      port: one.network.udpPort,
    });
    two.network.send(from.path, text("back"));
    two.network.flush();
    await one.until(1);
    assert.equal(one.received[0]!.path, path, "the answer comes on the path that was opened");
    assert.deepEqual(one.received[0]!.bytes, text("back"));
  });

  test("two networks talk over TCP; what was sent before the connection is up arrives", async (t) => {
    const [one, two] = [await setUp(t, open), await setUp(t, open)];
    const path = one.network.open({ protocol: "tcp", address: LOOPBACK, port: two.network.tcpPort! });
    assert.deepEqual(one.network.describe(path), { protocol: "tcp", address: LOOPBACK, port: two.network.tcpPort });
    for (let i = 0; i < 200; i++) one.network.send(path, text(`packet ${i}`));
    one.network.flush();
    await two.until(200);
    assert.deepEqual(
      two.received.map(({ bytes }) => bytes.toString()),
      Array.from({ length: 200 }, (_, i) => `packet ${i}`),
    );
    const back = two.received[0]!.path;
    assert.equal(two.network.describe(back)?.protocol, "tcp");
    two.network.send(back, text("answer"));
    two.network.flush();
    await one.until(1);
    assert.equal(one.received[0]!.path, path);
    one.network.release(path);
    two.network.retain(back);
    await waitFor(() => {
      two.network.send(back, text("gone"));
      two.network.flush();
      return two.network.counters.droppedPathGone > 0;
    });
    two.network.release(back);
  });

  test("a packet in the reserved slot goes to TCP paths as well", async (t) => {
    const edge = await setUp(t, open);
    const far = await dial(t, edge.network.tcpPort!);
    far.send(text("hi"));
    await edge.until(1);
    for (let i = 0; i < 3; i++) {
      const at = edge.network.reserve();
      edge.network.slab.u8.set([i, i, i], at);
      edge.network.commit(edge.received[0]!.path, 3);
    }
    edge.network.flush();
    await waitFor(() => far.received.length === 3);
    assert.deepEqual(far.received, [Buffer.of(0, 0, 0), Buffer.of(1, 1, 1), Buffer.of(2, 2, 2)]);
  });

  test("a frame longer than a slot ends the connection, others are not touched", async (t) => {
    const edge = await setUp(t, open);
    const [good, bad] = [await dial(t, edge.network.tcpPort!), await dial(t, edge.network.tcpPort!)];
    bad.socket.write(Buffer.of((SLOT_BYTES + 1) >> 8, (SLOT_BYTES + 1) & 0xff, 1, 2, 3));
    await waitFor(bad.closed);
    assert.equal(edge.network.counters.droppedTooLong, 1);
    good.send(text("still here"));
    await edge.until(1);
    assert.equal(good.closed(), false);
  });

  test("releasing a TCP path sends what waits, then ends the connection", async (t) => {
    const edge = await setUp(t, open);
    const far = await dial(t, edge.network.tcpPort!);
    far.send(text("hi"));
    await edge.until(1);
    const { path } = edge.received[0]!;
    edge.network.retain(path);
    edge.network.send(path, text("bye"));
    edge.network.release(path);
    await waitFor(() => far.received.length === 1);
    await waitFor(far.closed);
    edge.network.send(path, text("late"));
    assert.equal(edge.network.counters.droppedPathGone, 1);
  });

  test("a TCP connection that nobody claims is closed after a while, a retained one stays", async (t) => {
    let clockMs = 1_000_000;
    t.mock.timers.enable({ apis: ["setInterval"] });
    const edge = await setUp(t, open, { clock: () => clockMs });
    const [claimed, idle] = [await dial(t, edge.network.tcpPort!), await dial(t, edge.network.tcpPort!)];
    claimed.send(text("a"));
    idle.send(text("b"));
    await edge.until(2);
    edge.network.retain(edge.received.find(({ bytes }) => bytes.equals(text("a")))!.path);
    clockMs += 9_000;
    t.mock.timers.tick(2_500);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(idle.closed(), false);
    clockMs += 6_000;
    t.mock.timers.tick(2_500);
    await waitFor(idle.closed);
    assert.equal(claimed.closed(), false);
  });

  test("a TCP peer that does not read loses packets instead of our memory", async (t) => {
    const edge = await setUp(t, open);
    const far = await dial(t, edge.network.tcpPort!);
    far.send(text("hi"));
    await edge.until(1);
    far.socket.pause();
    const { path } = edge.received[0]!;
    edge.network.retain(path);
    const packet = new Uint8Array(1200);
    for (let i = 0; i < 20_000 && edge.network.counters.droppedFull === 0; i++) {
      edge.network.send(path, packet);
      if (i % 50 !== 0) continue;
      edge.network.flush();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(edge.network.counters.droppedFull > 0);
  });

  test("ports in use are told apart, and nothing stays open", async (t) => {
    const udp = createSocket("udp4").bind(0, "127.0.0.1");
    await once(udp, "listening");
    const tcp = createServer().listen(0, "127.0.0.1");
    await once(tcp, "listening");
    t.after(() => {
      udp.close();
      tcp.close();
    });
    const udpPort = udp.address().port;
    const tcpPort = (tcp.address() as { port: number }).port;
    await assert.rejects(open({ udpPort }), {
      code: "port_in_use",
      message: new RegExp(`^UDP port ${udpPort} is in use`),
    });
    const free = createSocket("udp4").bind(0, "127.0.0.1");
    await once(free, "listening");
    const freePort = free.address().port;
    await new Promise<void>((resolve) => free.close(() => resolve()));
    await assert.rejects(open({ udpPort: freePort, tcpPort }), {
      code: "port_in_use",
      message: `TCP port ${tcpPort} is in use; choose another with --rtc.tcp_port or rtc.tcp_port in the configuration`,
    });
    await setUp(t, open, { udpPort: freePort });
  });

  test("without TCP there is no port; a path of a family without socket is none", async (t) => {
    const { network } = await setUp(t, open, { tcpPort: undefined });
    assert.equal(network.tcpPort, undefined);
    assert.equal(network.open({ protocol: "udp", address: new Uint8Array(16), port: 1 }), -1);
    assert.ok(network.udpPort > 0);
  });

  test("all addresses of the machine by default", async (t) => {
    const edge = await setUp(t, open, { addresses: undefined });
    for (const [type, host] of [
      ["udp4", "127.0.0.1"],
      ["udp6", "::1"],
    ] as const) {
      const far = createSocket(type);
      t.after(() => far.close());
      await new Promise((resolve) => far.send(text(type), edge.network.udpPort, host, resolve));
      const answer = once(far, "message");
      await waitFor(() => edge.received.some(({ bytes }) => bytes.equals(text(type))));
      const { path } = edge.received.find(({ bytes }) => bytes.equals(text(type)))!;
      edge.network.send(path, text("pong"));
      edge.network.flush();
      const [bytes] = (await answer) as [Buffer];
      assert.deepEqual(bytes, text("pong"));
    }
  });
}
