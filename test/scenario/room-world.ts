/**
 * A room, its media worker and its clients as one, on a virtual clock: the real `Room`, `MediaEngine`, ICE, SCTP and data relay, joined by a
 * network that can be cut, and clients that come back as livekit-client does: they resume over a new signal connection, restart
 * ICE, and send again what the server has not had of their reliable messages. One peer connection each, for data.
 */
import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_SDK,
  DataChannelReceiveState,
  DataPacket,
  LeaveRequest_Action,
  ParticipantInfo_Kind,
  ParticipantInfo_State,
  Ping,
  RoomConfiguration,
  SessionDescription,
  SignalRequest,
  SyncState,
  UserPacket,
  type ParticipantInfo,
  type SignalResponse,
} from "@livekit/protocol";
import type { RemoteTransport } from "@stoa/core/engine/protocol";
import {
  DEFAULT_LIMITS,
  DEFAULT_MEDIA_POLICY,
  DEFAULT_TRANSPORT_POLICY,
  type Claims,
  type JoinInput,
} from "@stoa/core/room/options";
import { Room } from "@stoa/core/room/room";
import type { LinkConditions } from "@stoa/testkit/lossy-network";
import { Client, World } from "./worker-world.ts";

/** How long a message between the threads, or to a socket, takes at most. */
const STEP_MS = 10;
const PING_EVERY_MS = 5000;
/** A client waits before it tries to come back, and before it trusts a restarted connection. */
const RETRY_MS = 300;
const TRUST_MS = 500;

const CLAIMS: Omit<Claims, "identity"> = {
  name: "",
  metadata: "",
  attributes: {},
  kind: ParticipantInfo_Kind.STANDARD,
  kindDetails: [],
  grants: {
    canSubscribe: true,
    canPublish: true,
    canPublishData: true,
    canPublishSources: [],
    hidden: false,
    recorder: false,
    agent: false,
    canUpdateOwnMetadata: true,
    canSubscribeMetrics: false,
    canManageAgentSession: false,
  },
};

