/** Messages of every kind in both directions over a `Pair`, and what has to arrive of them. For the scenario tests beside this file. */
import assert from "node:assert/strict";
import { SeededRandom } from "./pair.test.ts";
import type { Pair, Side } from "./pair.test.ts";

/** Channels that every traffic has, in the order of their kind. */
export const KINDS = [
  { label: "ordered", ordered: true },
  { label: "unordered", ordered: false },
  { label: "lossy", ordered: true, maxRetransmits: 0 },
  { label: "lossy, unordered", ordered: false, maxRetransmits: 1 },
] as const;
export const ORDERED = 0;
export const UNORDERED = 1;
export const LOSSY = 2;

/** No message is shorter: it says its number. */
const MIN_BYTES = 4;
/** Nothing but a heartbeat and its answer, now and then. */
const MAX_PACKETS_AT_REST = 4;

export class Traffic {
  readonly #pair: Pair;
  readonly #channels: readonly number[];
  readonly #random: SeededRandom;
  /** Lengths of the messages by number. */
  readonly #lengths: number[] = [];
  /** Numbers by sender and kind. */
  readonly #sent = new Map<Side, number[][]>();

  /** `pair` is connected; its network should not be too bad yet. */
  constructor(pair: Pair, seed = 1) {
    this.#pair = pair;
    this.#random = new SeededRandom(seed);
    this.#channels = KINDS.map((kind) => pair.open(kind));
    for (const side of [pair.client, pair.server]) {
      this.#sent.set(
        side,
        KINDS.map(() => []),
      );
    }
  }

  /** False when the send buffer is full. */
  send(side: Side, kind: number, length: number): boolean {
    const number = this.#lengths.length;
    const data = content(number, Math.max(MIN_BYTES, length));
    const result = side.association.send(this.#channels[kind]!, data, true, this.#pair.nowMs);
    if (result !== "queued") {
      assert.equal(result, "full");
      return false;
    }
    this.#lengths.push(data.length);
    this.#sent.get(side)![kind]!.push(number);
    return true;
  }

  /** `count` messages of chance kinds, sides and lengths up to `maxBytes`. */
  sendSome(count: number, maxBytes: number): void {
    for (let i = 0; i < count; i++) {
      const side = this.#random.fraction() < 0.5 ? this.#pair.client : this.#pair.server;
      const length = Math.floor(maxBytes * this.#random.fraction() ** 3);
      this.send(side, Math.floor(KINDS.length * this.#random.fraction()), length);
    }
  }

  /** Waits until both sides have nothing left to send. */
  flush(maxMs: number): void {
    const { client, server } = this.#pair;
    const empty = () => client.association.sendHeldBytes + server.association.sendHeldBytes === 0;
    assert.ok(this.#pair.runUntil(empty, maxMs), `everything is acknowledged within ${maxMs} ms`);
    this.#pair.run(100);
  }

  /** What arrived is what was promised; on a network that loses nothing any more the newest lossy message arrives as well. */
  assertDelivered(): void {
    const { client, server } = this.#pair;
    this.#pair.run(1000);
    this.#pair.network = { delayMs: 10 };
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      assert.ok(this.send(from, LOSSY, 100));
      this.flush(10_000);
      const sent = this.#sent.get(from)!;
      const got = this.#channels.map((channel) => to.messages(channel).map((data) => this.#numberOf(data)));
      assert.deepEqual(got[0], sent[0], "ordered messages arrive once, in order");
      assert.deepEqual(sorted(got[1]!), sent[1], "unordered messages arrive once");
      assert.deepEqual(got[2], sorted(got[2]!), "lossy messages keep their order");
      for (const kind of [2, 3]) {
        const known = new Set(sent[kind]);
        assert.equal(new Set(got[kind]).size, got[kind]!.length, "lossy messages arrive at most once");
        assert.ok(got[kind]!.every((number) => known.has(number)));
      }
      assert.equal(got[2]!.at(-1), sent[2]!.at(-1), "the newest lossy message arrives");
    }
  }

  /** Nothing is held, nothing is sent, no timer but that of the heartbeat runs. */
  assertAtRest(): void {
    const sides = [this.#pair.client, this.#pair.server];
    this.#pair.run(5000);
    for (const { association } of sides) {
      for (const channel of this.#channels) assert.equal(association.bufferedAmount(channel), 0);
      assert.equal(association.sendHeldBytes, 0);
      assert.equal(association.receiveHeldBytes, 0);
      assert.ok(association.connected && association.nextTimeoutMs() > this.#pair.nowMs);
    }
    const before = sides.map((side) => side.sentPackets);
    this.#pair.run(30_000);
    for (const [i, side] of sides.entries()) {
      assert.ok(
        side.sentPackets - before[i]! <= MAX_PACKETS_AT_REST,
        `${side.sentPackets - before[i]!} packets at rest`,
      );
    }
  }

  #numberOf(data: Uint8Array): number {
    const number = new DataView(data.buffer, data.byteOffset).getUint32(0);
    const expected = content(number, this.#lengths[number] ?? MIN_BYTES);
    assert.ok(Buffer.compare(data, expected) === 0, `message ${number} arrives as it was sent`);
    return number;
  }
}

/** A message that says its number, then bytes that follow from it. */
function content(number: number, length: number): Uint8Array {
  const data = new SeededRandom(number + 7).bytes(length);
  new DataView(data.buffer).setUint32(0, number);
  return data;
}

function sorted(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b);
}
