/**
 * The loop of a media worker. One turn:
 *
 *   1. something comes in: a batch of datagrams, a command, or the timer;
 *   2. the engine handles it at one moment `nowMs`;
 *   3. a deadline that has passed is handled in the same turn, so that a flood of packets does not starve timers;
 *   4. `afterTurn` takes the engine's events;
 *   5. the sink is flushed;
 *   6. the one timer is armed for the engine's next deadline.
 */
import type { DatagramBatch, PacketSink } from "@stoa/core/paths";

/** What the loop needs of `core/engine`. */
export interface Engine {
  handleBatch(batch: DatagramBatch, nowMs: number): void;
  handleTimeout(nowMs: number): void;
  /** Next deadline; infinity for none. */
  nextTimeoutMs(): number;
}

export interface DriverOptions {
  readonly engine: Engine;
  readonly sink: PacketSink;
  readonly clock: () => number;
  /** Drains the engine's events. */
  readonly afterTurn: (nowMs: number) => void;
}

/** The longest delay of `setTimeout`. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Runs turns; owns the timer. */
export class Driver {
  readonly #engine: Engine;
  readonly #sink: PacketSink;
  readonly #clock: () => number;
  readonly #afterTurn: (nowMs: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;
  #open = true;

  constructor(options: DriverOptions) {
    this.#engine = options.engine;
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#afterTurn = options.afterTurn;
  }

  /** A turn for a batch; give it to `Network.onBatch`. */
  handleBatch(batch: DatagramBatch): void {
    if (!this.#open) return;
    const nowMs = this.#clock();
    this.#engine.handleBatch(batch, nowMs);
    this.#finish(nowMs);
  }

  /** A turn for anything else that touches the engine: a command. */
  perform(work: (nowMs: number) => void): void {
    if (!this.#open) return;
    const nowMs = this.#clock();
    work(nowMs);
    this.#finish(nowMs);
  }

  /** Stops the timer; later calls do nothing. */
  close(): void {
    this.#open = false;
    clearTimeout(this.#timer);
  }

  #finish(nowMs: number): void {
    if (this.#engine.nextTimeoutMs() <= nowMs) this.#engine.handleTimeout(nowMs);
    this.#afterTurn(nowMs);
    this.#sink.flush();
    this.#arm(nowMs);
  }

  #arm(nowMs: number): void {
    if (!this.#open) return;
    const deadlineMs = this.#engine.nextTimeoutMs();
    // A timer that fires too early costs one empty turn; setting it anew after every batch costs more.
    if (this.#timer && this.#armedForMs <= deadlineMs) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armedForMs = deadlineMs;
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(Math.ceil(deadlineMs - nowMs), 1), MAX_DELAY_MS);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#armedForMs = Number.POSITIVE_INFINITY;
      this.perform(() => {});
    }, delayMs);
  }
}
