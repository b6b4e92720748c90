/** The load of one run: a publisher and its subscribers in this process, over real signalling, ICE, DTLS and SRTP. */
import { RtcClient } from "@stoa/testkit/rtc-client/client";
import { RtcHost } from "@stoa/testkit/rtc-client/host";
import type { ReceivedStream } from "@stoa/testkit/rtc-client/received-stream";
import { type SentStream, stampUs } from "@stoa/testkit/rtc-client/sent-stream";
import { until } from "@stoa/testkit/until";
import { readInt32 } from "@stoa/wire/rtp/header";
import { socketDrops } from "../lib/process-usage.ts";
import type { Target } from "../lib/target.ts";
import { DelayHistogram } from "./delay-histogram.ts";

/** What is sent. */
export interface LoadShape {
  readonly kind: "audio" | "video";
  readonly packetsPerSecond: number;
  /** Packets of a frame, sent back to back. */
  readonly burst: number;
  /** Bytes of the RTP payload. */
  readonly payloadBytes: number;
}

/** Sums over all subscribers so far. */
export interface LoadCounts {
  readonly received: number;
  readonly expected: number;
  /** Of the missing ones: what the kernel dropped at our own socket. */
  readonly socketDrops: number;
  readonly unauthentic: number;
}

const JOINS_AT_ONCE = 16;
const REPORT_INTERVAL_MS = 1000;
const CLOCK_RATES = { audio: 48_000, video: 90_000 };
const FIRST_PACKET_TIMEOUT_MS = 20_000;

/** See the file's head. */
export class Load {
  readonly delays = new DelayHistogram();
  readonly #host = new RtcHost();
  readonly #target: Target;
  readonly #room = `fanout-${Date.now()}`;
  readonly #subscribers: RtcClient[] = [];
  #publisher: RtcClient | undefined;
  #stream: SentStream | undefined;
  #timers: NodeJS.Timeout[] = [];
  #nowUs = 0;
  #batchMs = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  /** Joins as the publisher and starts to send. */
  async publish(shape: LoadShape): Promise<void> {
    const token = this.#target.token("publisher", this.#room, { canSubscribe: false });
    this.#publisher = await RtcClient.join(this.#host, this.#target.url, token);
    this.#stream = await this.#publisher.publish(shape.kind);
    this.#pace(this.#stream, shape);
  }

  /** Joins with so many subscribers and waits until each has got a packet. */
  async subscribe(count: number, onProgress: (joined: number) => void): Promise<void> {
    let next = 0;
    const join = async (): Promise<void> => {
      while (next < count) {
        const token = this.#target.token(`subscriber-${next++}`, this.#room, { canPublish: false });
        const onRtp = (stream: ReceivedStream, at: number, length: number): void => {
          if (!stream.isRtx) this.#noteDelay(at, length);
        };
        const client = await RtcClient.join(this.#host, this.#target.url, token, onRtp);
        this.#subscribers.push(client);
        await until(
          () => !this.#check(client) && client.streams.some((stream) => !stream.isRtx),
          FIRST_PACKET_TIMEOUT_MS,
          "a first packet",
        );
        onProgress(this.#subscribers.length);
      }
    };
    await Promise.all(Array.from({ length: JOINS_AT_ONCE }, join));
    this.#report();
  }

  /** Throws when a client has lost its connection. */
  checkAll(): void {
    for (const client of [this.#publisher!, ...this.#subscribers]) this.#check(client);
  }

  counts(): LoadCounts {
    let received = 0;
    let expected = 0;
    for (const { streams } of this.#subscribers) {
      for (const stream of streams) {
        if (stream.isRtx) continue;
        received += stream.packets;
        expected += stream.expected;
      }
    }
    const { socket, unauthentic } = this.#host;
    return { received, expected, socketDrops: socketDrops(socket.port), unauthentic };
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
    for (const client of [...this.#subscribers, this.#publisher]) client?.close();
    this.#host.close();
  }

  /** False, or throws. */
  #check(client: RtcClient): false {
    if (client.ended) throw new Error(client.ended);
    return false;
  }

  #noteDelay(at: number, length: number): void {
    // All datagrams of one system call were there at the same time.
    if (this.#host.batchMs !== this.#batchMs) {
      this.#batchMs = this.#host.batchMs;
      this.#nowUs = stampUs();
    }
    this.delays.add((this.#nowUs - readInt32(this.#host.slab.u8, at + length - 4)) >>> 0);
  }

  #pace(stream: SentStream, { kind, packetsPerSecond, burst, payloadBytes }: LoadShape): void {
    const intervalMs = (1000 * burst) / packetsPerSecond;
    const ticks = Math.round((CLOCK_RATES[kind] * intervalMs) / 1000);
    let dueMs = performance.now();
    const turn = (): void => {
      while (dueMs <= performance.now()) {
        stream.sendFrame(burst, payloadBytes, ticks);
        dueMs += intervalMs;
      }
      this.#host.socket.flush();
      this.#timers[0] = setTimeout(turn, dueMs - performance.now());
    };
    turn();
  }

  /** Every subscriber reports once a second, spread over the second. */
  #report(): void {
    const slices = 50;
    let slice = 0;
    this.#timers[1] = setInterval(() => {
      slice = (slice + 1) % slices;
      for (let i = slice; i < this.#subscribers.length; i += slices) this.#subscribers[i]!.sendReceiverReport();
      this.#host.socket.flush();
    }, REPORT_INTERVAL_MS / slices);
  }
}
