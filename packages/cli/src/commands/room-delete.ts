/** `stoa room delete`: ends rooms; everybody in them leaves. */
import type { Command } from "commander";
import { roomCommand, run } from "../room-command.ts";

/** Builds the command. */
export function roomDeleteCommand(): Command {
  return roomCommand("delete", "end rooms: everybody in them leaves")
    .argument("<rooms...>", "their names")
    .action((rooms: string[], _flags, command: Command) =>
      run(command, async (call) => {
        for (const room of rooms) await call("DeleteRoom", { roomCreate: true }, { room });
        return { json: { deleted: rooms }, text: `deleted ${rooms.join(", ")}` };
      }),
    );
}
