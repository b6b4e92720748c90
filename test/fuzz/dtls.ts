/**
 * DTLS as it reaches a peer: datagrams that are told apart, kept until the role is known, cut into records and queued, with a forger who
 * holds back, changes, repeats and invents them in every state, or has a client's keys. OpenSSL is the real one; it draws its own
 * random numbers and has its own clock, so a case repeats what is done, not every byte.
 */
import assert from "node:assert/strict";
import type { DtlsFactory, DtlsRole, DtlsSession } from "@stoa/core/crypto";
import { SctpAssociation } from "@stoa/core/sctp/association";
import { SLOT_BYTES } from "@stoa/core/slab";
import { generateCertificate } from "@stoa/io/accel/certificate";
import { type ClosableDtlsFactory, createDtlsFactory } from "@stoa/io/accel/dtls-openssl";
import { loadOpenSsl } from "@stoa/io/accel/native";
import type { Flight } from "@stoa/testkit/lossy-network";
import { forgedRecord, forgedRecords, recordsOf } from "./dtls-forge.ts";
import { choose, operand } from "./engine.ts";
import type { Case, Step, Target } from "./engine.ts";
import { mutated, noise } from "./mutate.ts";
import { BYSTANDER, type Connection, PeerWorld, SERVER, VICTIM } from "./peer-world.ts";

const CERTIFICATES_MS = 1_700_000_000_000;
const PAUSES_MS = [1, 20, 100, 500, 2000, 10_000];
const MAX_HELD = 64;
const FLOOD_DATAGRAMS = 200;
/** Longer than a handshake may take. */
const HANDSHAKE_MS = 61_000;
/** What a client may offer: all that we know, or one sort of cipher. */
const SUITES = [undefined, undefined, "CHACHA20-POLY1305", "AES128-SHA"];
/** Who the forger seems to be, and to whom. */
const WAYS = [
  [VICTIM, SERVER],
  [VICTIM, SERVER],
  [SERVER, VICTIM],
  [BYSTANDER, SERVER],
] as const;

/** What the forger may do: only write, or also hold back what others write, before or after the server knows its role, or use the client's keys. */
const MODES = ["outside", "between", "early", "client"] as const;

/** See `about`. */
export const dtls: Target = {
  name: "dtls",
  about:
    "records that lie, changed, repeated, held back: nothing thrown, all sessions end, an open one goes on; a bystander stays connected",
  maxSteps: 50,
  run(steps: Case): string {
    const how = operand(steps[0] ?? [], 0);
    const [server, client] = [new Sessions(), new Sessions(choose(SUITES, how >>> 4))];
    try {
      const attack = new Attack(server, client, how);
      for (const step of steps.slice(1)) attack.carryOut(step);
      return attack.finish();
    } finally {
      for (const sessions of [server, client]) sessions.close();
    }
  },
};

/** A factory that remembers its sessions. */
class Sessions implements DtlsFactory {
  readonly made: DtlsSession[] = [];
  readonly #factory: ClosableDtlsFactory;

  /** `suite`: the only one that is offered. */
  constructor(suite?: string) {
    const openssl = loadOpenSsl();
    const choose = (context: number | string) => openssl.SSL_CTX_set_cipher_list(context, `ECDHE-ECDSA-${suite}`);
    const offered = suite === undefined ? openssl : { ...openssl, SSL_CTX_set_cipher_list: choose };
    this.#factory = createDtlsFactory({ openssl: offered, certificate: generateCertificate(CERTIFICATES_MS) });
  }

  get fingerprint(): string {
    return this.#factory.fingerprint;
  }

  create(role: DtlsRole): DtlsSession {
    const session = this.#factory.create(role);
    this.made.push(session);
    return session;
  }

  close(): void {
    for (const session of this.made) session.close();
    this.#factory.close();
  }
}

/** One case under way. */
class Attack {
  readonly #world: PeerWorld;
  readonly #sessions: readonly Sessions[];
  readonly #mode: (typeof MODES)[number];
  readonly #role: DtlsRole;
  readonly #victim: Connection;
  /** What waits for the forger to let it through. */
  readonly #held: Flight[] = [];
  #holding = false;
  #told = false;

