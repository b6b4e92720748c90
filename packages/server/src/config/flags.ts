/**
 * The flags and environment variables of livekit-server (livekit.md 10.3): the named ones, and for every scalar key of the
 * file a hidden flag `--rtc.tcp_port` with a variable `LIVEKIT_RTC_TCP_PORT`. Precedence: flag, variable, file, default.
 */
import type { LeafKind } from "./leaves.ts";
import { PlainScalar } from "./scalar.ts";
import { scalarKeys } from "./schema-walk.ts";
import { isSection, pathKey, type ConfigTree, type Origin, type YamlSource } from "./yaml-source.ts";

/** One flag of `stoa serve`. */
export interface FlagSpec {
  /** Without dashes. */
  readonly name: string;
  readonly env: string | undefined;
  readonly kind: LeafKind | "list";
  /** The key that it sets; undefined for the flags that say where the configuration is. */
  readonly path: readonly string[] | undefined;
  /** One line of help; empty for the derived flags, which `--help` hides. */
  readonly help: string;
}

const named = (name: string, env: string | undefined, path: string | undefined, help: string): FlagSpec => ({
  name,
  env,
  kind: name === "bind" ? "list" : name === "dev" || name === "disable-strict-config" ? "boolean" : "text",
  path: path?.split("."),
  help,
});

/** The flags that livekit-server shows. */
export const NAMED_FLAGS: readonly FlagSpec[] = [
  named("config", "LIVEKIT_CONFIG_FILE", undefined, "path to a configuration file in LiveKit's YAML"),
  named("config-body", "LIVEKIT_CONFIG", undefined, "the configuration itself, in YAML"),
  named("dev", undefined, "development", "development: key devkey, secret secret, HTTP on loopback only, debug log"),
  named("keys", "LIVEKIT_KEYS", undefined, 'API keys, one "key: secret" a line'),
  named("key-file", undefined, "key_file", "file of API keys, readable by its owner only"),
  named("bind", undefined, "bind_addresses", "address to listen on for HTTP; repeat it for several"),
  named(
    "node-ip",
    "NODE_IP",
    "rtc.node_ip",
    "address that clients reach this server at (IPv4, IPv6, or both with a comma)",
  ),
  named("udp-port", "UDP_PORT", "rtc.udp_port", "UDP port for media, or a range such as 7882-7892 (one per worker)"),
  named("region", "LIVEKIT_REGION", "region", "region of this node"),
  named("redis-host", "REDIS_HOST", "redis.address", "host:port of Redis"),
  named("redis-password", "REDIS_PASSWORD", "redis.password", "password of Redis"),
  named("turn-cert", "LIVEKIT_TURN_CERT", "turn.cert_file", "TLS certificate of the TURN server"),
  named("turn-key", "LIVEKIT_TURN_KEY", "turn.key_file", "TLS key of the TURN server"),
  named("disable-strict-config", undefined, undefined, "ignore unknown keys of the configuration"),
];

/** The flags that are derived from the keys of the file. */
export function derivedFlags(): FlagSpec[] {
  const taken = new Set(NAMED_FLAGS.map(({ name }) => name));
  return scalarKeys()
    .map(({ path, kind }): FlagSpec => {
      const name = path.join(".");
      return { name, env: `LIVEKIT_${name.replaceAll(".", "_").toUpperCase()}`, kind, path, help: "" };
    })
    .filter(({ name }) => !taken.has(name));
}

/** Values as the command line gives them: text, `true` for a flag without a value, a list for a repeated flag. */
export type FlagValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** The environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The text of one flag: given, or from its variable. */
export function flagText(
  name: string,
  flags: FlagValues,
  env: Environment,
): { text: string; origin: Origin } | undefined {
  const given = flags[name];
  if (typeof given === "string" || typeof given === "boolean")
    return { text: String(given), origin: { name: `--${name}` } };
  const variable = NAMED_FLAGS.find((flag) => flag.name === name)?.env;
  const value = variable && env[variable];
  return value ? { text: value, origin: { name: variable } } : undefined;
}

/** Lays variables and then flags over the file. */
export function overlayFlags(source: YamlSource, flags: FlagValues, env: Environment): void {
  const specs = [...derivedFlags(), ...NAMED_FLAGS].filter((spec) => spec.path);
  for (const spec of specs) {
    const value = spec.env === undefined ? undefined : env[spec.env];
    // Kubernetes injects LIVEKIT_PORT=tcp://… into pods beside a service called livekit
    if (!value || (spec.kind === "integer" && /^(tcp|udp):\/\//.test(value))) continue;
    put(source, spec.path!, new PlainScalar(value), { name: spec.env! });
  }
  for (const spec of specs) {
    const value = flags[spec.name];
    if (value === undefined) continue;
    const list = Array.isArray(value) ? value.map((item: string) => new PlainScalar(item)) : undefined;
    put(source, spec.path!, list ?? new PlainScalar(String(value)), { name: `--${spec.name}` });
  }
}

function put(source: YamlSource, path: readonly string[], value: ConfigTree, origin: Origin): void {
  let at = source.tree;
  for (const step of path.slice(0, -1)) {
    const next = at[step];
    at = isSection(next) ? next : (at[step] = {});
  }
  at[path.at(-1)!] = value;
  source.origins.set(pathKey(path), origin);
}
