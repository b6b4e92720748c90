/**
 * A room, its media worker and its clients as one, on a virtual clock: the real `Room`, `MediaEngine`, ICE, SCTP and data relay, joined by a
 * network that can be cut.
 */
import assert from "node:assert/strict";
import { RoomConfiguration } from "@livekit/protocol";
import { DEFAULT_LIMITS, DEFAULT_MEDIA_POLICY, DEFAULT_TRANSPORT_POLICY } from "@stoa/core/room/options";
import { Room } from "@stoa/core/room/room";
import type { LinkConditions } from "@stoa/testkit/lossy-network";
import { Member } from "./room-member.ts";
import { World } from "./worker-world.ts";

/** How long a message between the threads, or to a socket, takes at most. */
const STEP_MS = 10;

/** The room and everything around it. */
export class RoomWorld {
  readonly worker: World;
  readonly room: Room;
  readonly members: Member[] = [];
  /** Hosts that no datagram reaches or leaves. */
  readonly unreachable = new Set<string>();
  nextConnection = 1;
  nextClient = 1;

  constructor(seed: number, conditions: Partial<LinkConditions> = {}) {
    this.worker = new World(seed, conditions);
    const { clock, network } = this.worker;
    let peer = 0;
    this.room = new Room({
      sid: "RM_test",
      name: "test",
      createdAtMs: clock.nowMs,
      config: new RoomConfiguration(),
      server: {
        version: "1.13.5",
        nodeId: "ND_test",
        region: "here",
        enabledCodecs: [{ mime: "audio/opus" }, { mime: "video/VP8" }],
        transport: DEFAULT_TRANSPORT_POLICY,
        iceServers: () => [],
        limits: DEFAULT_LIMITS,
        media: DEFAULT_MEDIA_POLICY,
      },
      media: {
        fingerprint: this.worker.fingerprint,
        candidates: [{ protocol: "udp", address: this.worker.address, port: 5000 }],
      },
      random: this.worker.random,
      nextPeerId: () => ++peer,
    });
    clock.add({
      nextTimeoutMs: () => this.room.nextTimeoutMs(),
      handleTimeout: (nowMs) => {
        this.room.handleTimeout(nowMs);
        this.perform();
      },
    });
    network.blocked = ({ from, to }) => this.unreachable.has(from.slice(4)) || this.unreachable.has(to.slice(4));
  }

  get nowMs(): number {
    return this.worker.clock.nowMs;
  }

  /** A participant whose channel is open. */
  join(identity: string, mode: "single" | "dual" = "single"): Member {
    const member = new Member(this, identity, mode);
    this.members.push(member);
    member.enter();
    assert.ok(
      this.run(10_000, () => member.isOpen),
      `${identity} did not connect`,
    );
    return member;
  }

  /** Lets time pass, or less if `done` becomes true before; whether it did. */
  run(durationMs: number, done: () => boolean = () => false): boolean {
    const untilMs = this.nowMs + durationMs;
    while (!done()) {
      if (this.nowMs >= untilMs) return false;
      this.worker.clock.run(Math.min(STEP_MS, untilMs - this.nowMs));
      this.perform();
      for (const member of this.members) member.live();
    }
    return true;
  }

  /** What room and worker want of each other and of the clients. */
  perform(): void {
    const { engine } = this.worker;
    for (let busy = true; busy;) {
      busy = false;
      for (let event = engine.pollEvent(); event; event = engine.pollEvent()) {
        busy = true;
        this.room.handleMedia(event, this.nowMs);
      }
      for (const effect of this.room.takeEffects()) {
        busy = true;
        if (effect.type === "media") engine.handleCommand(effect.command, this.nowMs);
        else if (effect.type === "send") this.#connected(effect.connection)?.receive(effect.message);
        else if (effect.type === "endSignal") this.#connected(effect.connection)?.signalEnded();
      }
    }
  }

  #connected(connection: number): Member | undefined {
    return this.members.find((member) => member.connection === connection && member.signal === "up");
  }
}
