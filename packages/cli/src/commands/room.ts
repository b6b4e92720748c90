/** `stoa room`: the group of commands about rooms and the people in them, on any LiveKit server. */
import { Command } from "commander";
import { roomCreateCommand } from "./room-create.ts";
import { roomDeleteCommand } from "./room-delete.ts";
import { roomListCommand } from "./room-list.ts";
import { roomMuteCommand } from "./room-mute.ts";
import { roomParticipantsCommand } from "./room-participants.ts";
import { roomRemoveCommand } from "./room-remove.ts";
import { roomSendDataCommand } from "./room-send-data.ts";
import { roomTimelineCommand } from "./room-timeline.ts";
import { roomUpdateParticipantCommand } from "./room-update-participant.ts";
import { roomUpdateCommand } from "./room-update.ts";

const EXAMPLES = `
The server comes from --url, --api-key and --api-secret, or from LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.

Examples:
  stoa room list --dev
  stoa room create lobby --max-participants 20 --empty-timeout 600
  stoa room participants lobby
  stoa room mute --room lobby --identity ada
  stoa room update-participant --room lobby --identity ada --permissions '{"can_publish": false}'
  stoa room send-data --room lobby --topic notice "The call ends in five minutes"
  stoa room timeline lobby ada`;

/** Builds the group. */
export function roomCommand(): Command {
  return new Command("room")
    .description("rooms and the people in them, on any LiveKit server")
    .addCommand(roomListCommand())
    .addCommand(roomCreateCommand())
    .addCommand(roomUpdateCommand())
    .addCommand(roomDeleteCommand())
    .addCommand(roomParticipantsCommand())
    .addCommand(roomMuteCommand())
    .addCommand(roomRemoveCommand())
    .addCommand(roomUpdateParticipantCommand())
    .addCommand(roomSendDataCommand())
    .addCommand(roomTimelineCommand())
    .addHelpText("after", EXAMPLES);
}
