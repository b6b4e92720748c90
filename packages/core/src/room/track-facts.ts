/**
 * What the media worker is told of a publisher's tracks (`TrackSpec`). Invariants: the facts of a track come before the
 * first list of receivers that names it, and again whenever they change; a track whose facts were told is removed once.
 */
import { Encryption_Type, TrackSource, TrackType, VideoLayer_Mode, type TrackInfo } from "@livekit/protocol";
import type { LayerMode, ReceiverSpec, TrackSourceName, TrackSpec } from "../engine/protocol.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink } from "./peer-link.ts";
import type { TrackSid } from "./sid.ts";
import type { RoomState } from "./state.ts";

const NO_BYTES = new Uint8Array(0);

/** Tells where a publisher's media comes in, and before that what it is. */
export function setReceivers(
  room: RoomState,
  participant: Participant,
  link: PeerLink,
  receivers: readonly ReceiverSpec[],
): void {
  for (const { track } of receivers) {
    const info = infoOf(participant, track);
    if (info) tell(room, participant, info);
  }
  room.media({ type: "setReceivers", peer: link.peer, receivers });
}

/** Something about a track has changed; one that the worker does not know yet is told with its receiver. */
export function tellTrack(room: RoomState, participant: Participant, sid: TrackSid): void {
  const info = participant.toldTracks.has(sid) ? infoOf(participant, sid) : undefined;
  if (info) tell(room, participant, info);
}

/** The track ended. */
export function forgetTrack(room: RoomState, participant: Participant, sid: TrackSid): void {
  if (participant.toldTracks.delete(sid)) room.media({ type: "removeTrack", track: sid });
}

/** All tracks of a participant that leaves, announced ones too. */
export function forgetTracks(room: RoomState, participant: Participant): void {
  for (const sid of participant.toldTracks.keys()) forgetTrack(room, participant, sid);
}

function tell(room: RoomState, participant: Participant, info: TrackInfo): void {
  const spec = describe(room, participant, info);
  const text = JSON.stringify(spec);
  if (participant.toldTracks.get(info.sid) === text) return;
  participant.toldTracks.set(info.sid, text);
  room.media({ type: "setTrack", track: info.sid, spec });
}

function describe(room: RoomState, participant: Participant, info: TrackInfo): TrackSpec {
  const encrypted = info.encryption !== Encryption_Type.NONE;
  return {
    room: room.options.sid,
    participant: participant.sid,
    kind: info.type === TrackType.VIDEO ? "video" : "audio",
    source: SOURCES[info.source] ?? "unknown",
    codecs: info.codecs.map((codec) => ({
      mime: codec.mimeType.toLowerCase(),
      layerMode: LAYER_MODES[codec.videoLayerMode] ?? "simulcast",
    })),
    packetTrailers: info.packetTrailerFeatures.length > 0,
    encrypted,
    trailer: encrypted ? room.sifTrailer : NO_BYTES,
    regressedTo: participant.tracks.get(info.sid)?.regressedTo ?? -1,
  };
}

/** Of a published track, or of one that waits for its media. */
function infoOf(participant: Participant, sid: TrackSid): TrackInfo | undefined {
  const published = participant.tracks.get(sid);
  if (published) return published.info;
  for (const pending of participant.pending.values()) {
    const info = pending.infos.find((one) => one.sid === sid);
    if (info) return info;
  }
  return undefined;
}

const SOURCES: Partial<Record<TrackSource, TrackSourceName>> = {
  [TrackSource.CAMERA]: "camera",
  [TrackSource.MICROPHONE]: "microphone",
  [TrackSource.SCREEN_SHARE]: "screenShare",
  [TrackSource.SCREEN_SHARE_AUDIO]: "screenShareAudio",
};

const LAYER_MODES: Partial<Record<VideoLayer_Mode, LayerMode>> = {
  [VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM_INCOMPLETE_RTCP_SR]: "simulcastIncompleteReports",
  [VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM]: "svc",
};
