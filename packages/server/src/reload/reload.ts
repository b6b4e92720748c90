/**
 * Takes a new configuration over while the server runs: keys, limits, webhooks, the log level and the defaults of new
 * rooms. Nobody is dropped. Invariant: all of it, or, when something is wrong with it, nothing.
 */
import type { LeveledLog, Log } from "@stoa/io/log";
import type { LoadedConfig } from "../config/load.ts";
import type { ServerParts } from "../preset.ts";
import { readWebhookSettings } from "../webhook/settings.ts";
import { changedKeys, fateOf, takeOver } from "./changes.ts";

/** What came of it. */
export interface Reloaded {
  /** Keys whose new values are in force. */
  readonly applied: readonly string[];
  /** Keys whose new values wait for the next start. */
  readonly waiting: readonly string[];
  /** Keys of features that are not there. */
  readonly ineffective: readonly string[];
}

/** Throws an operator error, and changes nothing, for what the new configuration cannot mean. */
export function reload(parts: ServerParts, current: LoadedConfig, next: LoadedConfig, log: Log): Reloaded {
  const webhooks = readWebhookSettings(next.config, next.keys);
  // a secret is no key of the configuration when it comes from a file or a variable
  const keys = changedKeys(Object.fromEntries(parts.keys), Object.fromEntries(next.keys)).map((key) => `keys.${key}`);
  const others = changedKeys(current.config, next.config).filter((key) => !key.startsWith("keys"));
  const changed = [...keys, ...others];
  takeOver(current.config, next.config);
  parts.keys.clear();
  for (const [key, secret] of next.keys) parts.keys.set(key, secret);
  if (keys.length > 0 || others.some((key) => key.startsWith("webhook") || key.startsWith("room"))) {
    parts.outside.webhooks.apply(webhooks);
  }
  parts.signal.limitMessages(current.config.limit.signal_message_size_limit);
  parts.agents.limitMessages(current.config.limit.agent_signal_message_size_limit);
  const { level } = current.config.logging;
  if (isLeveled(log) && level !== "") log.setLevel(level);
  const ofFate = (fate: keyof Reloaded) => changed.filter((key) => fateOf(key) === fate);
  const reloaded = { applied: ofFate("applied"), waiting: ofFate("waiting"), ineffective: ofFate("ineffective") };
  tell(reloaded, log);
  return reloaded;
}

function tell({ applied, waiting, ineffective }: Reloaded, log: Log): void {
  if (applied.length > 0) log.info("configuration reloaded", { changed: applied });
  else log.info("configuration reloaded: nothing changed that takes effect now");
  for (const key of waiting) log.warn(`"${key}" has changed; it takes effect when the server is started again`);
  for (const key of ineffective) log.warn(`"${key}" has changed; it is accepted but without effect in this version`);
}

function isLeveled(log: Log): log is LeveledLog {
  return "setLevel" in log;
}
