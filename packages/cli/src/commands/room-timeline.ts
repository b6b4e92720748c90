/** `stoa room timeline`: who is or was in a room, or what happened to one of them and why. Stoa only. */
import type { Command } from "commander";
import { listOf, roomCommand, run } from "../room-command.ts";
import { sessionTable, timelineText } from "../timeline-tables.ts";

/** Builds the command. */
export function roomTimelineCommand(): Command {
  return roomCommand("timeline", "tell what happened to the people in a room, and why (Stoa only)")
    .argument("<room>", "its name")
    .argument("[identity]", "tell all about this one; default: list who is or was there")
    .action((room: string, identity: string | undefined, _flags, command: Command) => {
      if (room === "" || identity === "") return command.error("the name of a room and an identity are not empty");
      return run(command, async (_call, read) => {
        const grant = { roomAdmin: true, room };
        const base = `/stoa/v1/rooms/${encodeURIComponent(room)}`;
        if (identity === undefined) {
          const answer = await read(`${base}/timelines`, grant);
          return { json: answer, text: sessionTable(listOf(answer, "sessions")) };
        }
        const answer = await read(`${base}/participants/${encodeURIComponent(identity)}/timeline`, grant);
        return { json: answer, text: listOf(answer, "sessions").map(timelineText).join("\n\n") };
      });
    });
}
