/** The log that a configuration asks for. */
import { createLog, type LeveledLog } from "@stoa/io/log";
import type { Config } from "./config/schema.ts";

/** Lines for people unless `logging.json` is set. */
export function createServerLog({ logging }: Config, write: (line: string) => void): LeveledLog {
  const level = logging.level === "" ? "info" : logging.level;
  return createLog({ level, format: logging.json ? "json" : "plain", write });
}
