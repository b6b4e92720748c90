/**
 * Two honest associations on the worst of networks: packets are lost, doubled, late, out of order and cut off above a size;
 * between them arrive packets that a correct association has to ignore. When the storm is over, everything that was promised
 * has arrived, once, in order, and both sides are at rest.
 */
import assert from "node:assert/strict";
import { readU32, writeU32 } from "@stoa/wire/sctp/bytes";
import * as type from "@stoa/wire/sctp/chunk-types";
import { closeChunk } from "@stoa/wire/sctp/packet";
import { choose, operand } from "./engine.ts";
import type { Case, Step, Target } from "./engine.ts";
import { mutated, noise } from "./mutate.ts";
import { Host, World, packetOf, resealed } from "./sctp-world.ts";

const SIZES = [5, 100, 1112, 1113, 5000, 20_000, 32_768, 600];
const PAUSES_MS = [1, 2, 5, 20, 50, 150, 400, 1000];
/** Nothing larger gets through. */
const PATH_BYTES = [2000, 2000, 1000, 580];
/** How long the storm may leave something undone: the longest timeout, and what has to be sent after it. */
const PATIENCE_MS = 30_000;
/** A silence of this length may end an association. */
const LONG_STORM_MS = 20_000;

/** The channels, all opened by the left side. The last one is closed and opened anew now and then. */
const KINDS = [
  { label: "ordered", ordered: true, maxRetransmits: undefined },
  { label: "unordered", ordered: false, maxRetransmits: undefined },
  { label: "lossy", ordered: true, maxRetransmits: 0 },
  { label: "lossy unordered", ordered: false, maxRetransmits: 1 },
  { label: "short-lived", ordered: true, maxRetransmits: undefined },
] as const;
const SHORT_LIVED = 4;

/** See `about`. */
export const sctpNoise: Target = {
  name: "sctp-noise",
  about: "honest peers, a terrible network, packets to be ignored: all that was promised arrives once and in order",
  maxSteps: 80,
  run(steps: Case): string {
    const storm = new Storm();
    for (const step of steps) storm.carryOut(step);
    return storm.end();
  },
};

/** One side and what it has promised to deliver. */
interface Party {
  readonly host: Host;
  /** Numbers of the messages that were queued, by kind. */
  readonly sent: number[][];
}

class Storm {
  readonly #left: Party = { host: new Host("client", 1), sent: KINDS.map(() => []) };
  readonly #right: Party = { host: new Host("server", 2), sent: KINDS.map(() => []) };
  readonly #world = new World(this.#left.host, this.#right.host);
  readonly #channels: number[] = [];
  #number = 0;
  #pathBytes = 2000;
  readonly #startMs: number;

