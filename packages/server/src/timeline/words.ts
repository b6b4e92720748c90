/** LiveKit's codes in words for people. */
import { DisconnectReason, TrackSource, TrackType, type TrackInfo } from "@livekit/protocol";
import type { DataTrouble, MediaEvent } from "@stoa/core/engine/events";
import type { PeerStats } from "@stoa/core/engine/figures";

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

/** A time of trouble with data begins, or is over; `receiver`: for whom a publisher has to wait. */
export function dataTroubleInWords(
  { trouble, begins, times }: Extract<MediaEvent, { type: "dataTrouble" }>,
  receiver = "a receiver",
): string {
  if (trouble !== "held") {
    const [beginning, end] = TROUBLES[trouble];
    return begins ? beginning : end.replace("#", String(times));
  }
  return begins ? `its reliable data is held back, for ${receiver} takes less` : "its data is not held back any more";
}

/** What the log is told when it begins. */
export const DATA_WARNINGS: Readonly<Partial<Record<DataTrouble, string>>> = {
  lost: "reliable data for a participant is lost: as much as may be waits for it already",
  unknown: "a participant sends data packets of a kind that this server does not know; they are relayed",
};

const TROUBLES: Readonly<Record<Exclude<DataTrouble, "held">, readonly [string, string]>> = {
  lost: [
    "reliable data for it is lost: as much as may be waits for it already",
    "reliable data for it arrives again; messages lost: #",
  ],
  slow: [
    "reliable data for it is dropped: it takes less than datachannel_slow_threshold",
    "reliable data for it arrives again; messages dropped: #",
  ],
  closed: [
    "there is data for it, but it has closed that channel",
    "nothing has come since for the channel that it has closed",
  ],
  lossy: [
    "lossy data for it is dropped: it takes less than it is sent",
    "lossy data for it arrives again; messages dropped: #",
  ],
  dataTracks: [
    "frames of data tracks for it are dropped: it takes less than it is sent",
    "data tracks for it arrive again; packets dropped: #",
  ],
  unknown: [
    "it sends data packets of a kind that this server does not know; they go on as they are",
    "no more data packets of an unknown kind; relayed: #",
  ],
};

const CANDIDATE = /candidate:\S+ \d+ (udp|tcp) \d+ \S+ \d+ typ (host|srflx|prflx|relay)/gi;

/** The kinds of ICE candidates in an SDP or in a trickled candidate: "host udp", "relay tcp" …; no addresses. */
export function candidatesOf(text: string): Set<string> {
  const kinds = new Set<string>();
  for (const [, protocol, type] of text.matchAll(CANDIDATE)) kinds.add(`${type} ${protocol}`.toLowerCase());
  return kinds;
}

/** What may be the reason for a quality that is not excellent. */
export function trouble(stats: PeerStats | undefined): string {
  if (!stats) return "";
  const loss = (streams: PeerStats["senders"]) => {
    const packets = streams.reduce((sum, stream) => sum + stream.packets, 0);
    return packets === 0 ? 0 : (100 * streams.reduce((sum, stream) => sum + stream.lost, 0)) / packets;
  };
  const [up, down] = [loss(stats.receivers), loss(stats.senders)];
  const reasons = [
    up >= 1 ? `loses ${up.toFixed(0)} % of what it sends` : "",
    down >= 1 ? `loses ${down.toFixed(0)} % of what it is sent` : "",
    stats.rttMs >= 200 ? `round trip ${stats.rttMs.toFixed(0)} ms` : "",
    stats.senders.some(({ layerDistance }) => layerDistance > 0) ? "gets lower layers than wanted" : "",
  ].filter((reason) => reason !== "");
  return reasons.length > 0 ? `: ${reasons.join(", ")}` : "";
}

/** "one layer", "1.5 layers" */
export function layersInWords(count: number): string {
  return count === 1 ? "one layer" : `${Number.isInteger(count) ? count : count.toFixed(1)} layers`;
}

/** Bits per second. */
export function kbps(bps: number): string {
  return `${Math.round(bps / 1000)} kbit/s`;
}

/** Why a layer is another one. */
export const LAYER_REASONS = {
  wanted: "the client wants it",
  bandwidth: "for want of bandwidth",
  publisher: "nothing nearer to what the client wants is sent",
} as const;

/** Details of an end that say no more than its reason in words. */
export const ENDS_WITHOUT_DETAIL: ReadonlySet<string> = new Set([
  "",
  "the client left",
  "removed through the API",
  "the room was closed",
  "the same identity joined again",
]);
