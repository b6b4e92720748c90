/**
 * ICE agents that strangers, a client that misbehaves and somebody who watches the wire talk to: checks and answers that lie, copies from
 * elsewhere, floods of addresses and of candidates, restarts and descriptions in between. Afterwards a restart that both sides know of
 * connects them again. The forger knows the victim's passwords, and nothing of the bystander's but its datagrams.
 */
import assert from "node:assert/strict";
import type { PathInfo } from "@stoa/core/paths";
import { drawIceCredentials } from "@stoa/core/ice/credentials";
import { FakeDtlsFactory } from "@stoa/testkit/fake-dtls";
import { PlainDataTransport } from "@stoa/testkit/plain-data-transport";
import { choose, operand } from "./engine.ts";
import type { Case, Step, Target } from "./engine.ts";
import { mutated, noise } from "./mutate.ts";
import { BYSTANDER, type Connection, PeerWorld, SERVER, VICTIM } from "./peer-world.ts";
import { type Aim, ERROR, forgedStun, REQUEST, refingerprinted, SUCCESS } from "./stun-forge.ts";

const PAUSES_MS = [1, 20, 100, 500, 2000, 5000, 10_000, 16_000];
/** More addresses than an agent keeps. */
const FLOOD_ADDRESSES = 60;
const WORDS = ["", "a", ":", "\u0000", "ü".repeat(100), "x".repeat(600), "a:b:c"];
/** A restart is over long before; a check of ours that was refused is repeated after two seconds. */
const PATIENCE_MS = 30_000;
/** A handshake of DTLS that began with nobody on the other side is given up within this. */
const HANDSHAKE_MS = 61_000;
/** Where no other side for DTLS was found in time, a new connection is made. */
const GAVE_UP = "handshake was not finished";

/** See `about`. */
export const ice: Target = {
  name: "ice",
  about:
    "checks and answers that lie, copies, floods, restarts: nothing thrown, paths bounded, then a restart connects; a bystander stays connected",
  maxSteps: 60,
  run(steps: Case): string {
    const attack = new Attack(operand(steps[0] ?? [], 0));
    for (const step of steps.slice(1)) attack.carryOut(step);
    return attack.finish();
  },
};

