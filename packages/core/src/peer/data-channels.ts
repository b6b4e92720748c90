/**
 * The SCTP part of a peer: made when the description has one, started when DTLS is open. Channels that are asked for before wait here.
 */
import { NEVER } from "../clock.ts";
import type { DtlsRole, Random } from "../crypto.ts";
import type { ChannelSpec, RemoteTransport } from "../engine/specs.ts";
import type { DataTransport, DataTransportFactory, SendOutcome } from "./data-transport.ts";
import type { PeerEvent } from "./peer-event.ts";

/** Keeps a DTLS record in 1,200 bytes, with room for the longest overhead of our cipher suites. A multiple of 4. */
const SCTP_MTU = 1144;
/** Our SDP announces this port (RFC 8841). */
const SCTP_PORT = 5000;
/** Channels that are asked for before SCTP can be made. */
const MAX_PENDING_CHANNELS = 64;

/** See the file's head. */
export class DataChannels {
  readonly #factory: DataTransportFactory;
  readonly #random: Random;
  #transport: DataTransport | undefined;
  #connected = false;
  #pending: ChannelSpec[] = [];
  /** SCTP may have something to send that no input has brought out yet. */
  #due = false;

  constructor(factory: DataTransportFactory, random: Random) {
    this.#factory = factory;
    this.#random = random;
  }

  /** What the description says; only its first SCTP part counts. */
  setRemote(sctp: RemoteTransport["sctp"], role: DtlsRole): void {
    if (!sctp || this.#transport) return;
    this.#transport = this.#factory({
      random: this.#random,
      role,
      localPort: SCTP_PORT,
      remotePort: sctp.port,
      maxMessageSize: sctp.maxMessageSize,
      mtu: SCTP_MTU,
    });
    for (const spec of this.#pending) this.#transport.openChannel(spec);
    this.#pending = [];
  }

  /** DTLS is open. Later calls do nothing. */
  connect(nowMs: number): void {
    if (!this.#transport || this.#connected) return;
    this.#connected = true;
    this.#transport.connect(nowMs);
  }

  handlePacket(bytes: Uint8Array, nowMs: number): void {
    this.#transport?.handlePacket(bytes, nowMs);
  }

  pollPacket(nowMs: number): Uint8Array | undefined {
    this.#due = false;
    return this.#connected ? this.#transport?.pollPacket(nowMs) : undefined;
  }

  /** Stream id, or -1 as long as it cannot be known. */
  openChannel(spec: ChannelSpec): number {
    if (this.#transport) {
      this.#due = true;
      return this.#transport.openChannel(spec);
    }
    if (this.#pending.length < MAX_PENDING_CHANNELS) this.#pending.push(spec);
    return -1;
  }

  closeChannel(channel: number): void {
    this.#due = true;
    this.#transport?.closeChannel(channel);
  }

  send(channel: number, data: Uint8Array, binary: boolean, nowMs: number): SendOutcome {
    return this.#transport?.send(channel, data, binary, nowMs) ?? "closed";
  }

  bufferedAmount(channel: number): number {
    return this.#transport?.bufferedAmount(channel) ?? 0;
  }

  setLowWater(channel: number, bytes: number): void {
    this.#transport?.setLowWater(channel, bytes);
  }

  /** 0: `pollPacket` should be called at once. */
  nextTimeoutMs(): number {
    if (!this.#transport || !this.#connected) return NEVER;
    return this.#due ? 0 : this.#transport.nextTimeoutMs();
  }

  handleTimeout(nowMs: number): void {
    if (this.#transport && this.#connected && nowMs >= this.#transport.nextTimeoutMs()) {
      this.#transport.handleTimeout(nowMs);
    }
  }

  /** Messages are taken one by one, so that an owner that stops polling stops the sender. */
  pollEvent(): PeerEvent | undefined {
    for (;;) {
      const event = this.#transport?.pollEvent();
      if (!event) return undefined;
      // Taking a message opens the receive window, which the other side wants to know.
      if (event.type === "message") this.#due = true;
      if (event.type !== "connected" && event.type !== "closed") return event;
    }
  }

  /** Says goodbye with the packets that `pollPacket` gives now. */
  abort(): void {
    this.#pending = [];
    if (this.#connected) this.#transport?.abort("closed");
  }
}
