/** One row of the benchmark: two sides, the relay between them, and what came through in how much time. */
import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { candidates, parseDescription } from "@stoa/testkit/rtc-client/sdp";
import { BrowserSide } from "./browser-side.ts";
import { ProgramSide, type Side, type Way } from "./program.ts";
import type { Conditions } from "./relay.ts";

/** Who plays a side. */
export type Player = "node" | "chromium" | "pion";

/** What one row measures. */
export interface TransferSpec {
  readonly sender: Player;
  readonly receiver: Player;
  readonly messageBytes: number;
  /** Each way. */
  readonly delayMs: number;
  readonly lossPercent: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** The program behind "pion". */
  readonly pion: readonly string[];
}

/** What came of it. */
export interface TransferResult {
  readonly bytesPerSecond: number;
  readonly senderCpuMsPerMb: number;
  readonly receiverCpuMsPerMb: number;
}

const ENDPOINT = fileURLToPath(new URL("endpoint.js", import.meta.url));
const RELAY = fileURLToPath(new URL("relay.js", import.meta.url));
const OPEN_TIMEOUT_MS = 15_000;
const MB = 1_000_000;

/** Runs it. Rejects when the channel does not open. */
export async function runTransfer(spec: TransferSpec): Promise<TransferResult> {
  const ends: (() => unknown)[] = [];
  try {
    const relay = fork(RELAY);
    ends.push(() => relay.disconnect());
    const ports = await new Promise<[number, number]>((resolve) => {
      relay.once("message", (message: { ports: [number, number] }) => resolve(message.ports));
    });
    const sender = await openSide(spec.sender, "send", spec);
    ends.push(() => sender.close());
    const receiver = await openSide(spec.receiver, "receive", spec);
    ends.push(() => receiver.close());
    await connect(relay, ports, sender, receiver, spec);
    return await measure(sender, receiver, spec);
  } finally {
    for (const end of ends) await end();
  }
}

async function openSide(player: Player, way: Way, { messageBytes, pion }: TransferSpec): Promise<Side> {
  if (player === "chromium") return BrowserSide.open(messageBytes);
  return new ProgramSide(player === "pion" ? pion : [process.execPath, ENDPOINT], way, messageBytes);
}

async function connect(
  relay: ChildProcess,
  ports: readonly [number, number],
  sender: Side,
  receiver: Side,
  { delayMs, lossPercent }: TransferSpec,
): Promise<void> {
  const offer = await sender.offer();
  const answer = await receiver.answer(throughRelay(offer, ports[1]));
  const known = [localPort(offer), localPort(answer)] as const;
  const before: Conditions = { delayMs, lossPercent: 0, ports: known };
  relay.send(before);
  await sender.accept(throughRelay(answer, ports[0]));
  const giveUpAtMs = performance.now() + OPEN_TIMEOUT_MS;
  while ((await receiver.receivedBytes()) === 0) {
    if (performance.now() > giveUpAtMs) throw new Error("the data channel did not open");
    await pause(20);
  }
  relay.send({ delayMs, lossPercent, ports: [0, 0] } satisfies Conditions);
}

async function measure(sender: Side, receiver: Side, spec: TransferSpec): Promise<TransferResult> {
  await pause(spec.warmUpMs);
  const before = await snapshot(sender, receiver);
  await pause(spec.durationMs);
  const after = await snapshot(sender, receiver);
  const bytes = after.bytes - before.bytes;
  return {
    bytesPerSecond: (bytes * 1000) / (after.atMs - before.atMs),
    senderCpuMsPerMb: (after.senderMs - before.senderMs) / (bytes / MB),
    receiverCpuMsPerMb: (after.receiverMs - before.receiverMs) / (bytes / MB),
  };
}

async function snapshot(sender: Side, receiver: Side) {
  const bytes = await receiver.receivedBytes();
  return { bytes, atMs: performance.now(), senderMs: await sender.cpuMs(), receiverMs: await receiver.cpuMs() };
}

/** The description with the relay's port as its only candidate. */
function throughRelay(sdp: string, port: number): string {
  const lines = sdp.split("\r\n").filter((line) => line !== "" && !/^a=(candidate|end-of-candidates)/.test(line));
  return [...lines, `a=candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host`, "a=end-of-candidates", ""].join(
    "\r\n",
  );
}

/** Of a side that may wait to be spoken to; others are known by what they send. */
function localPort(sdp: string): number {
  const found = candidates(parseDescription(sdp)).find(({ address }) => address[0] === 127);
  return found?.port ?? 0;
}