/** One case under way. */
class Attack {
  readonly #world = new PeerWorld({
    server: new FakeDtlsFactory("server"),
    client: new FakeDtlsFactory("client"),
    sctp: (options) => new PlainDataTransport(options),
  });
  #victim: Connection;
  /** Passwords and ufrags of ours so far. */
  readonly #known: { ufrag: string; pwd: string }[] = [];

  /** Most cases begin with a victim that is connected. */
  constructor(phase: number) {
    this.#victim = this.#world.connection(VICTIM);
    this.#learn();
    if (phase % 4 === 3) this.#world.tellServer(this.#victim);
    else if (phase % 4 === 2) this.#world.tellClient(this.#victim);
    else {
      this.#world.introduce(this.#victim);
      this.#world.settle(this.#victim, 1000);
    }
  }

  carryOut(step: Step): void {
    this.#perform(step);
    this.#world.check();
  }

  finish(): string {
    const world = this.#world;
    const { server, client } = this.#victim;
    const outcome = this.#outcome();
    world.swallow = () => false;
    world.clock.run(HANDSHAKE_MS);
    world.check();
    if ([server, client].some(({ details }) => details.some((detail) => detail.includes(GAVE_UP)))) {
      world.close(this.#victim);
      this.#victim = world.connection(VICTIM);
    } else world.restart(this.#victim);
    world.introduce(this.#victim);
    world.settle(this.#victim, PATIENCE_MS);
    world.check();
    world.close(this.#victim);
    world.close(world.bystander);
    assert.equal(server.host.endpoint.retainedPaths + client.host.endpoint.retainedPaths, 0, "paths are left");
    return outcome;
  }

  #perform(step: Step): void {
    const world = this.#world;
    const { server, client } = this.#victim;
    const { nowMs } = world.clock;
    const [a, b] = [operand(step, 1), operand(step, 2)];
    switch (operand(step, 0) % 14) {
      case 0:
      case 1:
        world.clock.run(choose(PAUSES_MS, a));
        return;
      case 2:
      case 3:
        return this.#ask(step);
      case 4:
        for (let i = 0; i < FLOOD_ADDRESSES; i++)
          world.inject(source(operand(step, 6) + i), SERVER, forgedStun(step, this.#aim(REQUEST), i));
        return;
      case 5:
        return world.inject(SERVER, VICTIM, forgedStun(step, this.#aim(choose([SUCCESS, ERROR], operand(step, 6)))));
      case 6:
        return world.inject(choose([SERVER, source(b)], a >>> 8), VICTIM, forgedStun(step, this.#aim(REQUEST)));
      case 7:
        return this.#resend(step, (bytes) => this.#changed(step, bytes));
      case 8:
        return this.#resend(step, (bytes) => bytes);
      case 9:
        return world.inject(
          source(a),
          choose([SERVER, VICTIM, BYSTANDER], b),
          stunLike(noise(b, operand(step, 3) % 1200)),
        );
      case 10:
        for (let i = 0; i < 1 + (b % FLOOD_ADDRESSES); i++)
          client.peer.addRemoteCandidate(candidate(a + i, step), nowMs);
        return;
      case 11:
        return this.#restart(a);
      case 12:
        return this.#describe(step);
      default:
        // The client falls silent, or is heard again.
        world.swallow =
          a % 2 === 0 ? (flight) => flight.from.endsWith(VICTIM) && flight.to.endsWith(SERVER) : () => false;
        server.peer.yieldPath(b % 64, nowMs);
    }
  }

  /** One check. A TCP connection comes from where it says. */
  #ask(step: Step): void {
    const tcp = (operand(step, 1) & 0x4000) > 0;
    const from = tcp ? stranger(operand(step, 6)) : source(operand(step, 6));
    this.#world.inject(from, SERVER, forgedStun(step, this.#aim(REQUEST)), tcp ? "tcp" : "udp");
  }

  #aim(kind: number): Aim {
    const { server, client } = this.#world.bystander;
    const known = this.#known;
    const ufrags = [...known.map(({ ufrag }) => ufrag), server.ufrag, ...WORDS];
    return {
      kind,
      transactionIds: kind === REQUEST ? [] : this.#world.kept.map(({ bytes }) => bytes.slice(8, 20)),
      // The newest one most often.
      usernames: [0, 1, 2, 3]
        .map(() => `${known.at(-1)!.ufrag}:${client.ufrag}`)
        .concat(
          ufrags.map((ufrag) => `${ufrag}:x`),
          WORDS,
        ),
      passwords: [0, 1, 2, 3]
        .map(() => known.at(-1)!.pwd)
        .concat(
          known.map(({ pwd }) => pwd),
          WORDS,
        ),
    };
  }

  #resend(step: Step, change: (bytes: Uint8Array) => Uint8Array): void {
    const kept = this.#world.kept.filter(({ bytes }) => bytes[0]! < 4);
    if (kept.length === 0) return;
    const { from, to, bytes } = choose(kept, operand(step, 1));
    const [origin = "", aim = ""] = [from, to].map((name) => name.split(" ")[1]);
    const b = operand(step, 2);
    this.#world.inject(
      choose([origin, source(b)], b >>> 8),
      choose([aim, SERVER, VICTIM, BYSTANDER], b >>> 12),
      change(bytes),
    );
  }

  #changed(step: Step, bytes: Uint8Array): Uint8Array {
    const changed = mutated(bytes, step, 3, 0, choose(this.#world.kept, operand(step, 7)).bytes);
    return stunLike(operand(step, 7) % 2 === 0 ? refingerprinted(changed) : changed);
  }

  #restart(how: number): void {
    const world = this.#world;
    const { server, client } = this.#victim;
    const fresh = drawIceCredentials(world.random);
    const side = how & 1 ? client : server;
    Object.assign(side, fresh);
    side.peer.restartIce(fresh.ufrag, fresh.pwd, world.clock.nowMs, (how & 2) > 0);
    this.#learn();
    if (how & 4) world.introduce(this.#victim);
  }

  /** A description with credentials that no honest side would have. */
  #describe(step: Step): void {
    const { server, client } = this.#victim;
    const { peer, host } = choose([server, client], operand(step, 1));
    const other = peer === server.peer ? client : server;
    peer.setRemote(
      {
        ufrag: choose([other.ufrag, ...WORDS], operand(step, 2)),
        pwd: choose([other.pwd, ...WORDS], operand(step, 3)),
        fingerprints: [(host === server.host ? client : server).host.dtls.fingerprint],
        dtlsRole: peer === server.peer ? "server" : "client",
        sctp: { port: 5000, maxMessageSize: 65_536 },
      },
      this.#world.clock.nowMs,
    );
  }

  #learn(): void {
    for (const { ufrag, pwd } of [this.#victim.client, this.#victim.server]) this.#known.push({ ufrag, pwd });
  }

  #outcome(): string {
    const { server, client } = this.#victim;
    const said = [server, client].map(({ peer, states, host }) => {
      const drops = Object.values(peer.iceDrops).map((count) => Math.ceil(Math.log2(1 + count)));
      return `${states.slice(-3).join()} ${drops.join()} ${host.endpoint.retainedPaths} ${peer.path < 0}`;
    });
    return said.join(" | ");
  }
}

/** An address that a datagram may claim to come from: a stranger's, one that others use, the server's own. */
function source(by: number): string {
  if (by % 8 < 3) return choose([VICTIM, BYSTANDER, SERVER], by);
  return stranger(by);
}

function stranger(by: number): string {
  return `10.9.${(by >>> 8) & 255}.${by & 255}:${1024 + (by % 5)}`;
}

function candidate(by: number, step: Step): PathInfo {
  const long = operand(step, 3) % 3 === 0;
  const address = long ? noise(by, 16) : Uint8Array.of(10, 8, (by >>> 8) & 255, by & 255);
  return { protocol: operand(step, 4) % 2 ? "tcp" : "udp", address, port: by & 0xffff };
}

/** The stand-in for DTLS has no defence, so nothing may look like its datagrams. */
function stunLike(bytes: Uint8Array): Uint8Array {
  if (bytes.length > 0 && bytes[0]! >= 20 && bytes[0]! < 64) bytes[0]! &= 3;
  return bytes;
}
