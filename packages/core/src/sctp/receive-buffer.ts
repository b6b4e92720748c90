/** The memory that received data may hold in one association, and the window that the peer is told. */

/** Counts bytes in fragments, in messages out of order, and in messages that nobody polled yet. */
export class ReceiveBuffer {
  readonly #limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  add(bytes: number): void {
    this.#usedBytes += bytes;
  }

  remove(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  /** Bytes that are still free: the advertised window. */
  get windowBytes(): number {
    return Math.max(0, this.#limitBytes - this.#usedBytes);
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  /**
   * Whether `bytes` may be stored. What fills a gap may overdraw: it was inside the window when the peer sent it, and
   * refusing it could leave a full buffer waiting for it for ever. Twice the limit is the wall for strangers.
   */
  accepts(bytes: number, fillsGap: boolean): boolean {
    return this.#usedBytes + bytes <= (fillsGap ? 2 * this.#limitBytes : this.#limitBytes);
  }
}
