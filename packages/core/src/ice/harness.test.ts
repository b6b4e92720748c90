/** A lite and a controlling agent (or two controlling ones) joined by a network on a virtual clock. */
import assert from "node:assert/strict";
import { nodeHashes, SeededRandom } from "@stoa/testkit/node-crypto";
import { type Endpoint, LossyNetwork } from "@stoa/testkit/lossy-network";
import { VirtualClock } from "@stoa/testkit/virtual-clock";
import { parseStun, type StunFields } from "@stoa/wire/stun/message";
import { writeStun } from "@stoa/wire/stun/write";
import type { PathInfo } from "../paths.ts";
import { Slab } from "../slab.ts";
import { formatPath, type IceAgent, type IceDeps } from "./agent.ts";
import { ControllingAgent } from "./controlling-agent.ts";
import { drawIceCredentials, iceCredentials, stunSigner } from "./credentials.ts";
import { LiteAgent } from "./lite-agent.ts";

export const SERVER = "10.0.0.1";
const CLIENT = "10.0.0.2";

export function candidate(protocol: "udp" | "tcp", address: string, port: number): PathInfo {
  return { protocol, address: Uint8Array.from(address.split("."), Number), port };
}

interface Host<A extends IceAgent = IceAgent> {
  readonly agent: A;
  readonly endpoint: Endpoint;
  ufrag: string;
  pwd: string;
}

export class World {
  readonly clock = new VirtualClock();
  readonly network: LossyNetwork;
  readonly #random: SeededRandom;

  constructor(seed = 1, conditions: ConstructorParameters<typeof LossyNetwork>[2] = {}) {
    this.#random = new SeededRandom(seed);
    this.network = new LossyNetwork(this.clock, seed, conditions);
  }

  host<A extends IceAgent>(address: string, make: (deps: IceDeps, ufrag: string, pwd: string) => A): Host<A> {
    const slab = new Slab(new ArrayBuffer(1 << 16));
    const endpoint = this.network.attach(address, 5000, slab);
    const claims = { claim: () => true, unclaim: () => undefined };
    const deps = { slab, hashes: nodeHashes, random: this.#random, sink: endpoint, paths: endpoint, claims };
    const { ufrag, pwd } = drawIceCredentials(this.#random);
    const agent = make(deps, ufrag, pwd);
    endpoint.receiver = (path, at, length, nowMs) => agent.handleStun(path, at, length, nowMs);
    this.clock.add(agent);
    return { agent, endpoint, ufrag, pwd };
  }

  lite(): Host<LiteAgent> {
    return this.host(SERVER, (...args) => new LiteAgent(...args));
  }

  full(address = CLIENT): Host<ControllingAgent> {
    return this.host(address, (...args) => new ControllingAgent(...args));
  }

  introduce(a: Host, b: Host): void {
    a.agent.setRemote(b.ufrag, b.pwd, this.clock.nowMs);
    b.agent.setRemote(a.ufrag, a.pwd, this.clock.nowMs);
  }

  restart(host: Host, tcpOnly = false): void {
    Object.assign(host, drawIceCredentials(this.#random));
    host.agent.restart(host.ufrag, host.pwd, this.clock.nowMs, tcpOnly);
  }

  /** What `host` sends to, by name. */
  target(host: Host): string {
    const info = host.endpoint.describe(host.agent.selected);
    return info ? formatPath(info) : "none";
  }

  /** A server and a client that are connected over UDP. */
  connected(): { server: Host<LiteAgent>; client: Host<ControllingAgent> } {
    const server = this.lite();
    const client = this.full();
    this.introduce(server, client);
    client.agent.addRemoteCandidate(candidate("udp", SERVER, 5000), this.clock.nowMs);
    assert.ok(this.clock.run(2000, () => client.agent.state === "connected"));
    this.clock.run(1000);
    return { server, client };
  }

  /** Sends a request that `fields` describe from a made-up address to the server, and collects its answers. */
  probe(server: Host, from: string, fields: Partial<StunFields>, pwd: string | undefined): StunFields[] {
    const answers: StunFields[] = [];
    const [address = "", port = ""] = from.split(":");
    const probe = this.network.attach(address, Number(port), new Slab(new ArrayBuffer(1 << 14)));
    probe.receiver = (_path, at, length) => answers.push(parseStun(probe.slab.u8, at, length)!);
    const transactionId = this.#random.bytes(12);
    const request = writeStun(
      { class: "request", method: 1, transactionId, username: `${server.ufrag}:probe`, priority: 1, ...fields },
      pwd === undefined ? undefined : stunSigner(iceCredentials("", pwd), nodeHashes),
    );
    this.network.inject("udp", from, server.endpoint.name, request);
    this.clock.run(100);
    return answers;
  }
}

export const TIE = { high: 1, low: 1 };
