/**
 * Replay protection (RFC 3711 section 3.3.2): a ring of bits over the last indices, addressed by the low bits of the index.
 * `words` is a power of two, so that 65,536 is a multiple of the ring and a sequence number can stand for its index.
 */

/** Whether the index at distance `delta` from the highest one was not yet marked. `index`: its low bits suffice. */
export function isFresh(window: Int32Array, base: number, words: number, index: number, delta: number): boolean {
  if (delta > 0) return true;
  if (delta <= -(words << 5)) return false;
  return (window[base + ((index >>> 5) & (words - 1))]! & (1 << (index & 31))) === 0;
}

/** Marks the index; when it is ahead of the highest one (`delta` > 0) those in between become unmarked. */
export function markSeen(window: Int32Array, base: number, words: number, index: number, delta: number): void {
  if (delta >= words << 5) window.fill(0, base, base + words);
  else {
    for (let skipped = 1; skipped < delta; skipped++) {
      const old = index - skipped;
      window[base + ((old >>> 5) & (words - 1))]! &= ~(1 << (old & 31));
    }
  }
  window[base + ((index >>> 5) & (words - 1))]! |= 1 << (index & 31);
}