  constructor(server: Sessions, client: Sessions, how: number) {
    this.#sessions = [server, client];
    this.#mode = choose(MODES, how);
    this.#role = (how >>> 2) % 4 === 3 ? "client" : "server";
    this.#world = new PeerWorld({ server, client, sctp: (options) => new SctpAssociation(options) });
    this.#victim = this.#world.connection(VICTIM);
    const open = this.#mode === "outside" || this.#mode === "client";
    this.#world.swallow = (flight) => this.#hold(flight);
    this.#holding = !open;
    this.#world.tellClient(this.#victim, this.#role);
    if (this.#mode !== "early") this.#tellServer();
    if (open) this.#world.settle(this.#victim, 1000);
  }

  carryOut(step: Step): void {
    this.#perform(step);
    this.#world.check();
  }

  finish(): string {
    const world = this.#world;
    this.#holding = false;
    this.#tellServer();
    while (this.#release((bytes) => bytes));
    world.clock.run(HANDSHAKE_MS);
    world.check();
    const outcome = this.#outcome();
    if (this.#mode === "outside") world.settle(this.#victim, 1000);
    for (const { peer } of [this.#victim.server, this.#victim.client])
      assert.ok(peer.connected || peer.nextTimeoutMs() === Number.POSITIVE_INFINITY, "neither open nor ended");
    world.close(this.#victim);
    const next = world.connection(VICTIM);
    world.introduce(next);
    world.settle(next, 2000);
    world.check();
    for (const connection of [next, world.bystander]) world.close(connection);
    for (const { made } of this.#sessions)
      for (const session of made) assert.ok(["closed", "failed"].includes(session.state), "a session is left");
    return outcome;
  }

  #perform(step: Step): void {
    const world = this.#world;
    const [a, b] = [operand(step, 1), operand(step, 2)];
    switch (operand(step, 0) % 16) {
      case 0:
      case 1:
        world.clock.run(choose(PAUSES_MS, a));
        return;
      case 2:
      case 3:
        for (let i = 0; i < 1 + (a % 4); i++) this.#release((bytes) => bytes);
        return;
      case 4:
        this.#release((bytes) => mutated(bytes, step, 1, 0, this.#genuine(b)));
        return;
      case 5:
        // The next one is lost, or comes last.
        if (this.#held.length > 0) this.#held.push(...this.#held.splice(0, 1).filter(() => a % 2 === 0));
        return;
      case 6:
        return this.#write(a, this.#genuine(b));
      case 7:
        return this.#write(a, mutated(this.#genuine(b), step, 3, 0, this.#genuine(operand(step, 7))));
      case 8:
        return this.#write(a, this.#rearranged(step));
      case 9:
        return this.#write(operand(step, 7) >>> 9, forgedRecord(step));
      case 10:
        return this.#write(operand(step, 7) >>> 9, forgedRecords(step));
      case 11:
        return this.#write(a, this.#strangersHello());
      case 12:
        return this.#write(a, anything(step));
      case 13:
        return world.inject(
          `10.9.0.${a & 255}:1024`,
          choose([SERVER, VICTIM], b),
          choose([this.#genuine(b), forgedRecord(step)], a),
        );
      case 14:
        for (let i = 0; i < FLOOD_DATAGRAMS; i++) this.#write(a, this.#genuine(b));
        return;
      default:
        return this.#misbehave(step);
    }
  }

  /** The part of the client, or of the signalling. */
  #misbehave(step: Step): void {
    const [a, b] = [operand(step, 1), operand(step, 2)];
    if (this.#mode === "early") this.#tellServer();
    if (this.#mode !== "client") return;
    const session = this.#sessions[1]!.made.at(-1)!;
    for (let i = 0; i < 1 + (a % 100); i++) session.send(noise(b + i, operand(step, 3) % 1500));
    if (a % 50 === 49) session.close();
    for (let bytes = session.pollDatagram(); bytes; bytes = session.pollDatagram())
      this.#world.inject(VICTIM, SERVER, bytes);
  }

  #tellServer(): void {
    if (this.#told) return;
    this.#told = true;
    this.#world.tellServer(this.#victim, this.#role);
  }

  #hold(flight: Flight): boolean {
    if (!this.#holding || !isDtls(flight.bytes)) return false;
    if (this.#held.length < MAX_HELD) this.#held.push(flight);
    return true;
  }

  /** Lets the next one through; false if there is none. */
  #release(change: (bytes: Uint8Array) => Uint8Array): boolean {
    const flight = this.#held.shift();
    if (!flight) return false;
    this.#pass(flight.from.slice(4), flight.to.slice(4), change(flight.bytes));
    return true;
  }

  #write(way: number, bytes: Uint8Array): void {
    const [from, to] = choose(WAYS, way);
    this.#pass(from, to, bytes);
  }

  #pass(from: string, to: string, bytes: Uint8Array): void {
    const holding = this.#holding;
    this.#holding = false;
    this.#world.inject(from, to, bytes);
    this.#holding = holding;
  }

  /** A datagram that somebody has sent. */
  #genuine(by: number): Uint8Array {
    return choose(
      this.#world.kept.filter(({ bytes }) => isDtls(bytes)),
      by,
    ).bytes;
  }

  /** Records of two datagrams, in another order or with one of them cut. */
  #rearranged(step: Step): Uint8Array {
    const records = [2, 3].flatMap((index) => recordsOf(this.#genuine(operand(step, index))));
    const cut = operand(step, 5);
    const taken = Array.from({ length: 1 + (operand(step, 4) % 8) }, (_, i) => choose(records, (cut >>> i) + i));
    return Uint8Array.from(taken.flatMap((record) => [...record])).subarray(
      0,
      cut % 3 === 0 ? cut % SLOT_BYTES : SLOT_BYTES,
    );
  }

  #strangersHello(): Uint8Array {
    const session = this.#sessions[1]!.create("client");
    session.start();
    const hello = session.pollDatagram()!;
    session.close();
    this.#sessions[1]!.made.pop();
    return hello;
  }

  #outcome(): string {
    const { server, client } = this.#victim;
    const said = [server, client].map(
      ({ peer, states, details }) => `${states.join()} ${details.at(-1)} ${peer.strayDatagrams > 0}`,
    );
    return `${this.#mode} ${this.#role} ${said.join(" | ")}`;
  }
}

function isDtls(bytes: Uint8Array): boolean {
  return bytes[0]! >= 20 && bytes[0]! < 64;
}

/** Some datagram with some first bytes. */
function anything(step: Step): Uint8Array {
  const bytes = noise(operand(step, 3), operand(step, 4) % (SLOT_BYTES + 1));
  bytes.set([operand(step, 2), operand(step, 5)].slice(0, bytes.length));
  return bytes;
}
