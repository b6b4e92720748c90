/** Channels that come and go: resets among lost, late and repeated packets, and answers that an honest peer seldom gives. */
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { INIT, INIT_ACK, RE_CONFIG } from "@stoa/wire/sctp/chunk-types";
import { PACKET_HEADER_BYTES, chunkEnd, finishPacket, nextChunk } from "@stoa/wire/sctp/packet";
import { PARAM_OUTGOING_RESET, PARAM_RECONFIG_RESPONSE } from "@stoa/wire/sctp/parameters";
import { RESULT_DENIED, RESULT_IN_PROGRESS } from "@stoa/wire/sctp/re-config";
import { Pair } from "./pair.test.ts";
import type { Side } from "./pair.test.ts";

const closings = (side: Side, id: number) =>
  side.events.filter((event) => event.type === "channelClosed" && event.channel === id).length;

/** Offsets of the chunks of `kind`. */
function chunksOf(packet: Uint8Array, kind: number): number[] {
  const found: number[] = [];
  for (let at = PACKET_HEADER_BYTES; at < packet.length;) {
    const end = chunkEnd(packet, at);
    if (end < 0) break;
    if (packet[at] === kind) found.push(at);
    at = nextChunk(at, end);
  }
  return found;
}

/** Offset of a RE-CONFIG whose first parameter is `param`, -1 without one. */
function reConfigAt(packet: Uint8Array, param: number): number {
  return chunksOf(packet, RE_CONFIG).find((at) => packet[at + 5] === param) ?? -1;
}

/** Makes the server's answers to reset requests say `result` as long as it is set; counts the requests. */
function answerResets(pair: Pair, result: number): { requests: number; result: number | undefined } {
  const answers: ReturnType<typeof answerResets> = { requests: 0, result };
  pair.filter = (packet, from) => {
    if (from === pair.client) {
      if (reConfigAt(packet, PARAM_OUTGOING_RESET) >= 0) answers.requests++;
      return packet;
    }
    const at = reConfigAt(packet, PARAM_RECONFIG_RESPONSE);
    if (at < 0 || answers.result === undefined) return packet;
    packet[at + 15] = answers.result;
    finishPacket(packet, packet.length);
    return packet;
  };
  return answers;
}

/** How many more channels `side` can open. */
function freeChannels(side: Side): number {
  let count = 0;
  while (side.association.openChannel({ label: "", ordered: true }) >= 0) count++;
  return count;
}

/** Channels of one side that are opened, used and closed, each with a number as its label. */
class Churn {
  readonly #pair: Pair;
  readonly #opener: Side;
  readonly #other: Side;
  /** Messages sent on each channel, by its number, and whether the sender closed it himself. */
  readonly #sent = new Map<number, { count: number; closedBy: "opener" | "other" }>();
  readonly #ids = new Map<number, number>();
  #number = 0;

  constructor(pair: Pair, opener: Side) {
    this.#pair = pair;
    this.#opener = opener;
    this.#other = opener === pair.client ? pair.server : pair.client;
  }

