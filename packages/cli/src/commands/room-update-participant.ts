/** `stoa room update-participant`: name, metadata, attributes and permissions of somebody, in the middle of a call. */
import type { Command } from "commander";
import type { JsonMessage } from "../api-client.ts";
import { forParticipant, repeated, roomCommand, run, type CallApi } from "../room-command.ts";
import { participantText } from "../room-tables.ts";
import { parseAttributes } from "../token-options.ts";

interface UpdateFlags {
  readonly room: string;
  readonly identity: string;
  readonly name?: string;
  readonly metadata?: string;
  readonly attribute?: readonly string[];
  readonly permissions?: string;
}

/** Builds the command. */
export function roomUpdateParticipantCommand(): Command {
  return forParticipant(roomCommand("update-participant", "change a participant that is in a room"))
    .option("--name <name>", "another name")
    .option("--metadata <text>", "other metadata")
    .option("--attribute <key=value>", "an attribute; repeat it for several, an empty value removes it", repeated)
    .option("--permissions <json>", 'permissions to change, such as {"can_publish": false}; the others stay')
    .action((flags: UpdateFlags, command: Command) => {
      const attributes = parseAttributes(flags.attribute ?? []);
      if (typeof attributes === "string") return command.error(attributes);
      const permissions = parsePermissions(flags.permissions);
      if (typeof permissions === "string") return command.error(permissions);
      const { name = "", metadata = "" } = flags;
      if (name === "" && metadata === "" && Object.keys(attributes).length === 0 && !permissions) {
        return command.error("nothing to change: add --name, --metadata, --attribute or --permissions");
      }
      return run(command, async (call) => {
        const { room, identity } = flags;
        const permission = permissions && { ...(await currentPermission(call, room, identity)), ...permissions };
        const request = { room, identity, name, metadata, attributes, ...(permission && { permission }) };
        const participant = await call("UpdateParticipant", { roomAdmin: true, room }, request);
        return { json: participant, text: participantText(participant) };
      });
    });
}

/** The API replaces all of them: those that are not named keep their value. */
async function currentPermission(call: CallApi, room: string, identity: string): Promise<JsonMessage> {
  const participant = await call("GetParticipant", { roomAdmin: true, room }, { room, identity });
  return (participant["permission"] ?? {}) as JsonMessage;
}

const PERMISSIONS: Readonly<Record<string, "boolean" | "list">> = {
  can_subscribe: "boolean",
  can_publish: "boolean",
  can_publish_data: "boolean",
  can_publish_sources: "list",
  hidden: "boolean",
  recorder: "boolean",
  can_update_metadata: "boolean",
  agent: "boolean",
  can_subscribe_metrics: "boolean",
  can_manage_agent_session: "boolean",
};

/** Permissions by their names in the protocol; camelCase will do. */
function parsePermissions(json: string | undefined): JsonMessage | undefined | string {
  if (json === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return "--permissions: this is not JSON";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "--permissions: a JSON object is needed";
  }
  const permissions: Record<string, JsonMessage[string]> = {};
  for (const [key, one] of Object.entries(value)) {
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const type = Object.hasOwn(PERMISSIONS, name) ? PERMISSIONS[name] : undefined;
    if (!type) return `--permissions: "${key}" is none of ${Object.keys(PERMISSIONS).join(", ")}`;
    if (type === "boolean" && typeof one !== "boolean") return `--permissions: "${key}" must be true or false`;
    if (type === "list" && !Array.isArray(one)) return `--permissions: "${key}" must be a list such as ["CAMERA"]`;
    permissions[name] = one;
  }
  return permissions;
}
