/** Whether the peer is still there when nobody sends anything (RFC 9260 section 8.3). */
import { HEARTBEAT } from "@stoa/wire/sctp/chunk-types";
import { CHUNK_HEADER_BYTES } from "@stoa/wire/sctp/packet";
import type { Random } from "../crypto.ts";
import { opaqueChunk } from "./control-chunks.ts";
import { HEARTBEAT_INTERVAL_MS } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { Rto } from "./rto.ts";

/** Type 1 and length of the heartbeat info, then what comes back unchanged. */
const INFO_BYTES = 12;
const PARAM_HEARTBEAT_INFO = 1;

/** Asks after a silence, and again until something is heard. */
export class Heartbeat {
  deadlineMs: number;
  /** Heartbeats in a row without a sign of life. */
  timeouts = 0;
  readonly #deps: { random: Random; rto: Rto; outbox: Outbox };
  #info: Uint8Array | undefined;
  #unanswered = false;
  #sentAtMs = 0;

  constructor(deps: { random: Random; rto: Rto; outbox: Outbox }, nowMs: number) {
    this.#deps = deps;
    this.deadlineMs = nowMs + HEARTBEAT_INTERVAL_MS;
  }

  /** A packet of the peer: it lives. */
  heard(nowMs: number): void {
    this.timeouts = 0;
    this.#unanswered = false;
    this.deadlineMs = nowMs + HEARTBEAT_INTERVAL_MS;
  }

  /** HEARTBEAT ACK between `at` and `end`: a round trip time, if it answers the last one. */
  handleAck(bytes: Uint8Array, at: number, end: number, nowMs: number): void {
    const info = this.#info;
    if (!info || end - at !== CHUNK_HEADER_BYTES + INFO_BYTES) return;
    for (let i = 0; i < INFO_BYTES; i++) if (bytes[at + CHUNK_HEADER_BYTES + i] !== info[i]) return;
    this.#info = undefined;
    this.#deps.rto.sample(nowMs - this.#sentAtMs);
  }

  handleTimeout(nowMs: number): void {
    if (nowMs < this.deadlineMs) return;
    if (this.#unanswered) {
      this.timeouts++;
      this.#deps.rto.backOff();
    }
    const info = new Uint8Array(INFO_BYTES);
    info[1] = PARAM_HEARTBEAT_INFO;
    info[3] = INFO_BYTES;
    info.set(this.#deps.random.bytes(INFO_BYTES - 4), 4);
    this.#info = info;
    this.#unanswered = true;
    this.#sentAtMs = nowMs;
    this.#deps.outbox.bundle(opaqueChunk(HEARTBEAT, info));
    this.deadlineMs = nowMs + this.#deps.rto.valueMs;
  }
}
