/**
 * The bounded input of the compatible sender: 128 payloads that were not taken yet, then a producer waits for its turn.
 * Invariant: payloads come out in the order in which they were given in, those of waiting producers included.
 */
import { StoaError } from "../../errors.ts";
import { Fifo } from "../../sctp/fifo.ts";

/** Payloads that fit in. */
const CAPACITY = 128;

interface Producer {
  readonly payload: Uint8Array;
  readonly taken: () => void;
  readonly failed: (error: StoaError) => void;
}

export class SenderInput {
  readonly #payloads = new Fifo<Uint8Array>();
  /** At most one for each producer. */
  readonly #producers = new Fifo<Producer>();
  #state: "open" | "closed" | "ended" = "open";
  #onPayload: (() => void) | undefined;

  /** Resolves when the payload is in, which it is at once while there is room; rejects when the sender has ended. */
  send(payload: Uint8Array): Promise<void> {
    if (this.#state !== "open") return Promise.reject(closedError());
    if (this.#payloads.size < CAPACITY) {
      this.#put(payload);
      return Promise.resolve();
    }
    return new Promise((taken, failed) => this.#producers.push({ payload, taken, failed }));
  }

  /** False when there is no room, or no sender any more. */
  trySend(payload: Uint8Array): boolean {
    if (this.#state !== "open" || this.#payloads.size >= CAPACITY) return false;
    this.#put(payload);
    return true;
  }

  /** No more payloads come. What is in goes out; the sender goes on until it is told to end. */
  close(): void {
    if (this.#state === "open") this.#state = "closed";
  }

  /** For the sender: who wants to know that there is something. */
  onPayload(listener: () => void): void {
    this.#onPayload = listener;
  }

  /** For the sender: the next payload. */
  take(): Uint8Array | undefined {
    const payload = this.#payloads.shift();
    const producer = payload && this.#producers.shift();
    if (producer) {
      this.#payloads.push(producer.payload);
      producer.taken();
    }
    return payload;
  }

  /** For the sender: nobody takes any more. */
  end(): void {
    this.#state = "ended";
    this.#onPayload = undefined;
    while (this.#payloads.shift());
    for (let producer = this.#producers.shift(); producer; producer = this.#producers.shift())
      producer.failed(closedError());
  }

  #put(payload: Uint8Array): void {
    this.#payloads.push(payload);
    this.#onPayload?.();
  }
}

function closedError(): StoaError {
  return new StoaError("sender_closed", "the sender of this data channel has ended; make another one");
}
