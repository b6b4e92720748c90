/**
 * A room for the tests of this folder, its clients, its clock, and what a worker would hold of it. Time is virtual.
 */
import { RoomConfiguration, type SignalResponse } from "@livekit/protocol";
import { SeededRandom } from "@stoa/testkit/node-crypto";
import type { MediaCommand } from "../engine/commands.ts";
import type { MemberSpec, PeerId, ReceiverSpec, SenderSpec } from "../engine/specs.ts";
import { Refusal, type Action } from "./admin/action.ts";
import type { Effect } from "./effects.ts";
import { Client } from "./harness-client.test.ts";
import type { ClientOptions } from "./harness-join.test.ts";
import { FINGERPRINT } from "./harness-sdp.test.ts";
import {
  DEFAULT_LIMITS,
  DEFAULT_MEDIA_POLICY,
  DEFAULT_TRANSPORT_POLICY,
  type RoomOptions,
  type ServerFacts,
} from "./options.ts";
import { Room } from "./room.ts";

export const START_MS = 1_800_000_000_000;

/** One room, its clients, its clock, and everything that came out of it. */
export class World {
  readonly room: Room;
  readonly clients: Client[] = [];
  readonly effects: Effect[] = [];
  nowMs = START_MS;
  nextConnection = 1;
  /** Last complete lists per peer, as a worker would hold them. */
  readonly senders = new Map<PeerId, readonly SenderSpec[]>();
  readonly receivers = new Map<PeerId, readonly ReceiverSpec[]>();
  /** What the worker knows of the members, by participant sid. */
  readonly members = new Map<string, MemberSpec>();
  readonly openPeers = new Map<PeerId, Extract<MediaCommand, { type: "openPeer" }>>();
  /** Sees each message before its client does. */
  onSend: ((client: Client, message: SignalResponse) => void) | undefined;

  constructor(
    config: Partial<RoomConfiguration> = {},
    overrides: Partial<RoomOptions> = {},
    server: Partial<ServerFacts> = {},
  ) {
    let peer = 0;
    this.room = new Room({
      sid: "RM_test",
      name: "test",
      createdAtMs: START_MS,
      config: new RoomConfiguration(config),
      server: {
        version: "1.13.5",
        nodeId: "ND_test",
        region: "here",
        enabledCodecs: [
          "audio/opus",
          "audio/red",
          "video/AV1",
          "video/H264",
          "video/VP8",
          "video/VP9",
          "video/rtx",
        ].map((mime) => ({ mime })),
        transport: DEFAULT_TRANSPORT_POLICY,
        iceServers: () => [],
        limits: { ...DEFAULT_LIMITS, nameBytes: 16, metadataBytes: 32, attributesBytes: 64 },
        media: DEFAULT_MEDIA_POLICY,
        dataTracks: { encodingBytes: 32 },
        ...server,
      },
      media: {
        fingerprint: FINGERPRINT,
        candidates: [
          { protocol: "udp", address: "192.0.2.1", port: 7882 },
          { protocol: "tcp", address: "192.0.2.1", port: 7881 },
        ],
      },
      random: new SeededRandom(1),
      nextPeerId: () => ++peer,
      ...overrides,
    });
  }

  /** A client that has joined; its primary peer is not connected yet. */
  join(identity: string, options: ClientOptions = {}): Client {
    const client = this.newClient(identity, options);
    const result = client.join();
    if (!("participant" in result)) throw new Error(`${identity} was not let in: ${result.failure}`);
    return client;
  }

  /** A client that has joined and whose peers are up. */
  connect(identity: string, options: ClientOptions = {}): Client {
    const client = this.join(identity, options);
    client.connectMedia();
    return client;
  }

  newClient(identity: string, options: ClientOptions = {}): Client {
    const client = new Client(this, identity, options);
    this.clients.push(client);
    return client;
  }

  /** An action of the API, with everything that follows; a refusal is its text. */
  act<Answer>(action: Action<Answer>): Answer | string {
    const answer = this.room.act(action, this.nowMs);
    this.perform();
    return answer instanceof Refusal ? `${answer.code}: ${answer.message}` : answer;
  }

  /** Lets time pass, with every timer on the way. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (let next = this.room.nextTimeoutMs(); next <= end; next = this.room.nextTimeoutMs()) {
      this.nowMs = Math.max(this.nowMs, next);
      this.room.handleTimeout(this.nowMs);
      this.perform();
    }
    this.nowMs = end;
  }

  /** Performs the effects until nobody has anything to say. */
  perform(): void {
    for (let effects = this.room.takeEffects(); effects.length > 0; effects = this.room.takeEffects()) {
      for (const effect of effects) {
        this.effects.push(effect);
        this.#performOne(effect);
      }
      for (const client of this.clients) client.react();
    }
  }

  /** Media commands of one type, in order. */
  commands<T extends MediaCommand["type"]>(type: T): Extract<MediaCommand, { type: T }>[] {
    const found: Extract<MediaCommand, { type: T }>[] = [];
    for (const effect of this.effects) {
      if (effect.type === "media" && isCommand(effect.command, type)) found.push(effect.command);
    }
    return found;
  }

  #performOne(effect: Effect): void {
    if (effect.type === "send") {
      const client = this.clients.find((one) => one.connection === effect.connection);
      if (!client || client.deaf) return;
      this.onSend?.(client, effect.message);
      client.receive(effect.message);
    } else if (effect.type === "endSignal") {
      const client = this.clients.find((one) => one.connection === effect.connection);
      if (client) client.connection = 0;
    } else if (effect.type === "media") {
      const { command } = effect;
      if (command.type === "setSenders") this.senders.set(command.peer, command.senders);
      if (command.type === "setReceivers") this.receivers.set(command.peer, command.receivers);
      if (command.type === "setMember") this.members.set(command.participant, command.member);
      if (command.type === "removeMember") this.members.delete(command.participant);
      if (command.type === "openPeer") this.openPeers.set(command.peer, command);
      if (command.type === "closePeer") {
        this.openPeers.delete(command.peer);
        this.senders.delete(command.peer);
        this.receivers.delete(command.peer);
      }
    }
  }
}

function isCommand<T extends MediaCommand["type"]>(
  command: MediaCommand,
  type: T,
): command is Extract<MediaCommand, { type: T }> {
  return command.type === type;
}
