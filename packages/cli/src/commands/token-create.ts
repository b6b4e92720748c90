/** `stoa token create`: an access token, with the flags of `lk token create`. */
import { readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { createToken, DEV_KEY, tokenClaims, whyUnread, type KeyPair, type TokenOptions } from "@stoa/server";
import { Command } from "commander";
import { tokenOptions, type TokenFlags } from "../token-options.ts";

const EXAMPLES = `
The key comes from --api-key and --api-secret, from LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or is devkey / secret with --dev.

Examples:
  stoa token create --dev --join --room lobby --identity ada
  stoa token create --join --room lobby --identity ada --allow-source camera,microphone --valid-for 1h
  stoa token create --create --list --admin --room lobby          for your back end
  stoa token create --join --room lobby --grant '{"canPublish": false}' --token-only`;

/** Builds the command. */
export function tokenCreateCommand(): Command {
  return new Command("create")
    .description("create an access token")
    .option("--api-key <key>", "API key (env: LIVEKIT_API_KEY)")
    .option("--api-secret <secret>", "API secret (env: LIVEKIT_API_SECRET)")
    .option("--dev", "use devkey / secret")
    .option("--url <url>", "URL of the server, only printed (env: LIVEKIT_URL)")
    .option("-r, --room <room>", "room that the token is for")
    .option("-i, --identity <id>", "unique identity of the participant")
    .option("-n, --name <name>", "name of the participant; default: the identity")
    .option("--join", "may join the room")
    .option("--create", "may create and delete rooms")
    .option("--list", "may list rooms")
    .option("--admin", "may moderate the room")
    .option("--egress", "may start egress")
    .option("--ingress", "may manage ingress")
    .option("--recorder", "a hidden participant that only subscribes")
    .option("--hidden", "invisible to the other participants")
    .option("--inference", "may use inference")
    .option("--allow-update-metadata", "may change its own name, metadata and attributes")
    .option(
      "--allow-source <sources...>",
      "may publish only these: camera, microphone, screen_share, screen_share_audio",
    )
    .option("--metadata <text>", "metadata of the participant")
    .option("--attribute <key=value>", "attribute of the participant; repeat it for several", collect)
    .option("--attribute-file <file>", "attributes from a JSON file")
    .option("--grant <json>", "more fields of the video grant, over the other flags")
    .option("--valid-for <time>", "life of the token, such as 5m or 1h10m", "5m")
    .option("--room-preset <name>", "named room configuration for a room that does not exist yet")
    .option("--agent <name>", "agent to dispatch to the room")
    .option("--deployment <name>", "deployment of that agent")
    .option("--job-metadata <text>", "metadata of that agent's job")
    .option("--token-only", "print nothing but the token")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(createAndPrint);
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

interface OutputFlags {
  readonly tokenOnly?: true;
  readonly json?: true;
  readonly dev?: true;
  readonly url?: string;
  readonly apiKey?: string;
  readonly apiSecret?: string;
  readonly attributeFile?: string;
}

async function createAndPrint(flags: TokenFlags & OutputFlags, command: Command): Promise<void> {
  const fail = (message: string): never => command.error(message);
  const pair =
    keyPair(flags) ??
    fail("no API key: give --api-key and --api-secret, set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or use --dev");
  const file = flags.attributeFile === undefined ? undefined : readAttributes(flags.attributeFile, fail);
  const identity = flags.identity ?? `participant-${randomBytes(3).toString("hex")}`;
  const room = flags.room ?? (flags.join ? `room-${randomBytes(3).toString("hex")}` : undefined);
  const options = tokenOptions({ ...flags, identity, room }, file);
  if (typeof options === "string") return fail(options);
  const token = await createToken(pair, options, Date.now());
  print(flags, options, token, room);
}

function keyPair(flags: OutputFlags): KeyPair | undefined {
  const { LIVEKIT_API_KEY, LIVEKIT_API_SECRET } = process.env;
  const key = flags.apiKey ?? (flags.dev ? DEV_KEY.key : LIVEKIT_API_KEY);
  const secret = flags.apiSecret ?? (flags.dev ? DEV_KEY.secret : LIVEKIT_API_SECRET);
  return key && secret ? { key, secret } : undefined;
}

function readAttributes(path: string, fail: (message: string) => never): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const message = error instanceof SyntaxError ? `is not JSON: ${error.message}` : whyUnread(error);
    return fail(`${path}: the file of attributes ${message}`);
  }
  const valid =
    typeof value === "object" && value !== null && Object.values(value).every((one) => typeof one === "string");
  return valid ? (value as Record<string, string>) : fail(`${path}: attributes are a JSON object of texts`);
}

function print(flags: OutputFlags, options: TokenOptions, token: string, room: string | undefined): void {
  const url = flags.url ?? (flags.dev ? "ws://127.0.0.1:7880" : process.env["LIVEKIT_URL"]);
  const { identity, name } = options;
  const grants = { identity, ...tokenClaims(options) };
  const lines = flags.tokenOnly
    ? [token]
    : flags.json
      ? [JSON.stringify({ access_token: token, project_url: url, identity, name, room, grants }, undefined, 2)]
      : [
          "Token grants:",
          JSON.stringify(grants, undefined, 2),
          "",
          ...(url ? [`Project URL: ${url}`] : []),
          `Access token: ${token}`,
        ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
