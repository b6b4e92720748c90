/**
 * Loads the configuration again when one of its files changes, or on the signal for it. Invariant: the files that are
 * watched are those of the configuration that is in force; while the newest one is wrong, it is tried again and again, since
 * what mends it may be in a file that only it knows.
 */
import { stat, statSync, type Stats } from "node:fs";
import type { Log } from "@stoa/io/log";
import type { LoadedConfig } from "../config/load.ts";
import { isOperatorError } from "../errors.ts";

/** Files are looked at this often: also those that are replaced, or behind links, as in containers. */
const LOOK_EVERY_MS = 1000;

/** What is watched. */
export interface WatchOptions {
  /** Those of the configuration that is in force. */
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

/** Starts to watch. A configuration that is wrong is said in the log, once, and leaves everything as it is. */
export function watchConfig(options: WatchOptions): ConfigWatch {
  const watch = new Watch(options);
  const timer = setInterval(() => watch.look(), LOOK_EVERY_MS);
  timer.unref();
  return { reload: () => watch.reload(), stop: () => clearInterval(timer) };
}

class Watch {
  readonly #options: WatchOptions;
  /** Stamp by file. */
  #seen: Map<string, string>;
  /** What is wrong with the newest configuration, as the log was told; undefined: it is in force. */
  #mistake: string | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#seen = stampsOf(options.files);
  }

  look(): void {
    if (this.#mistake !== undefined) {
      this.#load(false);
      return;
    }
    for (const [file, before] of this.#seen) {
      stat(file, (_, stats) => {
        const now = stampOf(stats);
        if (now === before || now === "" || this.#seen.get(file) !== before) return; // one that is gone is about to come back
        this.#seen.set(file, now);
        this.#load(true);
      });
    }
  }

  reload(): void {
    this.#load(true);
  }

  /** `asked`: a mistake is said even if it is the one that was said before. */
  #load(asked: boolean): void {
    const { load, apply, log } = this.#options;
    const before = stampsOf([...this.#seen.keys()]); // what changes while it is read is seen at the next look
    try {
      const next = load();
      apply(next);
      this.#seen = new Map([...stampsOf(next.files)].map(([file, now]) => [file, before.get(file) ?? now]));
      this.#mistake = undefined;
    } catch (error) {
      const reason = isOperatorError(error) ? error.message : "it could not be read";
      if (!asked && reason === this.#mistake) return;
      this.#mistake = reason;
      log.error(`the configuration is left as it was: ${reason}`, isOperatorError(error) ? {} : { error });
    }
  }
}

function stampsOf(files: readonly string[]): Map<string, string> {
  return new Map(files.map((file) => [file, stampOf(statSync(file, { throwIfNoEntry: false }))]));
}

/** Another file, or another content, has another stamp. */
function stampOf(stats: Stats | undefined): string {
  return stats ? `${stats.dev} ${stats.ino} ${stats.mtimeMs} ${stats.size}` : "";
}
