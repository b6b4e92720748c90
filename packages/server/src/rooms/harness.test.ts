/** A registry with the real room reducer, sockets of paper and a media worker of paper. */
import assert from "node:assert/strict";
import type { SignalResponse } from "@livekit/protocol";
import type { MediaCommand } from "@stoa/core/engine/commands";
import { DEFAULT_LIMITS, DEFAULT_MEDIA_POLICY } from "@stoa/core/room/options";
import { Room } from "@stoa/core/room/room";
import { createRandom } from "@stoa/io/random";
import { isRefused, verifyToken } from "../auth/verify.ts";
import { handmadeToken, joinClaims, KEY, KEYS, recordingLog, SECRET, testConfig } from "../fixtures.test.ts";
import { transportPolicy } from "../config/transport-policy.ts";
import type { MediaListener, MediaPort } from "../media/media-port.ts";
import { readConnectRequest, type ConnectRequest } from "../signal/connect-request.ts";
import type { HttpFailure } from "../signal/http-failure.ts";
import { SignalSocket } from "../signal/socket.ts";
import type { SignalTrouble } from "./effects.ts";
import { RoomRegistry } from "./registry.ts";
import { readPresets, type RoomPresets } from "./room-config.ts";

class PaperMedia implements MediaPort {
  readonly commands: { worker: number; room: string; command: MediaCommand }[] = [];
  readonly released: string[] = [];
  listener: MediaListener | undefined;
  up: number | undefined = 0;
  /** Whether workers listen for TCP too. */
  tcp = false;

  choose() {
    return this.up;
  }
  address(worker: number) {
    return {
      fingerprint: "AA:BB",
      candidates: (this.tcp ? (["udp", "tcp"] as const) : (["udp"] as const)).map((protocol) => {
        return { protocol, address: "192.0.2.1", port: 7000 + worker };
      }),
    };
  }
  post(worker: number, room: string, command: MediaCommand) {
    this.commands.push({ worker, room, command });
  }
  release(_: number, room: string) {
    this.released.push(room);
  }
  listen(listener: MediaListener) {
    this.listener = listener;
  }
}

/** A socket that keeps what it was told instead of sending it. */
export class PaperSocket extends SignalSocketBase() {
  readonly sent: SignalResponse[] = [];
  ended: "flush" | "now" | undefined;
}

function SignalSocketBase() {
  return SignalSocket;
}

let lastId = 0;

export function paperSocket(): PaperSocket {
  const socket = new PaperSocket(++lastId, Date.now);
  socket.send = (message) => {
    if (socket.ended) return "closed";
    socket.sent.push(message);
    return "queued";
  };
  socket.end = (flush) => {
    socket.ended ??= flush ? "flush" : "now";
  };
  return socket;
}

export function setUp(yaml = "") {
  const { config } = testConfig(yaml);
  const media = new PaperMedia();
  const log = recordingLog();
  const closed: string[] = [];
  const troubles: SignalTrouble[] = [];
  const load = { isFull: false };
  const registry = new RoomRegistry({
    config,
    presets: readPresets(config) as RoomPresets,
    facts: {
      version: "1.13.11",
      nodeId: "ND_test",
      region: "",
      enabledCodecs: config.room.enabled_codecs.map(({ mime }) => ({ mime })),
      transport: transportPolicy(config.rtc),
      iceServers: () => [],
      limits: { ...DEFAULT_LIMITS, nameBytes: 0, metadataBytes: 0, attributesBytes: 0 },
      media: DEFAULT_MEDIA_POLICY,
    },
    createRoom: (options) => new Room(options),
    media,
    signer: { key: KEY, secret: SECRET },
    isFull: () => load.isFull,
    observers: [
      {
        onRoomClosed: ({ room }) => void closed.push(room.name),
        onSignalTrouble: (_room, _participant, trouble) => void troubles.push(trouble),
      },
    ],
    random: createRandom(),
    log,
    nowMs: Date.now,
  });
  return { registry, media, log, closed, troubles, load, config };
}

export async function request(
  registry: RoomRegistry,
  query = "protocol=16&sdk=js",
  claims: Record<string, unknown> = {},
): Promise<ConnectRequest | HttpFailure> {
  const token = await verifyToken(KEYS, handmadeToken(joinClaims(Date.now(), claims)), Date.now());
  assert.ok(!isRefused(token));
  const input = { query: new URLSearchParams(query), token, needsJoinRequest: false, strict: false };
  return readConnectRequest({ ...input, header: () => undefined, remoteAddress: "192.0.2.9" }, registry);
}

export async function join(registry: RoomRegistry, query?: string, claims?: Record<string, unknown>) {
  const connect = await request(registry, query, claims);
  assert.ok(!("status" in connect), JSON.stringify(connect));
  const socket = paperSocket();
  return { socket, failure: registry.join(connect, socket) };
}
