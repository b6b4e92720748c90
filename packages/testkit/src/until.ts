/** Waiting in interop tests: for a condition, with a deadline, never for a time. */

const STEP_MS = 50;

/** Resolves when `condition` is true; rejects after `timeoutMs` with what was waited for. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  what: string | (() => string),
): Promise<number> {
  const started = performance.now();
  for (;;) {
    if (await condition()) return performance.now() - started;
    if (performance.now() - started > timeoutMs) {
      throw new Error(`waited ${Math.round(timeoutMs / 1000)} s for ${typeof what === "string" ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}
