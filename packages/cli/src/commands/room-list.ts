/** `stoa room list`: open rooms. */
import type { Command } from "commander";
import { listOf, roomCommand, run } from "../room-command.ts";
import { roomTable } from "../room-tables.ts";

/** Builds the command. */
export function roomListCommand(): Command {
  return roomCommand("list", "list open rooms")
    .argument("[rooms...]", "only these")
    .action((names: string[], _flags, command: Command) =>
      run(command, async (call) => {
        const answer = await call("ListRooms", { roomList: true }, { names });
        return { json: answer, text: roomTable(listOf(answer, "rooms")) };
      }),
    );
}
