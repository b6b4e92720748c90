/** `stoa room update`: other metadata for a room; everybody in it hears of it. */
import type { Command } from "commander";
import { roomCommand, run } from "../room-command.ts";
import { roomTable } from "../room-tables.ts";

/** Builds the command. */
export function roomUpdateCommand(): Command {
  return roomCommand("update", "change the metadata of a room")
    .argument("<room>", "its name")
    .requiredOption("--metadata <text>", 'metadata of the room; "" removes it')
    .action((room: string, { metadata }: { metadata: string }, command: Command) =>
      run(command, async (call) => {
        const answer = await call("UpdateRoomMetadata", { roomAdmin: true, room }, { room, metadata });
        return { json: answer, text: roomTable([answer]) };
      }),
    );
}
