/**
 * The nonces of the last messages of a room: a message that is sent again with the same one is not delivered again
 * (livekit.md 2.2). Invariant: the oldest nonce is forgotten for a new one beyond a hundred.
 */

export const NONCE_BYTES = 16;
const MAX_NONCES = 100;

export class Nonces {
  readonly #known = new Set<string>();

  /** Notes it; false when it was there. A nonce of another length is none. */
  isNew(nonce: Uint8Array): boolean {
    if (nonce.length !== NONCE_BYTES) return true;
    const text = nonce.join(" ");
    if (this.#known.has(text)) return false;
    this.#known.add(text);
    if (this.#known.size > MAX_NONCES) this.#known.delete(this.#known.values().next().value!);
    return true;
  }
}
