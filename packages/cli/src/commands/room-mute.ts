/** `stoa room mute`: silences tracks of somebody. */
import type { Command } from "commander";
import type { JsonMessage } from "../api-client.ts";
import { forParticipant, listOf, roomCommand, run, textOf } from "../room-command.ts";

interface MuteFlags {
  readonly room: string;
  readonly identity: string;
  readonly unmute?: true;
}

/** Builds the command. */
export function roomMuteCommand(): Command {
  return forParticipant(roomCommand("mute", "mute tracks of a participant"))
    .argument("[tracks...]", "their IDs (TR_…); default: everything that makes a sound")
    .option("--unmute", "unmute them; the server must allow that (room.enable_remote_unmute)")
    .action((tracks: string[], flags: MuteFlags, command: Command) =>
      run(command, async (call) => {
        const { room, identity } = flags;
        const grant = { roomAdmin: true, room };
        const muted = flags.unmute !== true;
        const sids = tracks.length > 0 ? tracks : audioOf(await call("GetParticipant", grant, { room, identity }));
        const answers: JsonMessage[] = [];
        for (const track_sid of sids) {
          answers.push(await call("MutePublishedTrack", grant, { room, identity, track_sid, muted }));
        }
        const did = muted ? "muted" : "unmuted";
        const text = sids.length === 0 ? `${identity} publishes no sound` : `${did} ${sids.join(", ")}`;
        return { json: { tracks: answers.map((answer) => answer["track"] ?? null) }, text };
      }),
    );
}

function audioOf(participant: JsonMessage): string[] {
  return listOf(participant, "tracks")
    .filter((track) => track["type"] === "AUDIO")
    .map((track) => textOf(track, "sid"));
}
