/** `stoa room create`: makes a room, or changes the settings of the one that exists. */
import type { Command } from "commander";
import { roomCommand, run, wholeNumber } from "../room-command.ts";
import { roomTable } from "../room-tables.ts";

interface CreateFlags {
  readonly emptyTimeout?: number;
  readonly departureTimeout?: number;
  readonly maxParticipants?: number;
  readonly metadata?: string;
  readonly roomPreset?: string;
  readonly minPlayoutDelay?: number;
  readonly maxPlayoutDelay?: number;
  readonly syncStreams?: true;
  readonly agent?: string;
  readonly jobMetadata?: string;
}

/** Builds the command. */
export function roomCreateCommand(): Command {
  return roomCommand("create", "make a room, or change the settings of one")
    .argument("<room>", "its name")
    .option("--empty-timeout <seconds>", "close after that time if nobody comes", wholeNumber)
    .option("--departure-timeout <seconds>", "close that long after the last one left", wholeNumber)
    .option("--max-participants <number>", "let in no more than that", wholeNumber)
    .option("--metadata <text>", "metadata of the room")
    .option("--room-preset <name>", "named room configuration of the server")
    .option("--min-playout-delay <ms>", "delay the picture at least that long", wholeNumber)
    .option("--max-playout-delay <ms>", "delay the picture at most that long", wholeNumber)
    .option("--sync-streams", "keep the picture and the sound of a participant in step")
    .option("--agent <name>", "agent to dispatch to a new room")
    .option("--job-metadata <text>", "metadata of that agent's job")
    .action((name: string, flags: CreateFlags, command: Command) =>
      run(command, async (call) => {
        const room = await call("CreateRoom", { roomCreate: true }, requestOf(name, flags));
        return { json: room, text: roomTable([room]) };
      }),
    );
}

function requestOf(name: string, flags: CreateFlags) {
  const { agent, jobMetadata = "" } = flags;
  return {
    name,
    empty_timeout: flags.emptyTimeout ?? 0,
    departure_timeout: flags.departureTimeout ?? 0,
    max_participants: flags.maxParticipants ?? 0,
    metadata: flags.metadata ?? "",
    room_preset: flags.roomPreset ?? "",
    min_playout_delay: flags.minPlayoutDelay ?? 0,
    max_playout_delay: flags.maxPlayoutDelay ?? 0,
    sync_streams: flags.syncStreams ?? false,
    agents: agent === undefined ? [] : [{ agent_name: agent, metadata: jobMetadata }],
  };
}
