/** `stoa room participants`: who is in a room, or everything about one of them. */
import type { Command } from "commander";
import { listOf, roomCommand, run } from "../room-command.ts";
import { participantTable, participantText } from "../room-tables.ts";

/** Builds the command. */
export function roomParticipantsCommand(): Command {
  return roomCommand("participants", "list who is in a room")
    .argument("<room>", "its name")
    .option("-i, --identity <id>", "show everything about this one")
    .action((room: string, { identity }: { identity?: string }, command: Command) =>
      run(command, async (call) => {
        const grant = { roomAdmin: true, room };
        if (identity !== undefined) {
          const participant = await call("GetParticipant", grant, { room, identity });
          return { json: participant, text: participantText(participant) };
        }
        const answer = await call("ListParticipants", grant, { room });
        return { json: answer, text: participantTable(listOf(answer, "participants")) };
      }),
    );
}