/** The room and everything around it. */
export class RoomWorld {
  readonly worker: World;
  readonly room: Room;
  readonly members: Member[] = [];
  /** Hosts that no datagram reaches or leaves. */
  readonly unreachable = new Set<string>();
  nextConnection = 1;

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
  join(identity: string): Member {
    const member = new Member(this, identity, this.members.length + 1);
    this.members.push(member);
    member.enter();
    assert.ok(
      this.run(10_000, () => member.client.isOpen("_reliable")),
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

/** A participant with its client. */
export class Member {
  readonly identity: string;
  readonly client: Client;
  /** "dead": gone, and the server does not know. */
  signal: "up" | "dead" | "down" = "down";
  connection = 0;
  sid = "";
  /** It can do nothing at all. */
  suspended = false;
  /** It will replace its channel when it has come back, as Safari needs it. */
  replacesChannel = false;
  /** Messages that came twice and that it dropped. */
  duplicates = 0;
  /** How often it had to begin a new session, and how often it came back into its own. */
  restarts = 0;
  resumes = 0;
  readonly others = new Map<string, ParticipantInfo>();
  /** Identities that it saw leave, and such that it saw come back under another sid. */
  readonly sawLeave: string[] = [];
  /** Numbers that came, by identity of their sender, as they came. */
  readonly received = new Map<string, number[]>();
  readonly #world: RoomWorld;
  readonly #lastSequence = new Map<string, number>();
  readonly #buffer: { readonly sequence: number; readonly bytes: Uint8Array }[] = [];
  #sequence = 1;
  #taken = 0;
  #deferring = false;
  #retryAtMs = Number.POSITIVE_INFINITY;
  #replayAtMs = Number.POSITIVE_INFINITY;
  #acknowledged = 0;
  #pingAtMs = 0;

  constructor(world: RoomWorld, identity: string, id: number) {
    this.#world = world;
    this.identity = identity;
    this.client = new Client(world.worker, id);
    this.client.peer.openChannel({ label: "_reliable", ordered: true, maxRetransmits: undefined });
  }

  enter(): void {
    const result = this.#connect({ publisherOffer: this.#offer(), resume: undefined });
    assert.ok("participant" in result);
  }

  /** Sends the number, to everybody or to these. */
  send(number: number, bytes = 0, to: string[] = []): void {
    const payload = new Uint8Array(4 + bytes);
    new DataView(payload.buffer).setUint32(0, number);
    const sequence = this.#sequence++;
    const value = { case: "user" as const, value: new UserPacket({ payload }) };
    const packet = new DataPacket({ sequence, destinationIdentities: to, participantIdentity: "somebody else", value });
    const message = { sequence, bytes: packet.toBinary() };
    this.#buffer.push(message);
    if (!this.#deferring) this.client.sendData("_reliable", message.bytes);
  }

  request(message: Exclude<SignalRequest["message"], { case: undefined }>): void {
    if (this.signal !== "up") return;
    this.#world.room.handleRequest(this.sid, this.connection, new SignalRequest({ message }), this.#world.nowMs);
    this.#world.perform();
  }

  /** The socket breaks, and both sides see it. */
  cutSignal(): void {
    const { connection } = this;
    this.signalEnded();
    this.#world.room.handleSignalClosed(this.sid, connection, this.#world.nowMs);
    this.#world.perform();
  }

  /** The socket is gone; the client sees it, the server does not. */
  loseSignal(): void {
    this.signalEnded();
  }

  /** The lid is closed: nothing goes in or out, and nobody is told. */
  suspend(): void {
    this.suspended = true;
    this.signal = "dead";
    this.#world.unreachable.add(this.client.host);
  }

  wake(): void {
    this.suspended = false;
    this.#world.unreachable.delete(this.client.host);
    this.signalEnded();
  }

  signalEnded(): void {
    this.signal = "down";
    this.connection = 0;
    this.#deferring = true;
    this.#replayAtMs = Number.POSITIVE_INFINITY;
    this.#retryAtMs = this.#world.nowMs + RETRY_MS;
  }

  receive({ message }: SignalResponse): void {
    if (message.case === "join") {
      for (const info of message.value.otherParticipants) this.others.set(info.sid, info);
    } else if (message.case === "update") {
      for (const info of message.value.participants) this.#learn(info);
    } else if (message.case === "answer") this.#answered(message.value.sdp);
    else if (message.case === "reconnect") {
      this.#acknowledged = message.value.lastMessageSeq;
      this.#replayAtMs = this.#world.nowMs + TRUST_MS;
    } else if (message.case === "leave" && message.value.action !== LeaveRequest_Action.RESUME) this.restarts++;
  }

  /** What a client does by itself. */
  live(): void {
    const { nowMs } = this.#world;
    this.#read();
    if (this.suspended) return;
    if (nowMs >= this.#retryAtMs) this.#resume();
    if (nowMs >= this.#replayAtMs && this.client.peer.connected) this.#goOn();
    if (nowMs >= this.#pingAtMs) {
      this.#pingAtMs = nowMs + PING_EVERY_MS;
      this.request({ case: "pingReq", value: new Ping() });
    }
  }

  #resume(): void {
    this.#retryAtMs = Number.POSITIVE_INFINITY;
    const result = this.#connect({
      publisherOffer: undefined,
      resume: { participantSid: this.sid, reason: undefined },
    });
    if (!("participant" in result)) {
      this.restarts++;
      this.signal = "down";
      this.connection = 0;
      return;
    }
    if (this.connection === 0) return;
    this.resumes++;
    const datachannelReceiveStates = [...this.#lastSequence].map(
      ([publisherSid, lastSeq]) => new DataChannelReceiveState({ publisherSid, lastSeq }),
    );
    this.request({ case: "syncState", value: new SyncState({ datachannelReceiveStates }) });
    this.client.restartIce();
    this.request({ case: "offer", value: this.#offer() });
  }

  #goOn(): void {
    if (this.replacesChannel) {
      this.replacesChannel = false;
      this.client.replaceChannel("_reliable");
    }
    if (this.client.isOpen("_reliable")) this.#replay();
  }

  /** Everything that the server has not had, then whatever was written meanwhile. */
  #replay(): void {
    this.#replayAtMs = Number.POSITIVE_INFINITY;
    while (this.#buffer.length > 0 && this.#buffer[0]!.sequence <= this.#acknowledged) this.#buffer.shift();
    for (const { bytes } of this.#buffer) this.client.sendData("_reliable", bytes);
    this.#deferring = false;
  }

  #read(): void {
    for (; this.#taken < this.client.messages.length; this.#taken++) {
      const { label, bytes } = this.client.messages[this.#taken]!;
      if (label !== "_reliable") continue;
      const packet = DataPacket.fromBinary(bytes);
      assert.ok(packet.value.case === "user");
      if (packet.sequence <= (this.#lastSequence.get(packet.participantSid) ?? 0)) {
        this.duplicates++;
        continue;
      }
      const { payload } = packet.value.value;
      const numbers = this.received.get(packet.participantIdentity) ?? [];
      this.received.set(packet.participantIdentity, numbers);
      numbers.push(new DataView(payload.buffer, payload.byteOffset).getUint32(0));
      this.#lastSequence.set(packet.participantSid, packet.sequence);
    }
  }

  #learn(info: ParticipantInfo): void {
    if (info.sid === this.sid) return;
    const known = this.others.get(info.sid);
    if (info.state === ParticipantInfo_State.DISCONNECTED) {
      if (this.others.delete(info.sid)) this.sawLeave.push(info.identity);
    } else if (!known || info.version >= known.version) this.others.set(info.sid, info);
  }

  #connect(how: Pick<JoinInput, "publisherOffer" | "resume">) {
    const { room, nowMs } = this.#world;
    this.connection = this.#world.nextConnection++;
    this.signal = "up";
    const result = room.join(
      {
        connection: this.connection,
        claims: { ...CLAIMS, identity: this.identity },
        client: new ClientInfo({ sdk: ClientInfo_SDK.JS, version: "2.23.0", protocol: 17 }),
        options: {
          peerConnections: "single",
          autoSubscribe: true,
          autoSubscribeDataTrack: false,
          adaptiveStream: false,
          subscriberAllowPause: undefined,
        },
        addTracks: [],
        ...how,
      },
      nowMs,
    );
    if ("participant" in result) this.sid = result.participant;
    this.#world.perform();
    return result;
  }

  #offer(): SessionDescription {
    const { ufrag, pwd, fingerprints } = this.client.description("server");
    const lines = [
      "v=0",
      "o=- 1 1 IN IP4 127.0.0.1",
      "s=-",
      "t=0 0",
      "a=group:BUNDLE 0",
      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
      "c=IN IP4 0.0.0.0",
      `a=ice-ufrag:${ufrag}`,
      `a=ice-pwd:${pwd}`,
      `a=fingerprint:sha-256 ${fingerprints[0]}`,
      "a=setup:actpass",
      "a=mid:0",
      "a=sctp-port:5000",
      "a=max-message-size:65536",
      "",
    ];
    return new SessionDescription({ type: "offer", sdp: lines.join("\r\n"), id: 1 });
  }

  #answered(sdp: string): void {
    const value = (name: string): string => new RegExp(`^a=${name}:(.*)$`, "m").exec(sdp)![1]!.trim();
    const remote: RemoteTransport = {
      ufrag: value("ice-ufrag"),
      pwd: value("ice-pwd"),
      fingerprints: [this.#world.worker.fingerprint],
      dtlsRole: value("setup") === "passive" ? "client" : "server",
      sctp: { port: 5000, maxMessageSize: 65_536 },
    };
    if (this.client.remote) this.client.follow(remote);
    else this.client.start(remote);
  }
}
