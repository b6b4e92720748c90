/**
 * An association whose peer is a rogue: in every state of the two, chunks that lie, changed and repeated packets, noise, all
 * under the right tag and with a right checksum. Afterwards a well-behaved peer begins anew, and the association serves it,
 * unless the rogue has ended it. A second association beside it sees nothing of all that.
 */
import assert from "node:assert/strict";
import { readI32 } from "@stoa/wire/sctp/bytes";
import { DATA, INIT, RE_CONFIG } from "@stoa/wire/sctp/chunk-types";
import { FLAG_BEGIN, FLAG_END } from "@stoa/wire/sctp/data";
import { PPID_BINARY, PPID_DCEP, writeDcepOpen } from "@stoa/wire/sctp/dcep";
import { choose, operand } from "./engine.ts";
import type { Case, Step, Target } from "./engine.ts";
import { mutated, noise } from "./mutate.ts";
import { dataChunk, forgedChunk } from "./sctp-forge.ts";
import type { Aim } from "./sctp-forge.ts";
import { Host, World, packetOf, resealed } from "./sctp-world.ts";

const SIZES = [0, 1, 100, 1112, 5000, 20_000, 32_768, 3];
const PAUSES_MS = [1, 5, 20, 100, 400, 1500, 3000, 10_000];
/** More than the gaps, channels and messages in pieces that an association keeps. */
const FLOOD_CHUNKS = 2100;
const SPECS = [
  { label: "ordered", ordered: true },
  { label: "unordered", ordered: false },
  { label: "lossy", ordered: true, maxRetransmits: 0 },
  { label: "short-lived", ordered: false, maxPacketLifeTimeMs: 200 },
] as const;
const BOTH = FLAG_BEGIN | FLAG_END;
const RELIABLE = { maxRetransmits: undefined, maxPacketLifeTimeMs: undefined };
const OPEN = writeDcepOpen({ label: "flood", protocol: "", ordered: true, priority: 256, ...RELIABLE })!;
/** A restart takes as long as the timers of what the rogue left behind. */
const PATIENCE_MS = 120_000;

/** See `about`. */
export const sctpAssociation: Target = {
  name: "sctp-association",
  about:
    "a rogue peer in every state: nothing thrown, memory bounded, then a good peer is served; neighbours see nothing",
  maxSteps: 60,
  run(steps: Case): string {
    const victim = new Host("server", 1);
    const attack = new Attack(victim);
    const neighbours = new Neighbours();
    attack.begin(operand(steps[0] ?? [], 0));
    for (const step of steps.slice(1)) attack.carryOut(step);
    neighbours.talk();
    victim.paused = false;
    victim.poll(attack.world.nowMs);
    if (victim.closed) assertEnded(victim, attack.world.nowMs);
    else serveGoodPeer(victim, attack.world.nowMs);
    return attack.outcome();
  },
};

/** One case under way. */
class Attack {
  readonly world: World;
  readonly #victim: Host;
  readonly #rogue = new Host("client", 2);
  /** Chunks that go into the next forged packet. */
  #chunks: Uint8Array[] = [];
  #flooded = false;