  constructor() {
    const { host } = this.#left;
    host.association.connect(this.#world.nowMs);
    for (const kind of KINDS) this.#channels.push(host.association.openChannel(kind));
    const opened = (): boolean => host.events.filter((event) => event.type === "channelOpen").length === KINDS.length;
    assert.ok(this.#world.settle(1000, opened));
    this.#startMs = this.#world.nowMs;
  }

  carryOut(step: Step): void {
    const a = operand(step, 1);
    const b = operand(step, 2);
    const party = a & 1 ? this.#left : this.#right;
    const { host } = party;
    switch (operand(step, 0) % 16) {
      case 0:
      case 1:
      case 2:
        for (let count = 1 + (operand(step, 3) % 8); count > 0; count--) this.#send(party, b % KINDS.length, operand(step, 4));
        break; // prettier-ignore
      case 3:
      case 4:
      case 5:
        for (let count = 1 + (b % 16); count > 0; count--) this.#deliver(host, a & 2 ? operand(step, 3) : 0);
        break;
      case 6:
        host.wire.splice(b % (host.wire.length + 1), 1 + (operand(step, 3) % 4));
        break;
      case 7:
        if (host.wire.length > 0) host.wire.push(choose(host.wire, b));
        break;
      case 8:
        this.#world.pass(choose(PAUSES_MS, b));
        break;
      case 9:
        host.paused = (b & 1) === 1;
        break;
      case 10:
        this.#pathBytes = choose(PATH_BYTES, b);
        break;
      case 11:
        this.#renew();
        break;
      case 12:
        this.#world.inject(this.#world.other(host), choose(host.kept, b));
        break;
      case 13:
        for (let turn = 0; turn < 4; turn++) {
          while (host.wire.length > 0) this.#deliver(host, 0);
          this.#world.pass(1);
          while (this.#world.other(host).wire.length > 0) this.#deliver(this.#world.other(host), 0);
        }
        break;
      default:
        this.#world.inject(host, strayPacket(step, this.#world.other(host)));
    }
    host.poll(this.#world.nowMs);
    this.#world.other(host).poll(this.#world.nowMs);
  }

  /** The storm is over; gives what happened in short. */
  end(): string {
    const hosts = [this.#left.host, this.#right.host];
    for (const host of hosts) {
      host.paused = false;
      host.poll(this.#world.nowMs);
    }
    if (hosts.some((host) => host.closed)) {
      assert.ok(this.#world.nowMs - this.#startMs > LONG_STORM_MS, "an association ended early");
      return "ended";
    }
    const done = (): boolean => hosts.every((host) => host.association.sendHeldBytes === 0);
    assert.ok(this.#world.settle(PATIENCE_MS, done), "everything is acknowledged soon after the storm");
    // Before that a full receive window may refuse them, and nobody sends them again.
    const last = [this.#left, this.#right].map((party) => [this.#send(party, 2, 0), this.#send(party, 3, 0)]);
    this.#world.settle(1000, () => false);
    assert.ok(done());
    this.#assertReceived(this.#left, this.#right, last[0]!);
    this.#assertReceived(this.#right, this.#left, last[1]!);
    for (const { association } of hosts) {
      assert.equal(association.receiveHeldBytes, 0, "nothing waits");
      for (const channel of this.#channels) assert.equal(association.bufferedAmount(channel), 0);
    }
    const stats = hosts.flatMap((host) => Object.values(host.association.stats));
    return stats.map((count) => Math.min(5, Math.ceil(Math.log2(1 + count)))).join("");
  }

  /** The number of the message, or -1 when it was refused. */
  #send(party: Party, kind: number, by: number): number {
    const number = this.#number++;
    const data = noise(number, choose(SIZES, by));
    data[0] = kind;
    writeU32(data, 1, number);
    const result = party.host.association.send(this.#channels[kind]!, data, true, this.#world.nowMs);
    if (result !== "queued") return -1;
    // What the other side sends on a channel that the left one closes is not promised.
    if (kind !== SHORT_LIVED || party === this.#left) party.sent[kind]!.push(number);
    party.host.poll(this.#world.nowMs);
    return number;
  }

  #deliver(from: Host, by: number): void {
    const index = from.wire.length > 0 ? by % from.wire.length : 0;
    const packet = from.wire[index];
    if (packet && packet.length > this.#pathBytes) from.wire.splice(index, 1);
    else this.#world.deliver(from, index);
  }

  /** The short-lived channel is closed with whatever it holds, and a new one takes its place. */
  #renew(): void {
    const { association } = this.#left.host;
    const next = association.openChannel(KINDS[SHORT_LIVED]);
    if (next < 0) return;
    association.closeChannel(this.#channels[SHORT_LIVED]!);
    this.#channels[SHORT_LIVED] = next;
  }

  #assertReceived(from: Party, to: Party, last: readonly number[]): void {
    const got: number[][] = KINDS.map(() => []);
    for (const messages of to.host.messages.values()) {
      for (const data of messages) {
        const number = readU32(data, 1);
        const expected = noise(number, data.length);
        expected.set(data.subarray(0, 5));
        assert.deepEqual(data, expected, `message ${number} is not what was sent`);
        got[data[0]!]!.push(number);
      }
    }
    assert.deepEqual(got[0], from.sent[0], "ordered messages");
    assert.deepEqual(sorted(got[1]!), from.sent[1], "unordered messages");
    assert.deepEqual(got[2], sorted(got[2]!), "lossy messages are in order");
    if (from === this.#left) assert.deepEqual(sorted(got[4]!), from.sent[4], "messages of channels that were closed");
    for (const [kind, numbers] of got.entries()) {
      assert.equal(new Set(numbers).size, numbers.length, "nothing comes twice");
      if (kind === SHORT_LIVED && from !== this.#left) continue;
      for (const number of numbers) assert.ok(from.sent[kind]!.includes(number), "nothing comes that was not sent");
    }
    for (const [i, number] of last.entries()) if (number >= 0) assert.ok(got[2 + i]!.includes(number), "the newest lossy message"); // prettier-ignore
  }
}

function sorted(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b);
}

/** A packet that changes nothing for an association that is up. `other`: the side from which it seems to come. */
function strayPacket(step: Step, other: Host): Uint8Array {
  const a = operand(step, 1);
  const b = operand(step, 2);
  const genuine = choose(other.kept, a).slice();
  const chunk = (kind: number, value: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(4 + value.length + 4);
    bytes.set(value, 4);
    return bytes.subarray(0, closeChunk(bytes, 0, kind, 0, 4 + value.length));
  };
  switch (operand(step, 3) % 10) {
    case 0:
      return noise(a, b % 1300);
    case 1:
      // A wrong checksum, which is neither right by chance nor zero.
      return mutated(genuine, step, 4, 0).fill(0x5a, 8, 12);
    case 2:
      return resealed(withTag(genuine, other.peerTag ^ (b || 1)));
    case 3:
      genuine[1]! ^= 1 + (b % 255);
      return resealed(genuine);
    case 4:
      return packetOf(other.peerTag, chunk(choose([0xbf, 0xff, 0x3f, 0x7f], a), noise(b, b % 1000)));
    case 5:
      return packetOf(0, chunk(type.INIT, initValue(a, b)));
    case 6:
      return packetOf(b, chunk(type.COOKIE_ECHO, noise(a, 44)));
    case 7:
      return packetOf(
        other.peerTag,
        chunk(choose([type.INIT_ACK, type.COOKIE_ACK, type.SHUTDOWN_COMPLETE], a), noise(b, b % 64)),
      );
    case 8:
      return packetOf(
        other.peerTag,
        chunk(choose([type.HEARTBEAT, type.HEARTBEAT_ACK, type.ERROR], a), noise(b, b % 600)),
      );
    default:
      return packetOf(other.peerTag ^ (b || 1), chunk(type.ABORT, new Uint8Array(0)));
  }
}

function initValue(tag: number, tsn: number): Uint8Array {
  const value = new Uint8Array(16);
  writeU32(value, 0, tag || 1);
  writeU32(value, 4, 100_000);
  writeU32(value, 8, 0x0010_0010);
  writeU32(value, 12, tsn);
  return value;
}

function withTag(packet: Uint8Array, tag: number): Uint8Array {
  writeU32(packet, 4, tag);
  return packet;
}