  /** Opens a channel, sends on it, and closes it, perhaps before anything has arrived. */
  comeAndGo(count: number, waitMs: number, byOpener: boolean): void {
    const number = this.#number++;
    const id = this.#opener.association.openChannel({ label: String(number), ordered: true });
    assert.ok(id >= 0);
    for (let i = 0; i < count; i++) {
      const data = new Uint8Array(8 + ((i * 977) % 3000));
      new DataView(data.buffer).setUint32(0, number);
      new DataView(data.buffer).setUint32(4, i);
      assert.equal(this.#opener.association.send(id, data, true, this.#pair.nowMs), "queued");
    }
    this.#pair.run(waitMs);
    // The other side can only close what it has heard of.
    const known = this.#other.events.some(
      (event) => event.type === "channelOpen" && event.remote && event.label === String(number),
    );
    const closedBy = byOpener || !known ? "opener" : "other";
    (closedBy === "opener" ? this.#opener : this.#other).association.closeChannel(id);
    this.#sent.set(number, { count, closedBy });
    this.#ids.set(number, id);
  }

  /** Every channel has closed on both sides, as often as it has opened. */
  get allClosed(): boolean {
    const count = (side: Side, type: "channelOpen" | "channelClosed", parity: number) =>
      side.events.filter((event) => event.type === type && event.channel % 2 === parity).length;
    const parity = this.#opener === this.#pair.client ? 0 : 1;
    return (
      count(this.#opener, "channelClosed", parity) === this.#number &&
      count(this.#other, "channelClosed", parity) === this.#number
    );
  }

  /** Each message belongs to the channel that is open under its id, and what a closer sent before has arrived. */
  assertDelivered(): void {
    const open = new Map<number, number>();
    const got = new Map<number, number>();
    for (const event of this.#other.events) {
      if (event.type === "channelOpen" && event.remote) {
        assert.ok(!open.has(event.channel), `channel ${event.channel} opens while it is open`);
        open.set(event.channel, Number(event.label));
      } else if (event.type === "channelClosed" && open.delete(event.channel)) continue;
      else if (event.type === "message" && open.has(event.channel)) {
        const view = new DataView(event.data.buffer, event.data.byteOffset);
        const number = open.get(event.channel)!;
        assert.equal(view.getUint32(0), number, "a message arrives on the channel on which it was sent");
        assert.equal(view.getUint32(4), got.get(number) ?? 0, "in its order");
        got.set(number, view.getUint32(4) + 1);
      }
    }
    assert.equal(open.size, 0);
    for (const [number, { count, closedBy }] of this.#sent) {
      if (closedBy === "opener") assert.equal(got.get(number) ?? 0, count, `all messages of channel ${number}`);
    }
  }
}

const networks = fc.record({
  seed: fc.integer({ min: 1, max: 1 << 30 }),
  delayMs: fc.constantFrom(0, 10, 60),
  jitterMs: fc.constantFrom(0, 5, 60),
  loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
  duplicate: fc.constantFrom(0, 0.1, 0.5),
});

test("channels of both sides come and go, with few ids for many of them, and each keeps its own messages", () => {
  const visits = fc.array(
    fc.record({
      byClient: fc.boolean(),
      count: fc.integer({ min: 0, max: 6 }),
      waitMs: fc.constantFrom(0, 1, 30, 300),
      byOpener: fc.boolean(),
    }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(networks, visits, (network, list) => {
      const pair = new Pair({ delayMs: 1 }).connect();
      // All ids but a few that the client could give are taken, so that those few are used again and again.
      const taken = Array.from({ length: 512 }, () =>
        pair.client.association.openChannel({ label: "", ordered: true }),
      );
      pair.run(1000);
      for (const id of taken.splice(100, 8)) pair.client.association.closeChannel(id);
      pair.run(1000);
      for (const side of [pair.client, pair.server]) side.events.length = 0;
      pair.network = network;
      const churns = [new Churn(pair, pair.client), new Churn(pair, pair.server)] as const;
      for (const visit of list) churns[visit.byClient ? 0 : 1].comeAndGo(visit.count, visit.waitMs, visit.byOpener);
      assert.ok(
        pair.runUntil(() => churns.every((churn) => churn.allClosed), 120_000),
        "everything closes",
      );
      for (const churn of churns) churn.assertDelivered();
      pair.network = { delayMs: 1 };
      pair.run(20_000);
      // Not before: what was still on its way on a channel that the receiver closed is taken in, and dropped.
      for (const { association } of [pair.client, pair.server]) assert.equal(association.receiveHeldBytes, 0);
      assert.equal(pair.client.association.sendHeldBytes + pair.server.association.sendHeldBytes, 0);
      assert.equal(freeChannels(pair.client), 1024 - taken.length, "every id is free again");
    }),
    { numRuns: 25 },
  );
});

test("both sides close the same channels at once, while packets are lost and repeated", () => {
  fc.assert(
    fc.property(networks, fc.integer({ min: 1, max: 30 }), (network, count) => {
      const pair = new Pair({ delayMs: 5 }).connect();
      const ids = Array.from({ length: count }, () => pair.open({ ordered: true }));
      pair.network = network;
      for (const id of ids) {
        pair.client.association.send(id, new Uint8Array(5000), true, pair.nowMs);
        pair.server.association.send(id, new Uint8Array(5000), true, pair.nowMs);
        pair.client.association.closeChannel(id);
        pair.run(1);
        pair.server.association.closeChannel(id);
      }
      const done = () => ids.every((id) => closings(pair.client, id) === 1 && closings(pair.server, id) === 1);
      assert.ok(pair.runUntil(done, 60_000));
      pair.network = {};
      pair.run(10_000);
      assert.ok(done(), "and is said once");
      assert.equal(freeChannels(pair.client), 1024);
    }),
    { numRuns: 25 },
  );
});

test("a channel that the peer closes drops what was not sent yet, and frees it", () => {
  const pair = new Pair({ delayMs: 20 }).connect();
  const id = pair.open({ ordered: true });
  const other = pair.open({ ordered: true });
  for (let i = 0; i < 100; i++) pair.client.association.send(id, new Uint8Array(10_000), true, pair.nowMs);
  pair.client.association.send(other, Uint8Array.of(7), true, pair.nowMs);
  pair.server.association.closeChannel(id);
  assert.ok(pair.runUntil(() => closings(pair.client, id) === 1 && closings(pair.server, id) === 1, 5000));
  pair.run(2000);
  assert.equal(pair.client.association.bufferedAmount(id), 0);
  assert.equal(pair.client.association.sendHeldBytes, 0);
  assert.equal(pair.client.association.send(id, Uint8Array.of(1), true, pair.nowMs), "closed");
  assert.deepEqual([...pair.server.messages(other)[0]!], [7]);
});

test("a reset that overtakes data waits for it, and says so", () => {
  const pair = new Pair({ delayMs: 20 }).connect();
  const idle = pair.open({ ordered: true });
  const busy = pair.open({ ordered: true });
  let inProgress = 0;
  pair.filter = (packet, from) => {
    if (from === pair.server) {
      const at = reConfigAt(packet, PARAM_RECONFIG_RESPONSE);
      if (at >= 0 && packet[at + 15] === RESULT_IN_PROGRESS) inProgress++;
      return packet;
    }
    // The data is lost, the request is not.
    return chunksOf(packet, RE_CONFIG).length > 0 || packet[12] !== 0 ? packet : undefined;
  };
  pair.client.association.send(busy, new Uint8Array(30_000), true, pair.nowMs);
  pair.run(1);
  pair.client.association.closeChannel(idle);
  pair.run(2000);
  assert.ok(inProgress > 0);
  assert.equal(closings(pair.client, idle) + closings(pair.server, idle), 0);
  pair.filter = undefined;
  assert.ok(pair.runUntil(() => closings(pair.client, idle) === 1 && closings(pair.server, idle) === 1, 10_000));
  assert.ok(pair.runUntil(() => pair.server.messages(busy).length === 1, 5000));
});

test("a peer that is never done with a reset is asked at a steady pace until it is", () => {
  const pair = new Pair({ delayMs: 20 }).connect();
  const id = pair.open({ ordered: true });
  const answers = answerResets(pair, RESULT_IN_PROGRESS);
  pair.client.association.closeChannel(id);
  pair.run(60_000);
  assert.ok(answers.requests > 10 && answers.requests < 600, `${answers.requests} requests in a minute`);
  assert.ok(pair.client.association.connected);
  answers.result = undefined;
  pair.run(5000);
  assert.equal(closings(pair.client, id), 1);
  answers.requests = 0;
  pair.run(20_000);
  assert.equal(answers.requests, 0);
  assert.equal(freeChannels(pair.client), 1024);
});

test("a peer that refuses a reset costs the channel and its id, nothing else", () => {
  const pair = new Pair({ delayMs: 20 }).connect();
  const id = pair.open({ ordered: true });
  const other = pair.open({ ordered: true });
  answerResets(pair, RESULT_DENIED);
  pair.client.association.closeChannel(id);
  assert.ok(pair.runUntil(() => closings(pair.client, id) === 1, 10_000));
  pair.filter = undefined;
  pair.client.association.send(other, Uint8Array.of(7), true, pair.nowMs);
  pair.run(1000);
  assert.equal(pair.server.messages(other).length, 1);
  assert.ok(pair.client.association.nextTimeoutMs() > pair.nowMs + 1000, "nothing is tried again and again");
});

test("requests and answers that come again and again close nothing that was opened since", () => {
  fc.assert(
    fc.property(networks, fc.integer({ min: 2, max: 8 }), (network, rounds) => {
      const pair = new Pair({ ...network, loss: 0 }).connect();
      // With 511 others open, the one id is used again and again.
      const ids = Array.from({ length: 512 }, () => pair.client.association.openChannel({ label: "", ordered: true }));
      pair.run(1000);
      const id = ids[5]!;
      const old: { to: Side; packet: Uint8Array }[] = [];
      pair.filter = (packet, from) => {
        const to = from === pair.client ? pair.server : pair.client;
        if (chunksOf(packet, RE_CONFIG).length > 0) old.push({ to, packet: packet.slice() });
        return packet;
      };
      for (let round = 0; round < rounds; round++) {
        pair.client.association.closeChannel(id);
        assert.ok(pair.runUntil(() => closings(pair.server, id) === round + 1, 20_000));
        pair.run(1000);
        let next = -1;
        for (let i = 0; next !== id; i++) {
          assert.ok(i < 600, "the id is free again");
          if (next >= 0) pair.client.association.closeChannel(next);
          next = pair.client.association.openChannel({ label: "again", ordered: true });
        }
        pair.run(1000);
        for (const { to, packet } of old) pair.inject(to, packet.slice());
        pair.client.association.send(id, Uint8Array.of(round), true, pair.nowMs);
        pair.run(2000);
        assert.equal(closings(pair.server, id), round + 1);
        assert.deepEqual(
          pair.server.messages(id).map((data) => data[0]),
          Array.from({ length: round + 1 }, (_, i) => i),
        );
      }
    }),
    { numRuns: 10 },
  );
});

test("with a peer that knows no resets a channel closes on our side", () => {
  const pair = new Pair({ delayMs: 5 });
  pair.filter = (packet) => {
    const kind = packet[12];
    if (kind !== INIT && kind !== INIT_ACK) return packet;
    // The list of extensions names RE-CONFIG and FORWARD TSN.
    const at = packet.findIndex((byte, i) => byte === 0x80 && packet[i + 1] === 0x08 && packet[i + 4] === RE_CONFIG);
    assert.ok(at > 0);
    packet[at + 4] = 0x81;
    finishPacket(packet, packet.length);
    return packet;
  };
  pair.connect();
  const id = pair.open({ ordered: true });
  pair.client.association.send(id, new Uint8Array(50_000), true, pair.nowMs);
  pair.client.association.closeChannel(id);
  assert.ok(pair.runUntil(() => closings(pair.client, id) === 1, 10_000));
  assert.equal(pair.server.messages(id).length, 1, "what was sent before arrives");
  assert.notEqual(pair.client.association.openChannel({ label: "next", ordered: true }), id);
});
