/**
 * The path between two sides, as a process of its own: every datagram waits for the delay, and is lost at random.
 * Each side has a port of the relay for itself and sees the other one behind it. A side's address is the one that it sends from;
 * one that waits to be spoken to is told in advance.
 *
 * Messages of the parent: `Conditions`; its answer to the start are the ports.
 */
import type { DatagramBatch, Path } from "@stoa/core/paths";
import { NO_PATH } from "@stoa/core/paths";
import { probeAccel } from "@stoa/io/accel/probe";
import { nowMs } from "@stoa/io/clock";
import { Network } from "@stoa/io/network";
import { createRandom } from "@stoa/io/random";

/** What the parent sends. */
export interface Conditions {
  /** Each way. */
  readonly delayMs: number;
  /** Of the data, 0 … 100; connectivity checks always arrive. */
  readonly lossPercent: number;
  /** Ports on 127.0.0.1 of the sides that wait to be spoken to; 0 = unknown. */
  readonly ports: readonly [number, number];
}

const MEMORY_BYTES = 512 << 20;
const POOL_SLOTS = 200_000;
/** Datagrams on their way in one direction; more are lost. */
const MAX_FLYING = 1 << 16;
const LOCALHOST = Uint8Array.of(127, 0, 0, 1);

/** One direction: what arrives at `from` leaves at `to`. */
class Direction {
  conditions: Conditions = { delayMs: 0, lossPercent: 0, ports: [0, 0] };
  readonly #from: Leg;
  readonly #to: Leg;
  readonly #at = new Int32Array(MAX_FLYING);
  readonly #length = new Int32Array(MAX_FLYING);
  readonly #dueMs = new Float64Array(MAX_FLYING);
  #first = 0;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;
  #seed: number;

  constructor(from: Leg, to: Leg, seed: number) {
    this.#from = from;
    this.#to = to;
    this.#seed = seed;
    from.network.onBatch((batch) => this.#take(batch));
  }

  #take(batch: DatagramBatch): void {
    const arrivedMs = nowMs();
    const { u8 } = this.#from.network.slab;
    for (let i = 0; i < batch.count; i++) {
      this.#from.learn(batch.path[i]!);
      const isData = u8[batch.at[i]!]! >= 20;
      if (isData && this.#random() * 100 < this.conditions.lossPercent) continue;
      if (this.conditions.delayMs === 0) this.#to.send(u8, batch.at[i]!, batch.length[i]!);
      else if (this.#count < MAX_FLYING) {
        const slot = (this.#first + this.#count++) & (MAX_FLYING - 1);
        this.#at[slot] = batch.at[i]!;
        this.#length[slot] = batch.length[i]!;
        this.#dueMs[slot] = arrivedMs + this.conditions.delayMs;
        batch.taken[i] = 1;
      }
    }
    this.#deliver();
  }

  #deliver(): void {
    const atMs = nowMs();
    const { slab, pool } = this.#from.network;
    for (; this.#count > 0 && this.#dueMs[this.#first]! <= atMs; this.#count--) {
      this.#to.send(slab.u8, this.#at[this.#first]!, this.#length[this.#first]!);
      pool.give(this.#at[this.#first]!);
      this.#first = (this.#first + 1) & (MAX_FLYING - 1);
    }
    this.#to.network.flush();
    if (this.#count === 0 || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#deliver();
    }, this.#dueMs[this.#first]! - atMs);
  }

  /** 0 … 1, the same row of numbers in every run. */
  #random(): number {
    let x = this.#seed;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#seed = x;
    return (x >>> 0) / 2 ** 32;
  }
}

/** The relay's socket towards one side. */
class Leg {
  readonly network: Network;
  #path: Path = NO_PATH;

  constructor(network: Network) {
    this.network = network;
  }

  /** The side sends from here. */
  learn(path: Path): void {
    if (path === this.#path) return;
    this.network.retain(path);
    this.#path = path;
  }

  /** The side is on this port. */
  aim(port: number): void {
    if (port !== 0) this.#path = this.network.open({ protocol: "udp", address: LOCALHOST, port });
  }

  send(u8: Uint8Array, at: number, length: number): void {
    if (this.#path !== NO_PATH) this.network.send(this.#path, u8.subarray(at, at + length));
  }
}

async function openLeg(): Promise<Leg> {
  const accel = probeAccel("auto", nowMs());
  const memory = accel.allocateMemory(MEMORY_BYTES);
  return new Leg(
    await Network.open({
      accel,
      memory,
      poolSlots: POOL_SLOTS,
      udpPort: 0,
      tcpPort: undefined,
      addresses: ["127.0.0.1"],
      random: createRandom(),
      clock: nowMs,
    }),
  );
}

const legs = [await openLeg(), await openLeg()] as const;
const directions = [new Direction(legs[0], legs[1], 12_345), new Direction(legs[1], legs[0], 67_890)];
process.on("message", (conditions: Conditions) => {
  for (const direction of directions) direction.conditions = conditions;
  legs.forEach((leg, i) => leg.aim(conditions.ports[i]!));
});
process.on("disconnect", () => process.exit(0));
process.send!({ ports: legs.map((leg) => leg.network.udpPort) });
