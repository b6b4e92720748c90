/** The server as a library: configuration, tokens, start and stop. */
export { loadConfig, type LoadedConfig, type LoadInput } from "./config/load.ts";
export { DEV_KEY } from "./config/keys.ts";
export { derivedFlags, NAMED_FLAGS, type FlagSpec, type FlagValues } from "./config/flags.ts";
export { nearest } from "./config/nearest.ts";
export { planWorkers, type WorkerPorts } from "./config/ports.ts";
export { parseDurationMs } from "./config/scalar.ts";
export type { Config } from "./config/schema.ts";
export { createToken, dispatchAgent, tokenClaims, type KeyPair, type TokenOptions } from "./auth/create.ts";
export type { VideoGrant } from "./auth/claims.ts";
export { generateKeyPair } from "./auth/generate-keys.ts";
export { createServer, StoaServer, type ServerAddress, type ServerOptions } from "./main.ts";
export type {
  DataHookEvent,
  EventHooks,
  JoinAllowed,
  JoinAttempt,
  JoinDecision,
  JoinDenied,
  ParticipantHookEvent,
  ServerHooks,
} from "./embed/hooks.ts";
export type { Reloaded } from "./reload/reload.ts";
export { watchConfig, type ConfigWatch, type WatchOptions } from "./reload/watch.ts";
export { developmentBanner } from "./banner.ts";
export { createServerLog } from "./server-log.ts";
export { isOperatorError, whyUnread } from "./errors.ts";
export { LIVEKIT_VERSION, STOA_VERSION } from "./version.ts";
