/** The first message of a session (livekit.md 1.5). */
import { ClientConfigSetting, ClientConfiguration, JoinResponse } from "@livekit/protocol";
import type { EnabledCodec } from "../negotiation/types.ts";
import { disabledCodecsOf, protoCodec } from "./client.ts";
import type { Participant } from "./participant.ts";
import { sameCodec } from "./track.ts";
import type { RoomState } from "./state.ts";
import { snapshot } from "./updates.ts";
import { usableIceServers } from "./way.ts";

/** Seconds; a client pings in this interval and gives up after that silence. Zero would crash some. */
const PING_INTERVAL_S = 5;
const PING_TIMEOUT_S = 15;

/** What the participant needs to know about the room, the others and this server. */
export function joinResponse(room: RoomState, participant: Participant): JoinResponse {
  const { server } = room.options;
  const everybody = snapshot(room, participant);
  const response = new JoinResponse({
    room: room.info(),
    participant: participant.info(),
    serverVersion: server.version,
    serverInfo: room.serverInfo,
    serverRegion: server.region,
    iceServers: usableIceServers(room.options.server.iceServers(participant.sid), participant.way),
    subscriberPrimary: participant.subscriberPrimary,
    clientConfiguration: clientConfiguration(room, participant),
    pingInterval: PING_INTERVAL_S,
    pingTimeout: PING_TIMEOUT_S,
    sifTrailer: room.sifTrailer,
    enabledPublishCodecs: publishCodecs(participant).map(protoCodec),
    // Not where a way must be tried first: the client would wait for nothing.
    fastPublish: participant.grants.canPublish && participant.way.transports === "any",
  });
  // Not by the constructor: it looks at each one.
  response.otherParticipants = everybody.filter((info) => info.sid !== participant.sid);
  return response;
}

/** What the client is to do without, and how it is to connect; undefined when there is nothing to say. */
export function clientConfiguration(room: RoomState, participant: Participant): ClientConfiguration | undefined {
  const disabledCodecs = disabledCodecsOf(room.options.server.enabledCodecs, participant.codecs);
  const forceRelay = participant.way.transports === "tls" ? ClientConfigSetting.ENABLED : ClientConfigSetting.UNSET;
  if (!disabledCodecs && forceRelay === ClientConfigSetting.UNSET) return undefined;
  return new ClientConfiguration({ forceRelay, ...(disabledCodecs && { disabledCodecs }) });
}

/**
 * Codecs that this client may publish, the most widely understood first: clients pick replacements and backups in this
 * order, and an old Flutter SDK needs video before audio.
 */
export function publishCodecs(participant: Participant): EnabledCodec[] {
  return participant.codecs.publish
    .filter(({ mime }) => !sameCodec(mime, "video/rtx"))
    .toSorted((a, b) => rank(a) - rank(b));
}

function rank({ mime }: EnabledCodec): number {
  if (sameCodec(mime, "video/VP8")) return 0;
  if (sameCodec(mime, "video/H264")) return 1;
  return mime.toLowerCase().startsWith("video/") ? 2 : 3;
}
