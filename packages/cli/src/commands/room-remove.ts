/** `stoa room remove`: puts somebody out of a room. */
import type { Command } from "commander";
import { forParticipant, roomCommand, run } from "../room-command.ts";

/** Builds the command. */
export function roomRemoveCommand(): Command {
  return forParticipant(roomCommand("remove", "put a participant out of a room")).action(
    ({ room, identity }: { room: string; identity: string }, command: Command) =>
      run(command, async (call) => {
        await call("RemoveParticipant", { roomAdmin: true, room }, { room, identity });
        return { json: { removed: identity }, text: `removed ${identity} from ${room}` };
      }),
  );
}
