/**
 * What a sender gave to its channel lately, in order, for the case that the channel is replaced by another and its receiver
 * can say what of it arrived. Invariant: bounded in bytes, and nothing in it is older than two generations.
 */
import { Fifo } from "../../sctp/fifo.ts";

/** A receiver knows for 30 s what it has received; within two of these it still does. */
const GENERATION_MS = 10_000;

export class RecentPayloads {
  readonly #maxBytes: number;
  #older = new Fifo<Uint8Array>();
  #newer = new Fifo<Uint8Array>();
  #bytes = 0;
  #turnsAtMs = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  note(payload: Uint8Array, nowMs: number): void {
    this.#turn(nowMs);
    this.#newer.push(payload);
    this.#bytes += payload.length;
    while (this.#bytes > this.#maxBytes) this.#bytes -= (this.#older.shift() ?? this.#newer.shift()!).length;
  }

  /** All of them, oldest first; none is left. */
  take(nowMs: number): Uint8Array[] {
    this.#turn(nowMs);
    const taken: Uint8Array[] = [];
    for (const payloads of [this.#older, this.#newer]) {
      for (let payload = payloads.shift(); payload; payload = payloads.shift()) taken.push(payload);
    }
    this.#bytes = 0;
    return taken;
  }

  #turn(nowMs: number): void {
    if (nowMs < this.#turnsAtMs) return;
    // After a long silence both are old.
    if (nowMs >= this.#turnsAtMs + GENERATION_MS) this.#drop(this.#newer);
    this.#drop(this.#older);
    [this.#older, this.#newer] = [this.#newer, this.#older];
    this.#turnsAtMs = nowMs + GENERATION_MS;
  }

  #drop(payloads: Fifo<Uint8Array>): void {
    for (let payload = payloads.shift(); payload; payload = payloads.shift()) this.#bytes -= payload.length;
  }
}
