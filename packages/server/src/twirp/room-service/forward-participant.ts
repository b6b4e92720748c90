/**
 * RoomService.ForwardParticipant: somebody is shown in another room as well, with its tracks. A room that is made for it is
 * on the same media worker; to another worker its media is relayed (decision 0005).
 */
import { ForwardParticipantResponse, type ForwardParticipantRequest } from "@livekit/protocol";
import { readForwardable, receiveForwarded, startForwarding } from "@stoa/core/room/admin/forward";
import { inRoom, noRoom, type ApiContext } from "../context.ts";
import { TwirpError } from "../errors.ts";
import { openDestination } from "./destination.ts";

export function forwardParticipant(
  context: ApiContext,
  request: ForwardParticipantRequest,
): ForwardParticipantResponse | TwirpError {
  const { room, identity, destinationRoom } = request;
  const source = context.registry.find(room);
  if (!source) return noRoom();
  const forwarded = inRoom(context, room, readForwardable(identity));
  if (forwarded instanceof TwirpError) return forwarded;
  const destination = openDestination(context, request, source.worker);
  if (destination instanceof TwirpError) return destination;
  if (!context.registry.canForward(source, destination)) {
    const msg = "the rooms are on different media workers, between which media goes over ICE-TCP: set rtc.tcp_port";
    return new TwirpError("failed_precondition", msg, { argument: "destination_room" });
  }
  const shown = inRoom(context, destinationRoom, receiveForwarded(forwarded));
  if (shown instanceof TwirpError) return shown;
  const started = inRoom(context, room, startForwarding(forwarded.source.participant, destinationRoom));
  return started instanceof TwirpError ? started : new ForwardParticipantResponse();
}
