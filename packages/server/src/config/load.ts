/**
 * The one way to a configuration: file or body, variables and flags laid over it, checked, keys read. Every mistake is one
 * sentence with its place (`bad_config`, `no_keys`, `key_file`); what is accepted but without effect is one warning.
 */
import { readFileSync, statSync } from "node:fs";
import { operatorError, whyUnread } from "../errors.ts";
import { isAddress, parseCidr } from "./address.ts";
import { describeOrigin, explainIssues } from "./explain.ts";
import { flagText, overlayFlags, type Environment, type FlagValues } from "./flags.ts";
import { DEV_KEY, keyFilePath, parseKeyLines, readKeyFile, shortSecretWarning, type ConfigFiles } from "./keys.ts";
import { PlainScalar } from "./scalar.ts";
import { configSchema, type Config } from "./schema.ts";
import { pendingKeys } from "./schema-walk.ts";
import { readTurnSecrets } from "./turn-servers.ts";
import { parseYamlSource, pathKey, type YamlSource } from "./yaml-source.ts";

/** Where a configuration comes from. */
export interface LoadInput {
  readonly flags?: FlagValues;
  readonly env?: Environment;
  readonly files?: ConfigFiles;
}

/** A checked configuration. */
export interface LoadedConfig {
  readonly config: Config;
  /** Secret by API key, in the order of the source; never empty. */
  readonly keys: ReadonlyMap<string, string>;
  /** Sentences for the log. */
  readonly warnings: readonly string[];
  /** Files that it was read from. */
  readonly files: readonly string[];
}

const DISK: ConfigFiles = {
  read: (path) => readFileSync(path, "utf8"),
  mode: (path) => statSync(path).mode,
};

/** Loads and checks the configuration; throws an operator error. */
export function loadConfig(input: LoadInput = {}): LoadedConfig {
  const { flags = {}, env = {}, files = DISK } = input;
  const { source, name, file } = readSource(flags, env, files);
  const keyText = flagText("keys", flags, env);
  if (keyText) overlayKeys(source, keyText.text, keyText.origin.name);
  overlayFlags(source, { ...flags, keys: undefined }, { ...env, LIVEKIT_KEYS: undefined });
  const lenient = flags["disable-strict-config"] === true || flags["disable-strict-config"] === "true";
  const config = validate(source, name, lenient);
  const defaults = configSchema.parse({});
  const waiting = pendingKeys(source.tree, config, defaults);
  const warnings: string[] = [];
  if (waiting.length > 0) warnings.push(`Accepted but without effect in this version: ${waiting.join(", ")}.`);
  settle(config);
  readTurnSecrets(config.rtc.turn_servers, files);
  const keys = resolveKeys(config, files, env);
  const short = config.development ? undefined : shortSecretWarning(keys);
  if (short) warnings.push(short);
  const read = [file, config.key_file === "" ? undefined : keyFilePath(config.key_file, env)];
  return { config, keys, warnings, files: read.filter((path) => path !== undefined) };
}

interface ReadSource {
  readonly source: YamlSource;
  readonly name: string;
  readonly file: string | undefined;
}

/** `--config-body`, `--config`, LIVEKIT_CONFIG, LIVEKIT_CONFIG_FILE, in this order. */
function readSource(flags: FlagValues, env: Environment, files: ConfigFiles): ReadSource {
  const body = flagText("config-body", flags, {}) ?? (flags["config"] ? undefined : flagText("config-body", {}, env));
  const file = flagText("config", flags, env);
  const name = body?.origin.name ?? file?.text ?? "configuration";
  const text = body?.text ?? (file ? readText(file.text, files) : "");
  const source = parseYamlSource(text, name);
  if ("reason" in source) throw operatorError("bad_config", `${name}, line ${source.line}: ${source.reason}.`);
  return { source, name, file: body ? undefined : file?.text };
}

function readText(path: string, files: ConfigFiles): string {
  try {
    return files.read(path);
  } catch (error) {
    throw operatorError("bad_config", `${path}: the configuration file ${whyUnread(error)}.`, error);
  }
}

