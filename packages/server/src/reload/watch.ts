/** Loads the configuration again when one of its files changes, or on the signal for it. */
import { stat, statSync, type Stats } from "node:fs";
import type { Log } from "@stoa/io/log";
import type { LoadedConfig } from "../config/load.ts";
import { isOperatorError } from "../errors.ts";

/** Files are looked at this often: also those that are replaced, or behind links, as in containers. */
const LOOK_EVERY_MS = 1000;

/** What is watched. */
export interface WatchOptions {
  readonly files: readonly string[];
  /** Reads everything anew; throws an operator error. */
  readonly load: () => LoadedConfig;
  readonly apply: (next: LoadedConfig) => void;
  readonly log: Log;
}

/** A watch that runs; `reload` may be called at any time. */
export interface ConfigWatch {
  reload(): void;
  stop(): void;
}

/** Starts to watch. A configuration that is wrong is said in the log and leaves everything as it is. */
export function watchConfig({ files, load, apply, log }: WatchOptions): ConfigWatch {
  const reload = () => {
    try {
      apply(load());
    } catch (error) {
      const reason = isOperatorError(error) ? error.message : "it could not be read";
      log.error(`the configuration is left as it was: ${reason}`, isOperatorError(error) ? {} : { error });
    }
  };
  const seen = new Map(files.map((file) => [file, stampOf(statSync(file, { throwIfNoEntry: false }))]));
  const look = () => {
    for (const [file, before] of seen) {
      stat(file, (_, stats) => {
        const now = stampOf(stats);
        if (now === before || now === "") return; // one that is gone is about to come back
        seen.set(file, now);
        reload();
      });
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return { reload, stop: () => clearInterval(timer) };
}

/** Another file, or another content, has another stamp. */
function stampOf(stats: Stats | undefined): string {
  return stats ? `${stats.dev} ${stats.ino} ${stats.mtimeMs} ${stats.size}` : "";
}
