/**
 * The kinds of value that a configuration key may have. Each is a zod schema over `PlainScalar`s and quoted strings whose
 * message completes the sentence "`key` …". Durations come out in milliseconds.
 */
import { z } from "zod";
import { describeValue, parseBoolean, parseDurationMs, parseInteger, parseNumber, PlainScalar } from "./scalar.ts";

/** What a leaf takes, for the flags and variables that are derived from the schema. */
export type LeafKind = "boolean" | "integer" | "number" | "text" | "duration";

const kinds = new WeakMap<z.ZodType, LeafKind>();
const pendingSchemas = new WeakSet<z.ZodType>();

/** The kind of a scalar schema, or undefined for a list, a map or a section. */
export function leafKind(schema: z.ZodType): LeafKind | undefined {
  return kinds.get(schema);
}

/** Marks a key, or a whole section, whose feature is not there yet: accepted, and named in one warning when it is set. */
export function pending<S extends z.ZodType>(schema: S): S {
  pendingSchemas.add(schema);
  return schema;
}

/** Whether `pending` marked this schema. */
export function isPending(schema: z.ZodType): boolean {
  return pendingSchemas.has(schema);
}

function leaf<T>(kind: LeafKind, wants: string, read: (text: string, quoted: boolean) => T | undefined) {
  const schema = z.unknown().transform((value, context): T => {
    const plain = value instanceof PlainScalar;
    const result = plain || typeof value === "string" ? read(plain ? value.source : value, !plain) : undefined;
    if (result === undefined) {
      const message = value === undefined ? "is missing" : `must be ${wants}, not ${describeValue(value)}`;
      context.issues.push({ code: "custom", message, input: value });
      return z.NEVER;
    }
    return result;
  });
  kinds.set(schema, kind);
  return schema;
}

/** A whole number in a range. */
export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  const range = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
  return leaf("integer", `a whole number ${range}`, (text, quoted) => {
    const value = quoted ? undefined : parseInteger(text);
    return value !== undefined && value >= least && value <= most ? value : undefined;
  });
}

/** Any number. */
export function decimal() {
  return leaf("number", "a number", (text, quoted) => (quoted ? undefined : parseNumber(text)));
}

/** true or false. */
export function flag() {
  return leaf("boolean", "true or false", (text, quoted) => (quoted ? undefined : parseBoolean(text)));
}

/** Text; a number without quotes is taken as it is written. */
export function text() {
  return leaf("text", "text", (value) => value);
}

/** One of a few words. */
export function word<const W extends readonly [string, ...string[]]>(...words: W) {
  return leaf<W[number]>("text", `one of ${words.filter(Boolean).join(", ")}`, (value) =>
    (words as readonly string[]).includes(value.toLowerCase()) ? (value.toLowerCase() as W[number]) : undefined,
  );
}

/** A duration such as "500ms" or "1h10m", in milliseconds. */
export function duration() {
  return leaf("duration", 'a duration with a unit, such as "500ms" or "5s"', (value) => parseDurationMs(value));
}

/** A TCP or UDP port; 0 where it switches something off. */
export function port(least: 0 | 1 = 0) {
  return whole(least, 65535);
}

/** One port, or the first and the last of a range. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** "7882" or "7882-7892". */
export function portRange() {
  return leaf<PortRange>("text", 'a port such as 7882 or a range such as "7882-7892"', (value) => {
    const match = /^\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?$/.exec(value);
    if (!match) return undefined;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (last > 65535 || (match[2] !== undefined && last <= first)) return undefined;
    return { first, last };
  });
}

/** A list of texts. */
export function textList() {
  return z.array(text());
}

/** A mapping that knows all of its keys. */
export function mapping<S extends z.ZodRawShape>(shape: S) {
  // a scalar is an object to zod too: it must not pass for a mapping without keys
  return z.preprocess((value) => (value instanceof PlainScalar ? value.source : value), z.strictObject(shape));
}

/** A section: a mapping that is empty when it is absent. */
export function section<S extends z.ZodRawShape>(shape: S) {
  return mapping(shape).prefault({});
}
