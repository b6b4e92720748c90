/**
 * The log: pino behind four methods, JSON lines for machines, plain lines on a terminal. Secrets never get into it:
 * fields whose name says so, and anything that looks like a signed token, are replaced.
 */
import { pino } from "pino";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** What the rest of the project knows of logging. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, unknown>>;

/** A log whose level can change. */
export interface LeveledLog extends Log {
  setLevel(level: LogLevel): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** "auto": plain on a terminal. */
  readonly format: "auto" | "json" | "plain";
  /** Where lines go; standard output by default. */
  readonly write?: (line: string) => void;
}

const SECRET_NAME = /secret|passw|pwd|token|authorization|credential|cookie|private|api_?key|^keys?$|keyder/i;
const SIGNED_TOKEN = /eyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g;
const REPLACEMENT = "***";
const MAX_DEPTH = 6;

/** Creates a log. */
export function createLog(options: LogOptions): LeveledLog {
  const write = options.write ?? ((line: string) => void process.stdout.write(line));
  const plain = options.format === "plain" || (options.format === "auto" && process.stdout.isTTY === true);
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => write(plain ? plainLine(line) : line) },
  );
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (!logger.isLevelEnabled(level)) return;
      logger[level](redactFields(fields), hideTokens(message));
    };
  const setLevel = (level: LogLevel) => void (logger.level = level);
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), setLevel };
}

/** The same log with fields that are added to every line. */
export function withFields(log: Log, fields: LogFields): Log {
  return {
    debug: (message, more) => log.debug(message, { ...fields, ...more }),
    info: (message, more) => log.info(message, { ...fields, ...more }),
    warn: (message, more) => log.warn(message, { ...fields, ...more }),
    error: (message, more) => log.error(message, { ...fields, ...more }),
  };
}

function redactFields(fields: LogFields): Record<string, unknown> {
  // pino's own names must not be overwritten by a field
  const { level, time, message, ...rest } = redact(fields, 0) as Record<string, unknown>;
  const renamed = { level_: level, time_: time, message_: message };
  for (const [name, value] of Object.entries(renamed)) if (value !== undefined) rest[name] = value;
  return rest;
}

function redact(value: unknown, depth: number): unknown {
  if (typeof value === "string") return hideTokens(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "…";
  if (value instanceof Error) return redactError(value, depth);
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  if (value instanceof Map) return redact(Object.fromEntries(value), depth);
  const entries = Object.entries(value).map(([name, item]) => {
    const hidden = SECRET_NAME.test(name) && item !== undefined && item !== null && typeof item !== "boolean";
    return [name, hidden ? REPLACEMENT : redact(item, depth + 1)] as const;
  });
  return Object.fromEntries(entries);
}

function redactError(error: Error, depth: number): unknown {
  const { code } = error as Error & { code?: unknown };
  return redact({ type: error.name, code, text: error.message, stack: error.stack, cause: error.cause }, depth + 1);
}

function hideTokens(text: string): string {
  return text.includes("eyJ") ? text.replaceAll(SIGNED_TOKEN, REPLACEMENT) : text;
}

/** `12:03:04.567 WARN  message  room=lobby` */
function plainLine(json: string): string {
  const { level, time, message, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const tail = Object.entries(fields).map(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return ` ${name}=${/[\s"=]/.test(text) && typeof value === "string" ? JSON.stringify(text) : text}`;
  });
  return `${clock} ${String(level).toUpperCase().padEnd(5)} ${String(message)}${tail.join("")}\n`;
}
