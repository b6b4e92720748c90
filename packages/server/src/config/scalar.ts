/**
 * Plain YAML scalars as LiveKit reads them (YAML 1.2 core, with the 1.1 spellings that Go's yaml.v3 keeps: `yes`, `1_000`).
 * The source text stays, because the type that a key wants decides: an unquoted secret `1e10` is the text "1e10".
 */

/** A scalar without quotes: from YAML, from the environment, or from a command line flag. */
export class PlainScalar {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

const NULLS = new Set(["", "~", "null", "Null", "NULL"]);
const TRUES = new Set(["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"]);
const FALSES = new Set(["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"]);
const FLOAT = /^[-+]?(\.\d+|\d[\d_]*(\.[\d_]*)?)([eE][-+]?\d+)?$/;
const INTEGER = /^[-+]?(0x[\da-fA-F_]+|0o[0-7_]+|0b[01_]+|\d[\d_]*)$/;

/** Whether the text stands for "no value". */
export function isNullText(text: string): boolean {
  return NULLS.has(text);
}

/** A boolean, or undefined. */
export function parseBoolean(text: string): boolean | undefined {
  if (TRUES.has(text)) return true;
  return FALSES.has(text) ? false : undefined;
}

/** A whole number that fits a double exactly, or undefined. */
export function parseInteger(text: string): number | undefined {
  if (!INTEGER.test(text)) return undefined;
  const digits = text.replaceAll("_", "").replace(/^[-+]/, "");
  const value = Number(digits) * (text.startsWith("-") ? -1 : 1);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A number, or undefined. */
export function parseNumber(text: string): number | undefined {
  const integer = parseInteger(text);
  if (integer !== undefined) return integer;
  if (!FLOAT.test(text)) return undefined;
  const value = Number(text.replaceAll("_", ""));
  return Number.isFinite(value) ? value : undefined;
}

const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const DURATION = /^[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/;

/** A duration in Go's notation ("1h10m", "500ms", "0") in milliseconds, or undefined. */
export function parseDurationMs(text: string): number | undefined {
  if (text === "0") return 0;
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[-+]/, "");
  if (rest === "") return undefined;
  let totalMs = 0;
  while (rest !== "") {
    const part = DURATION.exec(rest);
    if (!part || /^[-+]/.test(rest)) return undefined;
    totalMs += Number(part[1]) * UNIT_MS[part[3]!]!;
    rest = rest.slice(part[0].length);
  }
  return totalMs * sign;
}

/** A value as a reader of the configuration would name it: `"abc"`, `a list`, `12`. */
export function describeValue(value: unknown): string {
  if (value instanceof PlainScalar) return isNullText(value.source) ? "nothing" : `"${clip(value.source)}"`;
  if (typeof value === "string") return `the text "${clip(value)}"`;
  if (Array.isArray(value)) return "a list";
  if (value === undefined || value === null) return "nothing";
  return "a section";
}

function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}