  constructor(victim: Host) {
    this.#victim = victim;
    this.world = new World(victim, this.#rogue);
  }

  /** Most cases begin with an association that is up and has channels of all kinds from both sides. */
  begin(by: number): void {
    if (by % 8 === 0) return;
    for (const host of [this.#rogue, this.#victim]) {
      host.association.connect(this.world.nowMs);
      for (const spec of SPECS) host.association.openChannel(spec);
    }
    this.world.settle(100, () => false);
  }

  carryOut(step: Step): void {
    const a = operand(step, 1);
    const b = operand(step, 2);
    const host = a & 1 ? this.#victim : this.#rogue;
    const { association } = host;
    const { nowMs } = this.world;
    switch (operand(step, 0) % 20) {
      case 0:
        association.connect(nowMs);
        break;
      case 1:
        association.openChannel(choose(SPECS, b));
        break;
      case 2:
        for (let count = 1 + (operand(step, 4) % 8); count > 0; count--) {
          association.send(b % 8, noise(b, choose(SIZES, operand(step, 3))), (a & 2) === 0, nowMs);
        }
        break;
      case 3:
        association.closeChannel(b % 8);
        break;
      case 4:
        this.world.pass(choose(PAUSES_MS, b));
        break;
      case 5:
        this.#victim.paused = (a & 1) === 1;
        break;
      case 6:
        host.wire.splice(b % 4, 1 + (operand(step, 3) % 8));
        break;
      case 7:
      case 8:
        for (let count = 1 + (b % 16); count > 0; count--) this.world.deliver(host);
        break;
      case 9:
      case 10:
        this.world.settle(50, () => false);
        break;
      case 11:
        this.world.inject(this.#victim, this.#changed(step));
        break;
      case 12:
        this.world.inject(this.#victim, this.#kept(a));
        break;
      case 13:
        this.world.inject(this.#victim, noise(a, b % 1500));
        break;
      case 14:
        if (a % 8 === 0 && !this.#flooded) this.#flood(step);
        break;
      case 15:
        if (a % 32 === 0) association.abort("enough");
        break;
      default:
        this.#forge(step);
    }
    this.#victim.poll(this.world.nowMs);
    this.#rogue.poll(this.world.nowMs);
  }

  /** What the case has led to, in short. */
  outcome(): string {
    const { stats } = this.#victim.association;
    const counts = Object.values(stats).map((count) => Math.min(4, Math.ceil(Math.log2(1 + count))));
    const kinds = new Set(this.#victim.events.map((event) => event.type));
    return `${counts.join("")} ${[...kinds].sort().join(" ")}`;
  }

  #forge(step: Step): void {
    const rogue = this.#rogue;
    const chunk = forgedChunk(step, this.#aim());
    this.#chunks.push(chunk);
    if (chunk[0] === DATA && readI32(chunk, 4) === rogue.nextTsn) rogue.nextTsn = (rogue.nextTsn + 1) | 0;
    if (chunk[0] === RE_CONFIG && readI32(chunk, 8) === rogue.requestSeq) rogue.requestSeq = (rogue.requestSeq + 1) | 0;
    // Several chunks in one packet now and then.
    if ((operand(step, 0) & 0x300) === 0x100 && this.#chunks.length < 6) return;
    this.world.inject(this.#victim, packetOf(chunk[0] === INIT ? 0 : this.#tag(), ...this.#chunks));
    this.#chunks = [];
  }

  /** More of one kind of chunk than an association remembers; every second time its owner polls nothing meanwhile. */
  #flood(step: Step): void {
    this.#flooded = true;
    const kind = operand(step, 2) % 4;
    const flags = operand(step, 3) & 15;
    const length = 1 + (operand(step, 4) % 64);
    const rogue = this.#rogue;
    const first = rogue.nextTsn;
    for (let i = 0; i < FLOOD_CHUNKS; i++) {
      let chunk: Uint8Array;
      if (kind === 0) chunk = dataChunk((first + 2 * i + 1) | 0, flags, 0, i, PPID_BINARY, noise(i, length));
      else if (kind === 1) chunk = dataChunk((first + i) | 0, BOTH, i, 0, PPID_DCEP, OPEN);
      else if (kind === 2)
        chunk = dataChunk((first + i) | 0, flags | BOTH, i & 3, i + 2, PPID_BINARY, noise(i, length));
      else chunk = forgedChunk([0, operand(step, 3), i, operand(step, 4), operand(step, 5)], this.#aim());
      if (kind === 1 || kind === 2) rogue.nextTsn = (first + i + 1) | 0;
      const packet = packetOf(chunk[0] === INIT ? 0 : this.#tag(), chunk);
      if (operand(step, 1) & 8) this.#victim.association.handlePacket(packet, this.world.nowMs);
      else this.world.inject(this.#victim, packet);
    }
  }

  #aim(): Aim {
    const victim = this.#victim;
    return {
      nextTsn: this.#rogue.nextTsn,
      nextRequest: this.#rogue.requestSeq,
      victimTsn: (victim.nextTsn - 1) | 0,
      victimRequest: (victim.requestSeq - 1) | 0,
    };
  }

  /** A genuine packet with one change behind its header. */
  #changed(step: Step): Uint8Array {
    const packet = this.#kept(operand(step, 1));
    return resealed(mutated(packet, step, 2, 12, this.#kept(operand(step, 6))));
  }

  #kept(by: number): Uint8Array {
    const { kept } = this.#rogue;
    return kept.length > 0 ? choose(kept, by).slice() : noise(by, 40);
  }

  #tag(): number {
    return this.#rogue.peerTag || this.#victim.ownTag;
  }
}

function assertEnded(victim: Host, nowMs: number): void {
  const { association } = victim;
  assert.equal(association.nextTimeoutMs(), Number.POSITIVE_INFINITY, "no timer after the end");
  assert.equal(association.receiveHeldBytes, 0, "nothing is held after the end");
  assert.equal(association.sendHeldBytes, 0, "nothing is to be sent after the end");
  assert.equal(association.send(0, noise(1, 5), true, nowMs), "closed");
  assertChannelsClosed(victim);
}

/** Every channel that opened has closed. */
function assertChannelsClosed(victim: Host): void {
  const open = new Map<number, number>();
  for (const event of victim.events) {
    if (event.type === "channelOpen") open.set(event.channel, (open.get(event.channel) ?? 0) + 1);
    else if (event.type === "channelClosed") open.set(event.channel, (open.get(event.channel) ?? 0) - 1);
  }
  for (const [channel, count] of open) assert.ok(count <= 0, `channel ${channel} was not closed`);
}

/** A peer that knows nothing of what was before connects and talks. */
function serveGoodPeer(victim: Host, nowMs: number): void {
  victim.cutWire();
  const good = new Host("client", 3);
  const world = new World(victim, good);
  world.nowMs = nowMs;
  const before = victim.events.length;
  good.association.connect(world.nowMs);
  const connected = (): boolean =>
    good.has("connected") && victim.events.slice(before).some((event) => event.type === "connected");
  assert.ok(world.settle(PATIENCE_MS, connected), "a good peer can connect");
  victim.messages.clear();
  talk(world, good, victim);
}

/** Messages through a new channel and back; then both sides are at rest. */
function talk(world: World, from: Host, to: Host): void {
  const channel = from.association.openChannel({ label: "good", ordered: true });
  const sent = [10, 3000, 30_000].map((length) => noise(length, length));
  for (const data of sent) assert.equal(from.association.send(channel, data, true, world.nowMs), "queued");
  const opened = to.events.length;
  assert.ok(
    world.settle(PATIENCE_MS, () => to.got(channel).length >= sent.length),
    "its messages arrive",
  );
  assert.ok(to.events.slice(opened).some((event) => event.type === "channelOpen" && event.channel === channel));
  assert.deepEqual(to.got(channel), sent);
  for (const data of sent) assert.equal(to.association.send(channel, data, false, world.nowMs), "queued");
  assert.ok(
    world.settle(PATIENCE_MS, () => from.got(channel).length >= sent.length),
    "answers arrive",
  );
  assert.deepEqual(from.got(channel), sent);
  const held = (): number => to.association.sendHeldBytes + from.association.sendHeldBytes;
  assert.ok(
    world.settle(PATIENCE_MS, () => held() === 0),
    "everything is acknowledged",
  );
  assert.equal(to.association.receiveHeldBytes + from.association.receiveHeldBytes, 0);
}

/** Two more associations in the same process, from before the attack on. */
class Neighbours {
  readonly #left = new Host("client", 4);
  readonly #right = new Host("server", 5);
  readonly #world = new World(this.#left, this.#right);

  constructor() {
    this.#left.association.connect(this.#world.nowMs);
    this.#world.settle(1000, () => this.#right.association.connected);
  }

  talk(): void {
    talk(this.#world, this.#left, this.#right);
    assert.equal(this.#left.association.stats.badPackets + this.#right.association.stats.badChunks, 0);
    assert.equal(this.#left.association.stats.timeouts + this.#right.association.stats.timeouts, 0);
  }
}
