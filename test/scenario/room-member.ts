/**
 * A participant of a `RoomWorld` that comes back as livekit-client does: it resumes over a new signal connection, restarts ICE, and
 * sends again what the server has not had of its reliable messages. It has one peer connection or two, for data.
 */
import assert from "node:assert/strict";
import {
  DataChannelReceiveState,
  DataPacket,
  LeaveRequest_Action,
  ParticipantInfo_State,
  Ping,
  SessionDescription,
  SignalRequest,
  SyncState,
  UserPacket,
  type ParticipantInfo,
  type SignalResponse,
} from "@livekit/protocol";
import type { JoinInput } from "@stoa/core/room/options";
import type { Room } from "@stoa/core/room/room";
import { joinInput } from "./member-join.ts";
import { describe, remoteIn, valueIn } from "./member-sdp.ts";
import { Client } from "./worker-client.ts";
import type { World } from "./worker-world.ts";

const PING_EVERY_MS = 5000;
/** A client waits before it tries to come back, and before it trusts a restarted connection. */
const RETRY_MS = 300;
const TRUST_MS = 500;

/** What a member needs of its world. */
export interface Surroundings {
  readonly worker: World;
  readonly room: Room;
  readonly unreachable: Set<string>;
  readonly nowMs: number;
  nextConnection: number;
  nextClient: number;
  perform(): void;
}

/** A participant with its client. */
export class Member {
  readonly identity: string;
  readonly mode: "single" | "dual";
  /** The end on which it offers and sends, and the one on which it receives; one and the same in single mode. */
  readonly up: Client;
  readonly down: Client;
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
  /** How far its reliable data has come, as it was told when it came back. */
  acknowledged = 0;
  readonly others = new Map<string, ParticipantInfo>();
  /** Identities that it saw leave, and such that it saw come back under another sid. */
  readonly sawLeave: string[] = [];
  /** Numbers that came, by identity of their sender, as they came. */
  readonly received = new Map<string, number[]>();
  readonly #world: Surroundings;
  readonly #lastSequence = new Map<string, number>();
  readonly #buffer: { readonly sequence: number; readonly bytes: Uint8Array }[] = [];
  #sequence = 1;
  #taken = 0;
  #deferring = false;
  #retryAtMs = Number.POSITIVE_INFINITY;
  #replayAtMs = Number.POSITIVE_INFINITY;
  #pingAtMs = 0;

  constructor(world: Surroundings, identity: string, mode: "single" | "dual") {
    this.#world = world;
    this.identity = identity;
    this.mode = mode;
    this.up = new Client(world.worker, world.nextClient++);
    this.down = mode === "single" ? this.up : new Client(world.worker, world.nextClient++);
    this.up.peer.openChannel({ label: "_reliable", ordered: true, maxRetransmits: undefined });
  }

  enter(): void {
    const publisherOffer = this.mode === "single" ? this.#offer() : undefined;
    assert.ok("participant" in this.#connect({ publisherOffer, resume: undefined }));
    if (!publisherOffer) this.request({ case: "offer", value: this.#offer() });
  }

  /** Whether data can go both ways. */
  get isOpen(): boolean {
    return this.up.isOpen("_reliable") && this.down.isOpen("_reliable");
  }

  /** No datagram goes in or out, or they do again. */
  block(blocked: boolean): void {
    for (const { host } of [this.up, this.down]) {
      if (blocked) this.#world.unreachable.add(host);
      else this.#world.unreachable.delete(host);
    }
  }

  /** Another network, with addresses of its own. */
  move(network: number): void {
    const { unreachable } = this.#world;
    for (const client of new Set([this.up, this.down])) {
      const blocked = unreachable.delete(client.host);
      client.move(`10.8.${client.id}.${network}`, 4000);
      if (blocked) unreachable.add(client.host);
    }
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
    if (!this.#deferring) this.up.sendData("_reliable", message.bytes);
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
    this.block(true);
  }

  wake(): void {
    this.suspended = false;
    this.block(false);
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
    } else if (message.case === "answer") this.#follow(this.up, message.value.sdp);
    else if (message.case === "offer") this.#answer(message.value);
    else if (message.case === "reconnect") {
      this.acknowledged = message.value.lastMessageSeq;
      this.#replayAtMs = this.#world.nowMs + TRUST_MS;
    } else if (message.case === "leave" && message.value.action !== LeaveRequest_Action.RESUME) this.restarts++;
  }

  /** What a client does by itself. */
  live(): void {
    const { nowMs } = this.#world;
    this.#read();
    if (this.suspended) return;
    if (nowMs >= this.#retryAtMs) this.#resume();
    if (nowMs >= this.#replayAtMs && this.up.peer.connected && this.down.peer.connected) this.#goOn();
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
    this.up.restartIce();
    this.request({ case: "offer", value: this.#offer() });
  }

  #goOn(): void {
    if (this.replacesChannel) {
      this.replacesChannel = false;
      this.up.replaceChannel("_reliable");
    }
    if (this.isOpen) this.#replay();
  }

  /** Everything that the server has not had, then whatever was written meanwhile. */
  #replay(): void {
    this.#replayAtMs = Number.POSITIVE_INFINITY;
    while (this.#buffer.length > 0 && this.#buffer[0]!.sequence <= this.acknowledged) this.#buffer.shift();
    for (const { bytes } of this.#buffer) this.up.sendData("_reliable", bytes);
    this.#deferring = false;
  }

  #read(): void {
    for (; this.#taken < this.down.messages.length; this.#taken++) {
      const { label, bytes } = this.down.messages[this.#taken]!;
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
    const result = room.join({ ...joinInput(this.identity, this.mode), connection: this.connection, ...how }, nowMs);
    if ("participant" in result) this.sid = result.participant;
    this.#world.perform();
    return result;
  }

  #offer(): SessionDescription {
    return new SessionDescription({ type: "offer", sdp: describe(this.up, "actpass", "0"), id: 1 });
  }

  /** Dual mode: the server offers what it sends on; with other credentials it restarts ICE. */
  #answer({ sdp: offer, id }: SessionDescription): void {
    if (this.down.remote && this.down.remote.ufrag !== valueIn(offer, "ice-ufrag")) this.down.restartIce();
    const sdp = describe(this.down, "active", valueIn(offer, "mid"));
    this.#follow(this.down, offer);
    this.#world.worker.clock.after(0, () => {
      this.request({ case: "answer", value: new SessionDescription({ type: "answer", sdp, id }) });
    });
  }

  #follow(client: Client, sdp: string): void {
    const remote = remoteIn(sdp, this.#world.worker.fingerprint);
    if (client.remote) client.follow(remote);
    else client.start(remote);
  }
}