function overlayKeys(source: YamlSource, text: string, name: string): void {
  const keys = parseKeyLines(text);
  if (!keys || keys.size === 0) {
    throw operatorError(
      "bad_config",
      `${name}: keys must be exactly "key: secret", one a line, with a space after the colon.`,
    );
  }
  source.tree["keys"] = Object.fromEntries([...keys].map(([key, secret]) => [key, new PlainScalar(secret)]));
  source.origins.set(pathKey(["keys"]), { name });
}

function validate(source: YamlSource, name: string, lenient: boolean): Config {
  let result = configSchema.safeParse(source.tree);
  if (lenient && !result.success) {
    for (const issue of result.error.issues) {
      if (issue.code !== "unrecognized_keys") continue;
      const at = issue.path.reduce<unknown>((value, step) => (value as never)[step], source.tree);
      for (const key of issue.keys) delete (at as Record<string, unknown>)[key];
    }
    result = configSchema.safeParse(source.tree);
  }
  if (result.success) {
    const mistake = contradiction(result.data);
    if (!mistake) return result.data;
    const origin = source.origins.get(pathKey(mistake.path.split(".")));
    throw operatorError("bad_config", `${describeOrigin(origin, name)}: "${mistake.path}" ${mistake.reason}.`);
  }
  throw operatorError("bad_config", explainIssues(result.error.issues, source.tree, source.origins, name));
}

/** Values that are fine alone but not together, or need more than a type. */
function contradiction(config: Config): { path: string; reason: string } | undefined {
  const { rtc } = config;
  if (rtc.port_range_end < rtc.port_range_start) {
    return { path: "rtc.port_range_end", reason: `must not be below rtc.port_range_start (${rtc.port_range_start})` };
  }
  const bad = rtc.node_ip === "" ? undefined : rtc.node_ip.split(",").find((part) => !isAddress(part.trim()));
  if (bad !== undefined)
    return {
      path: "rtc.node_ip",
      reason: `must be an IP address, or an IPv4 and an IPv6 one with a comma, not "${bad.trim()}"`,
    };
  for (const key of ["includes", "excludes"] as const) {
    const range = rtc.ips[key].find((text) => !parseCidr(text));
    if (range !== undefined)
      return { path: `rtc.ips.${key}`, reason: `must be ranges such as 10.0.0.0/8, not "${range}"` };
  }
  for (const [i, server] of rtc.turn_servers.entries()) {
    const dynamic = server.secret.trim() !== "" || server.secret_file !== "";
    const fixed = (server.username !== "" && server.credential !== "") || server.credentials_file !== "";
    if (!dynamic && !fixed) {
      return {
        path: "rtc.turn_servers",
        reason: `number ${i + 1} (${server.host}) needs secret or secret_file, or username and credential`,
      };
    }
  }
  return undefined;
}

/** Old places of keys, and the defaults that depend on `--dev`. */
function settle(config: Config): void {
  const { room, limit, logging } = config;
  if (config.log_level !== "") logging.level = config.log_level;
  if (logging.level === "") logging.level = config.development ? "debug" : "info";
  if (room.max_metadata_size !== 0) limit.max_metadata_size = room.max_metadata_size;
  if (room.max_room_name_length !== 0) limit.max_room_name_length = room.max_room_name_length;
  if (room.max_participant_identity_length !== 0) {
    limit.max_participant_identity_length = room.max_participant_identity_length;
  }
}

function resolveKeys(config: Config, files: ConfigFiles, env: Environment): Map<string, string> {
  const keys = config.key_file === "" ? new Map(Object.entries(config.keys)) : readKeyFile(config.key_file, files, env);
  if (keys.size > 0) return keys;
  if (!config.development) {
    throw operatorError(
      "no_keys",
      'No API keys: set "keys" in the configuration, LIVEKIT_KEYS or --key-file ("stoa generate-keys" makes a pair), or start with --dev.',
    );
  }
  // placeholder keys are public knowledge, so nobody else may reach the server
  config.bind_addresses ??= ["127.0.0.1", "::1"];
  return new Map([[DEV_KEY.key, DEV_KEY.secret]]);
}
