/** The flags of livekit-server on a command, and their values as `loadConfig` takes them. */
import { derivedFlags, loadConfig, NAMED_FLAGS, type FlagSpec, type FlagValues, type LoadedConfig } from "@stoa/server";
import { Option, type Command } from "commander";

/** Derived flags that most people need, explained: messages and examples name them. */
const SHOWN: ReadonlyMap<string, string> = new Map([
  ["port", "TCP port for HTTP and WebSocket"],
  ["rtc.tcp_port", "TCP port for media of clients whose network carries no UDP"],
]);

/** Adds all flags; most of those derived from the keys of the configuration file are left out of `--help`. */
export function addServerOptions(command: Command, showDerived = false): Command {
  for (const spec of NAMED_FLAGS) command.addOption(toOption(spec));
  for (const spec of derivedFlags()) {
    const option = toOption(spec);
    command.addOption(showDerived || SHOWN.has(spec.name) ? option : option.hideHelp());
  }
  return command;
}

/** What was given on the command line, by flag name. */
export function givenFlags(command: Command): FlagValues {
  const given: Record<string, string | boolean | string[]> = {};
  for (const spec of [...NAMED_FLAGS, ...derivedFlags()]) {
    const value: unknown = command.getOptionValue(toOption(spec).attributeName());
    if (value !== undefined) given[spec.name] = value as string | boolean | string[];
  }
  return given;
}

/** The configuration of this invocation; `extra` stands in for flags that were not given. */
export function configOf(command: Command, extra: FlagValues = {}): LoadedConfig {
  return loadConfig({ flags: { ...extra, ...givenFlags(command) }, env: process.env });
}

function toOption({ name, kind, help, env }: FlagSpec): Option {
  const text = [help || SHOWN.get(name), env && `(env: ${env})`].filter(Boolean).join(" ");
  if (kind === "boolean") return new Option(`--${name} [boolean]`, text);
  const option = new Option(`--${name} <${placeholder(name, kind)}>`, text);
  if (kind !== "list") return option;
  return option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
}

function placeholder(name: string, kind: FlagSpec["kind"]): string {
  if (name === "config" || name.endsWith("-file") || name.endsWith("_file")) return "file";
  if (name === "config-body") return "yaml";
  if (name === "bind" || name === "node-ip") return "address";
  return kind === "text" || kind === "list" ? "value" : kind;
}
