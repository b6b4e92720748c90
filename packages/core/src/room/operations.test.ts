/** Steps of random lives of a room, for the property tests beside this file. */
import fc from "fast-check";

/** Who does what, to which of several things, and how long after the one before. */
export interface Operation<What extends string> {
  readonly who: number;
  readonly what: What;
  readonly choice: number;
  readonly waitMs: number;
}

/** One of `whats`, as often as it stands there. */
export function operation<What extends string>(
  whats: readonly What[],
  bounds: { readonly people: number; readonly choices: number; readonly waitsMs: readonly number[] },
): fc.Arbitrary<Operation<What>> {
  return fc.record({
    who: fc.nat(bounds.people - 1),
    what: fc.constantFrom(...whats),
    choice: fc.nat(bounds.choices - 1),
    waitMs: fc.constantFrom(...bounds.waitsMs),
  });
}
