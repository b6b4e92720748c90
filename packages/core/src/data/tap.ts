/**
 * A copy for main of the data messages that are relayed, for a program that asked for them. Invariant: main is told a
 * bounded amount per second; what is beyond that is counted and reported, the relay itself goes on.
 */
import type { MediaEvent } from "../engine/events.ts";

const PACKETS_PER_SECOND = 5000;
const BYTES_PER_SECOND = 8 << 20;

export class DataTap {
  readonly #emit: (event: MediaEvent) => void;
  #secondEndsMs = 0;
  #packets = 0;
  #bytes = 0;
  #missed = 0;

  constructor(emit: (event: MediaEvent) => void) {
    this.#emit = emit;
  }

  /** One message as its recipients get it; the bytes are not changed afterwards. */
  take(participant: string, reliable: boolean, packet: Uint8Array, nowMs: number): void {
    if (nowMs >= this.#secondEndsMs) this.#beginSecond(nowMs);
    if (this.#packets >= PACKETS_PER_SECOND || this.#bytes + packet.length > BYTES_PER_SECOND) {
      this.#missed++;
      return;
    }
    this.#packets++;
    this.#bytes += packet.length;
    this.#emit({ type: "data", participant, reliable, packet });
  }

  #beginSecond(nowMs: number): void {
    this.#secondEndsMs = nowMs + 1000;
    this.#packets = 0;
    this.#bytes = 0;
    if (this.#missed === 0) return;
    const fields = { messages: this.#missed };
    this.#emit({ type: "log", level: "warn", message: "too much data for the onData hook; some was left out", fields });
    this.#missed = 0;
  }
}
