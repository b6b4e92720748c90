/**
 * A media worker from start to end: sockets, ciphers and the engine put together, commands in, events out.
 * Invariant: exactly one of `ready` and `fatal` is the first event.
 */
import { networkInterfaces } from "node:os";
import type { MessagePort } from "node:worker_threads";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { EngineDeps } from "@stoa/core/engine/engine";
import type { MediaEvent } from "@stoa/core/engine/events";
import type { DataFigures } from "@stoa/core/engine/figures";
import type { PeerDeps } from "@stoa/core/peer/peer";
import { probeAccel } from "@stoa/io/accel/probe";
import { DEFAULT_SLAB_BYTES } from "@stoa/io/accel/slab-native";
import { nowMs } from "@stoa/io/clock";
import { Driver, type Engine } from "@stoa/io/driver";
import { nodeHashes } from "@stoa/io/hashes";
import { LoadMeter } from "@stoa/io/load-meter";
import { Network } from "@stoa/io/network";
import { createRandom } from "@stoa/io/random";
import { announcedCandidates } from "./announced.ts";
import type { WorkerInit } from "./worker-init.ts";

/** How often main hears how busy the worker is. */
const REPORT_EVERY_MS = 1000;

/** What `core/engine`'s `MediaEngine` is made from, but for its SCTP. */
export type EngineParts = Omit<PeerDeps, "sctp"> & Pick<EngineDeps, "pool">;

/** `MediaEngine` as the loop uses it. */
export interface WorkerEngine extends Engine {
  handleCommand(command: MediaCommand, nowMs: number): void;
  pollEvent(): MediaEvent | undefined;
  takeDataFigures(): DataFigures | undefined;
}

/** Runs a worker on this thread; resolves when it listens or could not start. */
export async function runMediaWorker(
  init: WorkerInit,
  port: MessagePort,
  createEngine: (parts: EngineParts) => WorkerEngine,
): Promise<void> {
  const tell = (event: MediaEvent) => port.postMessage(event);
  try {
    await start(init, port, createEngine, tell);
  } catch (error) {
    tell({ type: "fatal", message: error instanceof Error ? error.message : String(error) });
    port.close();
  }
}

async function start(
  init: WorkerInit,
  port: MessagePort,
  createEngine: (parts: EngineParts) => WorkerEngine,
  tell: (event: MediaEvent) => void,
): Promise<void> {
  const accel = probeAccel(init.accel, nowMs());
  const memory = accel.allocateMemory(DEFAULT_SLAB_BYTES);
  const random = createRandom();
  const network = await Network.open({
    accel,
    memory,
    udpPort: init.udpPort,
    tcpPort: init.tcpPort === 0 ? undefined : init.tcpPort,
    random,
    clock: nowMs,
  });
  const dtls = accel.createDtls(init.certificate);
  const crypto = accel.createCrypto(memory);
  const engine = createEngine({
    dtls,
    crypto,
    hashes: nodeHashes,
    random,
    sink: network,
    paths: network,
    pool: network.pool,
  });
  const drain = () => {
    for (let event = engine.pollEvent(); event; event = engine.pollEvent()) tell(event);
  };
  const driver = new Driver({ engine, sink: network, clock: nowMs, afterTurn: drain });
  const meter = new LoadMeter(network, nowMs);
  network.onBatch((batch) => {
    meter.beginBatch(batch);
    driver.handleBatch(batch);
    meter.endBatch();
  });
  const reports = reportLoad(meter, engine, tell);
  port.on("message", (command: MediaCommand) => {
    driver.perform((now) => engine.handleCommand(command, now));
    if (command.type !== "shutdown") return;
    clearInterval(reports);
    driver.close();
    network.close();
    dtls.close();
    port.close(); // nothing is left that keeps the thread alive
  });
  if (init.index === 0) tell({ type: "log", level: "info", message: accel.line, fields: {} });
  const ports = { udp: network.udpPort, tcp: network.tcpPort };
  tell({ type: "ready", candidates: announcedCandidates(networkInterfaces(), init.announce, ports) });
}

function reportLoad(meter: LoadMeter, engine: WorkerEngine, tell: (event: MediaEvent) => void): NodeJS.Timeout {
  let dueMs = nowMs() + REPORT_EVERY_MS;
  return setInterval(() => {
    const atMs = nowMs();
    const data = engine.takeDataFigures();
    tell({ type: "load", load: meter.report(atMs - dueMs), ...(data && { data }) });
    dueMs = atMs + REPORT_EVERY_MS;
  }, REPORT_EVERY_MS);
}
