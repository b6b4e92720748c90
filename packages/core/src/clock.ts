/**
 * Time in `core` is always an argument called `nowMs`: milliseconds of the Unix epoch with a fraction,
 * monotonic within a process (Node: `performance.timeOrigin + performance.now()`), a virtual clock in tests.
 * A deadline is such a number too; `NEVER` stands for none.
 */
export const NEVER = Number.POSITIVE_INFINITY;

/** The earlier of two deadlines. */
export function earlier(aMs: number, bMs: number): number {
  return aMs < bMs ? aMs : bMs;
}
