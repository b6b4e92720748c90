/**
 * The `webhook` section as the sender needs it, checked: every mistake is one sentence. URLs without `api_key`, or with a
 * key that nobody knows, are refused at the start as LiveKit does.
 */
import type { KeyPair } from "../auth/create.ts";
import type { KeyProvider } from "../auth/verify.ts";
import type { Config } from "../config/schema.ts";
import { operatorError } from "../errors.ts";
import { addressScope, literalAddress, mayReach, type TargetPolicy } from "./target.ts";

/** What the webhooks of a server do. */
export interface WebhookSettings {
  readonly urls: readonly URL[];
  readonly signer: KeyPair;
  /** Only these events, or all but those; the first wins. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly policy: TargetPolicy;
  readonly fullRoom: boolean;
  /** Events of one room that may wait, for how long, and deliveries at once; each per URL. */
  readonly maxDepth: number;
  readonly maxAgeMs: number;
  readonly workers: number;
}

/** Reads the settings; undefined when no URL is configured. Throws an operator error. */
export function readWebhookSettings(config: Config, keys: KeyProvider): WebhookSettings | undefined {
  const { webhook, room, development } = config;
  if (webhook.urls.length === 0) return undefined;
  if (webhook.api_key === "") throw mistake("api_key", 'is needed to sign events: name one of "keys"');
  const secret = keys.get(webhook.api_key);
  if (secret === undefined) throw mistake("api_key", `is "${webhook.api_key}", which is none of the API keys`);
  // Without the key, `--dev` may call this machine and its network: there a receiver runs on localhost.
  const allowed = webhook.allow_private_targets;
  const policy = { allowPrivate: allowed ?? development, allowLinkLocal: allowed ?? false };
  return {
    urls: webhook.urls.map((text) => readUrl(text, policy)),
    signer: { key: webhook.api_key, secret },
    include: webhook.filter_params.include_events,
    exclude: webhook.filter_params.exclude_events,
    policy,
    fullRoom: room.enable_full_room_in_webhooks,
    maxDepth: webhook.resource_url_notifier.max_depth || Number.POSITIVE_INFINITY,
    maxAgeMs: webhook.resource_url_notifier.max_age || Number.POSITIVE_INFINITY,
    workers: Math.max(1, webhook.url_notifier.num_workers),
  };
}

/** Whether the filters let an event through. */
export function isWanted({ include, exclude }: WebhookSettings, event: string): boolean {
  return include.length > 0 ? include.includes(event) : !exclude.includes(event);
}

function readUrl(text: string, policy: TargetPolicy): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw mistake("urls", `has "${text}", which is no http:// or https:// URL`);
  }
  const literal = literalAddress(url);
  if (literal !== undefined && !mayReach(literal, policy)) {
    const kind = addressScope(literal) === "private" ? "a private address" : "a link-local or reserved address";
    throw mistake("urls", `has ${url.host}, ${kind}: set "webhook.allow_private_targets: true" to allow it`);
  }
  return url;
}

function mistake(key: string, sentence: string): Error {
  return operatorError("bad_config", `"webhook.${key}" ${sentence}.`);
}
