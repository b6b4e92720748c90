/** `stoa room send-data`: a message of the server to people in a room. */
import type { Command } from "commander";
import { repeated, roomCommand, run } from "../room-command.ts";

interface SendFlags {
  readonly room: string;
  readonly identity?: readonly string[];
  readonly topic?: string;
  readonly lossy?: true;
}

/** Builds the command. */
export function roomSendDataCommand(): Command {
  return roomCommand("send-data", "send a message to the people in a room")
    .argument("<text>", "what they get, in UTF-8")
    .requiredOption("-r, --room <room>", "name of the room")
    .option("-i, --identity <id>", "only to this participant; repeat it for several", repeated)
    .option("--topic <topic>", "topic of the message")
    .option("--lossy", "do not send it again when it is lost")
    .action((text: string, flags: SendFlags, command: Command) =>
      run(command, async (call) => {
        const { room, identity = [], topic } = flags;
        const answer = await call(
          "SendData",
          { roomAdmin: true, room },
          {
            room,
            data: Buffer.from(text).toString("base64"),
            kind: flags.lossy ? "LOSSY" : "RELIABLE",
            destination_identities: identity,
            ...(topic !== undefined && { topic }),
          },
        );
        const to = identity.length > 0 ? identity.join(", ") : `everybody in ${room}`;
        return { json: answer, text: `sent ${Buffer.byteLength(text)} bytes to ${to}` };
      }),
    );
}
