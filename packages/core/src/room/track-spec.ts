/** A published or announced track in the words of the media worker. */
import { Encryption_Type, TrackSource, TrackType, VideoLayer_Mode, type TrackInfo } from "@livekit/protocol";
import type { LayerMode, TrackSourceName, TrackSpec } from "../engine/specs.ts";
import type { Participant } from "./participant.ts";
import type { RoomState } from "./state.ts";

const NO_BYTES = new Uint8Array(0);

/** What a worker is to know of a track of this participant. */
export function trackSpec(room: RoomState, participant: Participant, info: TrackInfo): TrackSpec {
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
