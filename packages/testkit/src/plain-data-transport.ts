/**
 * A `DataTransport` that is not SCTP: every message is one packet, nothing is repeated. For scenario tests of what is around SCTP.
 * Packets: [0] hello, [1, channel, label…] open, [2, channel, binary, data…] message, [3, channel] close, [4] abort.
 */
import type { ChannelSpec } from "@stoa/core/engine/specs";
import type {
  DataTransport,
  DataTransportEvent,
  DataTransportOptions,
  SendOutcome,
} from "@stoa/core/peer/data-transport";

const MAX_QUEUED = 1000;

/** See the file's head. */
export class PlainDataTransport implements DataTransport {
  readonly options: DataTransportOptions;
  #out: Uint8Array[] = [];
  readonly #events: DataTransportEvent[] = [];
  #nextChannel: number;
  #state: "new" | "connecting" | "up" | "closed" = "new";
  #helloMs = Number.POSITIVE_INFINITY;

  constructor(options: DataTransportOptions) {
    this.options = options;
    this.#nextChannel = options.role === "client" ? 0 : 1;
  }

  connect(nowMs: number): void {
    this.#state = "connecting";
    this.#hello(nowMs);
  }

  handlePacket(bytes: Uint8Array): void {
    const [type, channel = 0, binary] = bytes;
    if (this.#state === "closed") return;
    if (type === 0 && this.#state === "connecting") {
      this.#out.push(Uint8Array.of(0));
      this.#state = "up";
      this.#helloMs = Number.POSITIVE_INFINITY;
      this.#events.push({ type: "connected" });
    } else if (type === 1) {
      const label = Buffer.from(bytes.subarray(2)).toString();
      this.#events.push({ type: "channelOpen", channel, label, ordered: true, maxRetransmits: undefined });
    } else if (type === 2) {
      this.#events.push({ type: "message", channel, data: bytes.slice(3), binary: binary === 1 });
    } else if (type === 3) {
      this.#events.push({ type: "channelClosed", channel });
    } else if (type === 4) {
      this.#state = "closed";
      this.#events.push({ type: "closed", reason: "aborted" });
    }
  }

  pollPacket(): Uint8Array | undefined {
    return this.#out.shift();
  }

  openChannel(spec: ChannelSpec): number {
    const channel = this.#nextChannel;
    this.#nextChannel += 2;
    this.#out.push(Uint8Array.of(1, channel, ...Buffer.from(spec.label)));
    this.#events.push({ type: "channelOpen", channel, ...spec });
    return channel;
  }

  closeChannel(channel: number): void {
    this.#out.push(Uint8Array.of(3, channel));
    this.#events.push({ type: "channelClosed", channel });
  }

  send(channel: number, data: Uint8Array, binary: boolean): SendOutcome {
    if (this.#state === "closed") return "closed";
    if (this.#out.length >= MAX_QUEUED) return "full";
    this.#out.push(Uint8Array.of(2, channel, binary ? 1 : 0, ...data));
    return "queued";
  }

  bufferedAmount(): number {
    return this.#out.reduce((sum, packet) => sum + packet.length, 0);
  }

  setLowWater(): void {}

  nextTimeoutMs(): number {
    return this.#helloMs;
  }

  handleTimeout(nowMs: number): void {
    if (this.#state === "connecting") this.#hello(nowMs);
  }

  pollEvent(): DataTransportEvent | undefined {
    return this.#events.shift();
  }

  abort(): void {
    this.#state = "closed";
    this.#helloMs = Number.POSITIVE_INFINITY;
    this.#out = [Uint8Array.of(4)];
  }

  #hello(nowMs: number): void {
    this.#out.push(Uint8Array.of(0));
    this.#helloMs = nowMs + 200;
  }
}
