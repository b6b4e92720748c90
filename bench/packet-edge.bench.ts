/**
 * The price of one packet at the edge: header, protection and `sendmmsg` for many subscribers, and receiving with
 * authentication, for both back ends. Run: `node bench/dist/packet-edge.bench.js [sessions]`.
 *
 * Cost is the CPU time of the process (user and system) per packet; the socket that packets go to is never read.
 */
import { randomBytes } from "node:crypto";
import { Worker } from "node:worker_threads";
import type { Accel } from "@stoa/io/accel/probe";
import { probeAccel } from "@stoa/io/accel/probe";
import { nowMs } from "@stoa/io/clock";
import { Network } from "@stoa/io/network";
import { createRandom } from "@stoa/io/random";

const SESSIONS = Number(process.argv[2] ?? 1000);
const PACKETS = 60_000;
const HEADER_BYTES = 24;
const PAYLOAD_BYTES = 1076;
const PACKET_BYTES = HEADER_BYTES + PAYLOAD_BYTES;

type Cipher = "none" | "gcm" | "cm";

/** A thread that binds a port, says which, and sleeps for ever. */
async function openSink(): Promise<{ port: number; close: () => Promise<number> }> {
  const code = `
    const { parentPort } = require("node:worker_threads");
    const socket = require("node:dgram").createSocket("udp4");
    socket.bind(0, "0.0.0.0", () => {
      socket.setRecvBufferSize(4096);
      parentPort.postMessage(socket.address().port);
      setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 50);
    });`;
  const worker = new Worker(code, { eval: true });
  const port = await new Promise<number>((resolve) => worker.once("message", resolve));
  return { port, close: () => worker.terminate() };
}

async function openNetwork(accel: Accel, address: string) {
  const memory = accel.allocateMemory(128 << 20);
  const options = { accel, memory, udpPort: 0, tcpPort: undefined, addresses: [address] };
  const network = await Network.open({ ...options, random: createRandom(), clock: nowMs });
  return { network, crypto: accel.createCrypto(memory) };
}

function report(what: string, startUsage: NodeJS.CpuUsage, packets: number): void {
  const { user, system } = process.cpuUsage(startUsage);
  const total = ((user + system) / packets).toFixed(2).padStart(6);
  console.log(`${what.padEnd(52)} ${total} µs a packet (${(user / packets).toFixed(2)} user)`);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function measureSending(accel: Accel, port: number): Promise<void> {
  const { network, crypto } = await openNetwork(accel, "0.0.0.0");
  const { slab } = network;
  const words = new Int32Array(slab.u8.buffer);
  const [iv, payload] = [slab.alloc(16), slab.alloc(2048)];
  const sessions = Array.from({ length: SESSIONS }, (_, i) => ({
    path: network.open({ protocol: "udp", address: Uint8Array.of(127, 1, (i + 1) >> 8, (i + 1) & 255), port }),
    gcm: crypto.gcm(randomBytes(16)),
    cm: crypto.cmHmac(randomBytes(16), randomBytes(20)),
  }));
  let sequence = 0;
  const fanOut = (cipher: Cipher, send: boolean, burst: number): void => {
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[i]!;
      for (let k = 0; k < burst; k++) {
        sequence = (sequence + 1) & 0xffff;
        const at = network.reserve();
        words[at >> 2] = 0x6090 | (sequence << 16);
        for (let word = 1; word < HEADER_BYTES / 4; word++) words[(at >> 2) + word] = sequence + word;
        words[(iv >> 2) + 1] = i;
        words[(iv >> 2) + 3] = sequence & 0xffff;
        let length = PACKET_BYTES;
        if (cipher === "gcm") {
          session.gcm.seal(iv, at, HEADER_BYTES, payload, PAYLOAD_BYTES, at + HEADER_BYTES);
          length += 16;
        } else if (cipher === "cm") {
          session.cm.crypt(iv, payload, PAYLOAD_BYTES, at + HEADER_BYTES);
          words[(at + length) >> 2] = 0;
          session.cm.sign(at, length + 4, at + length);
          length += 10;
        }
        if (send) network.commit(session.path, length);
      }
    }
    if (send) network.flush();
  };
  const run = async (what: string, cipher: Cipher, send: boolean, burst = 1): Promise<void> => {
    const perRound = SESSIONS * burst;
    for (let done = 0; done < PACKETS / 3; done += perRound) fanOut(cipher, send, burst);
    const start = process.cpuUsage();
    let packets = 0;
    for (; packets < PACKETS; packets += perRound) {
      fanOut(cipher, send, burst);
      await turn();
    }
    report(what, start, packets);
  };
  await run("send", "none", true);
  await run("AEAD_AES_128_GCM", "gcm", false);
  await run("AES128_CM_SHA1_80", "cm", false);
  await run("AEAD_AES_128_GCM, send", "gcm", true);
  await run("AES128_CM_SHA1_80, send", "cm", true);
  for (const burst of [2, 4, 8]) await run(`AEAD_AES_128_GCM, send, ${burst} to one address`, "gcm", true, burst);
  network.close();
}

async function measureReceiving(accel: Accel, cipher: Cipher): Promise<void> {
  const [from, to] = [await openNetwork(accel, "127.0.0.1"), await openNetwork(accel, "127.0.0.1")];
  const key = randomBytes(16);
  const [seal, open] = [from.crypto.gcm(key), to.crypto.gcm(key)];
  const [fromIv, toIv] = [from.network.slab.alloc(16), to.network.slab.alloc(16)];
  const path = from.network.open({
    protocol: "udp",
    address: Uint8Array.of(127, 0, 0, 1),
    port: to.network.udpPort,
  });
  let got = 0;
  let refused = 0;
  to.network.onBatch((batch) => {
    got += batch.count;
    if (cipher !== "gcm") return;
    for (let i = 0; i < batch.count; i++) {
      const body = batch.at[i]! + HEADER_BYTES;
      if (!open.open(toIv, batch.at[i]!, HEADER_BYTES, body, PAYLOAD_BYTES, body)) refused += 1;
    }
  });
  const perRound = 1000;
  const usage = { user: 0, system: 0 };
  let packets = 0;
  for (let round = 0; round < 60; round++) {
    got = 0;
    for (let i = 0; i < perRound; i++) {
      const at = from.network.reserve();
      seal.seal(fromIv, at, HEADER_BYTES, at + HEADER_BYTES, PAYLOAD_BYTES, at + HEADER_BYTES);
      from.network.commit(path, PACKET_BYTES + 16);
    }
    from.network.flush();
    const start = process.cpuUsage();
    for (const endMs = nowMs() + 500; got < perRound && nowMs() < endMs;) await turn();
    if (round < 20) continue; // warming up
    const spent = process.cpuUsage(start);
    usage.user += spent.user;
    usage.system += spent.system;
    packets += got;
  }
  const now = process.cpuUsage();
  const start = { user: now.user - usage.user, system: now.system - usage.system };
  report(
    `receive${cipher === "gcm" ? ", AEAD_AES_128_GCM" : ""}${refused ? ` (${refused} refused)` : ""}`,
    start,
    packets,
  );
  from.network.close();
  to.network.close();
}

const sink = await openSink();
for (const mode of ["auto", "portable"] as const) {
  const accel = probeAccel(mode, nowMs());
  console.log(`\n${accel.line}; ${PACKET_BYTES} bytes, ${SESSIONS} sessions`);
  await measureSending(accel, sink.port);
  await measureReceiving(accel, "none");
  await measureReceiving(accel, "gcm");
}
await sink.close();
process.exit(0);
