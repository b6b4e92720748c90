/** The one clock of a process: see `core/clock.ts` for what `nowMs` means. */

/** Milliseconds of the Unix epoch with a fraction; never steps back within a process. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
