/** Questions to the schema as data: which keys a section has, which scalars there are, which set keys are not acted on yet. */
import type { z } from "zod";
import { isPending, leafKind, type LeafKind } from "./leaves.ts";
import { configSchema } from "./schema.ts";
import { isSection, type ConfigTree } from "./yaml-source.ts";

type Shape = Readonly<Record<string, z.ZodType>>;

/** The schema below `.default()`, `.optional()`, `.prefault()` and the preprocessing of `mapping`. */
function bare(schema: z.ZodType): z.ZodType {
  let inner = schema;
  for (;;) {
    const def = inner.def as { type: string; innerType?: z.ZodType; out?: z.ZodType };
    const below = def.innerType ?? (def.type === "pipe" && def.out?.def.type === "object" ? def.out : undefined);
    if (!below) return inner;
    inner = below;
  }
}

function shapeOf(schema: z.ZodType): Shape | undefined {
  const inner = bare(schema);
  return inner.def.type === "object" ? (inner as z.ZodObject).shape : undefined;
}

/** The keys that the section at `path` knows; undefined when it takes any key, or is no section. List indices are skipped. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] | undefined {
  let schema: z.ZodType = configSchema;
  for (const step of path) {
    const inner = bare(schema);
    if (inner.def.type === "array") schema = (inner as z.ZodArray).element as z.ZodType;
    else if (inner.def.type === "record") schema = (inner as z.ZodRecord).valueType as z.ZodType;
    else {
      const next = shapeOf(inner)?.[String(step)];
      if (!next) return undefined;
      schema = next;
    }
  }
  const shape = shapeOf(schema);
  return shape && Object.keys(shape);
}

/** Whether this key, or a section above it, is of a feature that is not there yet. */
export function isPendingKey(path: readonly string[]): boolean {
  let shape: Shape | undefined = configSchema.shape;
  for (const step of path) {
    const schema: z.ZodType | undefined = shape?.[step];
    if (!schema) return false;
    if (isPending(schema)) return true;
    shape = shapeOf(schema);
  }
  return false;
}

/** One scalar key. */
export interface ScalarKey {
  readonly path: readonly string[];
  readonly kind: LeafKind;
}

/** Every scalar key in the order of the schema; what lists and maps hold is left out. */
export function scalarKeys(): ScalarKey[] {
  const found: ScalarKey[] = [];
  const visit = (shape: Shape, path: readonly string[]) => {
    for (const [key, schema] of Object.entries(shape)) {
      const at = [...path, key];
      const kind = leafKind(bare(schema));
      if (kind) found.push({ path: at, kind });
      const inner = shapeOf(schema);
      if (inner) visit(inner, at);
    }
  };
  visit(configSchema.shape, []);
  return found;
}

/**
 * The keys in `tree` that set a feature which is not there yet to something else than its default.
 * A section whose `enabled` is false asks for nothing.
 */
export function pendingKeys(tree: ConfigTree, config: unknown, defaults: unknown): string[] {
  const found: string[] = [];
  const visit = (shape: Shape, part: ConfigTree, value: unknown, standard: unknown, path: readonly string[]) => {
    if (!isSection(part)) return;
    for (const [key, schema] of Object.entries(shape)) {
      if (part[key] === undefined) continue;
      const own = (value as Record<string, unknown>)[key];
      const usual = (standard as Record<string, unknown> | undefined)?.[key];
      const inner = shapeOf(schema);
      if (!isPending(schema)) {
        if (inner) visit(inner, part[key], own, usual, [...path, key]);
      } else if (!isSwitchedOff(inner, own) && JSON.stringify(own) !== JSON.stringify(usual)) {
        found.push([...path, key].join("."));
      }
    }
  };
  visit(configSchema.shape, tree, config, defaults, []);
  return found;
}

/** `turn: { enabled: false, … }`; where the default is on, switching off is a wish too. */
function isSwitchedOff(shape: Shape | undefined, value: unknown): boolean {
  if (!shape?.["enabled"]) return false;
  const usual = bare(shape["enabled"]) === shape["enabled"] ? undefined : shape["enabled"].parse(undefined);
  return usual === false && (value as { enabled?: boolean }).enabled === false;
}
