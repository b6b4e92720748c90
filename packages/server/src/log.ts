/**
 * The log of the server: four levels, a sentence and fields. Text lines for people, JSON lines for machines, on standard
 * error. Invariant: a value that cannot be written never throws into the caller.
 */

/** Fields that belong to a line; short names, no secrets. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where the server writes what it does. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Levels, most talkative first. */
export type LogLevel = "debug" | "info" | "warn" | "error";

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** How lines look and where they go. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly json: boolean;
  readonly write: (line: string) => void;
  readonly nowMs: () => number;
}

/** A log that drops what is below its level. */
export function createLog({ level, json, write, nowMs }: LogOptions): Log {
  const line =
    (at: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (RANK[at] < RANK[level]) return;
      const time = new Date(nowMs()).toISOString();
      write(`${json ? jsonLine(time, at, message, fields) : textLine(time, at, message, fields)}\n`);
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}

/** A log for tests and for libraries that should be quiet. */
export const SILENT_LOG: Log = { debug() {}, info() {}, warn() {}, error() {} };

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  return stringify({ ts: time, level, msg: message, ...fields });
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const extra = Object.keys(fields).length === 0 ? "" : `  ${stringify(fields)}`;
  return `${time}  ${level.toUpperCase().padEnd(5)}  ${message}${extra}`;
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? inner.toString() : inner));
  } catch {
    return '"(not printable)"';
  }
}
