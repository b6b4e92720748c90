/** LiveKit's codes in words for people. */
import { DisconnectReason, TrackSource, TrackType, type TrackInfo } from "@livekit/protocol";

const REASONS: Partial<Readonly<Record<DisconnectReason, string>>> = {
  [DisconnectReason.CLIENT_INITIATED]: "the client left by itself",
  [DisconnectReason.DUPLICATE_IDENTITY]: "the same identity joined again",
  [DisconnectReason.SERVER_SHUTDOWN]: "the server ended",
  [DisconnectReason.PARTICIPANT_REMOVED]: "it was removed through the API",
  [DisconnectReason.ROOM_DELETED]: "the room was deleted through the API",
  [DisconnectReason.STATE_MISMATCH]: "client and server disagreed; the client joins anew",
  [DisconnectReason.JOIN_FAILURE]: "media was never connected",
  [DisconnectReason.MIGRATION]: "it moved to another server",
  [DisconnectReason.SIGNAL_CLOSE]: "the signal connection ended and did not come back",
  [DisconnectReason.ROOM_CLOSED]: "the room closed",
  [DisconnectReason.CONNECTION_TIMEOUT]: "media was lost and did not come back",
};

/** Why somebody left. */
export function reasonInWords(reason: DisconnectReason): string {
  return REASONS[reason] ?? (DisconnectReason[reason] ?? "unknown reason").toLowerCase().replaceAll("_", " ");
}

/** "camera TR_VC… (video/VP8)", "data track DTR_… (pose)" */
export function trackInWords(track: TrackInfo): string {
  if (track.type === TrackType.DATA) return `data track ${track.sid} (${track.name})`;
  return `${sourceInWords(track)} ${track.sid}${track.mimeType === "" ? "" : ` (${track.mimeType})`}`;
}

/** "screen share", "microphone" …; the kind where the source is unknown. */
export function sourceInWords({ source, type }: TrackInfo): string {
  const word = source === TrackSource.UNKNOWN ? TrackType[type] : TrackSource[source];
  return (word ?? "track").toLowerCase().replaceAll("_", " ");
}

const CANDIDATE = /candidate:\S+ \d+ (udp|tcp) \d+ \S+ \d+ typ (host|srflx|prflx|relay)/gi;

/** The kinds of ICE candidates in an SDP or in a trickled candidate: "host udp", "relay tcp" …; no addresses. */
export function candidatesOf(text: string): Set<string> {
  const kinds = new Set<string>();
  for (const [, protocol, type] of text.matchAll(CANDIDATE)) kinds.add(`${type} ${protocol}`.toLowerCase());
  return kinds;
}
