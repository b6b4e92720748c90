/** Command lines of the benchmarks: options with a value or a flag, `--help` from one text. */
import { parseArgs } from "node:util";

/** What may stand on the command line: "string" takes a value. */
export type OptionTypes = Readonly<Record<string, "string" | "boolean">>;

/** The options given. `--help` and mistakes print `help` and end the process. */
export function readArguments(help: string, types: OptionTypes): Record<string, string | undefined> {
  const options: Record<string, { type: "string" | "boolean" }> = { help: { type: "boolean" } };
  for (const [name, type] of Object.entries(types)) options[name] = { type };
  let values: Record<string, unknown>;
  try {
    values = parseArgs({ options, strict: true }).values as Record<string, unknown>;
  } catch (error) {
    fail(`${(error as Error).message}\n\n${help}`);
  }
  if (values.help) {
    console.log(help);
    process.exit(0);
  }
  const given: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(values)) given[name] = String(value);
  return given;
}

/** A whole number of at least `least`, or the default. */
export function readCount(name: string, text: string | undefined, preset: number, least = 1): number {
  const value = text === undefined ? preset : Number(text);
  if (!Number.isInteger(value) || value < least)
    fail(`--${name} must be a whole number of at least ${least}, not "${text}"`);
  return value;
}

/** Whole numbers of at least `least` with commas between them. */
export function readCounts(name: string, text: string, least = 1): number[] {
  return text.split(",").map((part) => readCount(name, part.trim(), 0, least));
}

/** Ends the process with one sentence. */
export function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
