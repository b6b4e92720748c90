/**
 * Tracks of a publisher: announced ones (AddTrack) that wait for their media, and published ones (livekit.md 1.10).
 * Invariant: a TrackInfo that was handed out is never changed; an update replaces it by a clone.
 */
import {
  AudioTrackFeature,
  BackupCodecPolicy,
  SimulcastCodecInfo,
  TrackInfo,
  TrackSource,
  TrackType,
  VideoLayer_Mode,
  type AddTrackRequest,
  type SimulcastCodec,
  type VideoLayer,
} from "@livekit/protocol";
import type { EnabledCodec } from "../negotiation/types.ts";
import type { ClientFeatures } from "./client.ts";
import type { Demand } from "./dynacast.ts";
import type { ParticipantSid, TrackSid } from "./sid.ts";

/** Announced and not published yet. */
export interface PendingTrack {
  readonly cid: string;
  /** First the one that gets the next media of this cid, then those that wait for it to end. */
  infos: TrackInfo[];
  /** The first one waits too: a published track still uses the cid. */
  queued: boolean;
}

/** Published: other participants see it and may subscribe. */
export interface PublishedTrack {
  info: TrackInfo;
  readonly publisher: ParticipantSid;
  /** The cid of its AddTrack: a queued announcement of the same cid follows when this one ends. */
  readonly cid: string;
  /** Participants that it is forwarded to. */
  readonly subscribers: Set<ParticipantSid>;
  /** The publisher was told that somebody takes it (TrackSubscribed). */
  everSubscribed: boolean;
  /** Index of the codec that everybody gets who can take it, because the publisher fell back to it; -1 = none. */
  regressedTo: number;
  /** What its subscribers want of it. */
  readonly demand: Demand;
}

/** AddTrack lists longer than this are cut: no client sends more, and each one is told to everybody. */
const MAX_CODECS = 8;
const MAX_LAYERS = 8;
const MAX_FEATURES = 16;

/** What the room knows beyond the request. */
export interface TrackContext {
  readonly sid: TrackSid;
  readonly client: ClientFeatures;
  /** In the order of JoinResponse.enabled_publish_codecs. */
  readonly codecs: readonly EnabledCodec[];
}

/** The TrackInfo that an AddTrack request announces. */
export function describeTrack(request: AddTrackRequest, context: TrackContext): TrackInfo {
  const info = new TrackInfo({
    sid: context.sid,
    type: request.type,
    name: request.name,
    width: request.width,
    height: request.height,
    muted: request.muted,
    source: request.source,
    layers: sortedLayers(request.layers),
    disableRed: request.disableRed,
    encryption: request.encryption,
    stream: request.stream || streamOf(request.source),
    backupCodecPolicy: backupPolicy(request),
    packetTrailerFeatures: context.client.packetTrailer ? unique(request.packetTrailerFeatures) : [],
  });
  const features = [...request.audioFeatures];
  if (request.stereo) features.push(AudioTrackFeature.TF_STEREO);
  if (request.disableDtx) features.push(AudioTrackFeature.TF_NO_DTX);
  setAudioFeatures(info, features);
  info.codecs = request.simulcastCodecs.length === 0 ? [unnamedCodec(request, context)] : namedCodecs(request, context);
  const primary = info.codecs[0];
  info.simulcast =
    request.simulcastCodecs.length > 0 &&
    primary !== undefined &&
    primary.videoLayerMode !== VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM &&
    primary.layers.length > 1;
  return info;
}

/** Replaces the audio features; the older stereo and disable_dtx fields say the same. */
export function setAudioFeatures(info: TrackInfo, features: readonly AudioTrackFeature[]): void {
  info.audioFeatures = unique(features);
  info.stereo = info.audioFeatures.includes(AudioTrackFeature.TF_STEREO);
  info.disableDtx = info.audioFeatures.includes(AudioTrackFeature.TF_NO_DTX);
}

/** Adds the backup codecs of a second AddTrack to a published track (livekit.md 3.5); known codecs get their cid. */
export function addBackupCodecs(info: TrackInfo, request: AddTrackRequest, context: TrackContext): TrackInfo {
  const next = info.clone();
  for (const offered of request.simulcastCodecs.slice(0, MAX_CODECS)) {
    const mimeType = enabledMime(offered.codec, info.type, context.codecs);
    const known = next.codecs.find((codec) => sameCodec(codec.mimeType, mimeType));
    if (known) {
      known.cid = offered.cid;
      if (offered.layers.length > 0) known.layers = sortedLayers(offered.layers);
    } else if (next.codecs.length < MAX_CODECS) {
      next.codecs.push(codecInfo(offered, mimeType, request, context));
    }
  }
  return next;
}

/** Whether the cid belongs to this track: of its AddTrack, of one of its codecs, or as the SDP calls it. */
export function hasCid(info: TrackInfo, cid: string): boolean {
  return info.codecs.some((codec) => codec.cid === cid || codec.sdpCid === cid);
}

/** Codec names compare without case: "video/VP8" is "video/vp8". */
export function sameCodec(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** A request without codecs: the one codec has no name until the media is there. */
function unnamedCodec(request: AddTrackRequest, context: TrackContext): SimulcastCodecInfo {
  return new SimulcastCodecInfo({
    cid: request.cid,
    layers: sortedLayers(request.layers),
    videoLayerMode: oneLayerMode(context.client),
  });
}

function namedCodecs(request: AddTrackRequest, context: TrackContext): SimulcastCodecInfo[] {
  const codecs: SimulcastCodecInfo[] = [];
  for (const offered of request.simulcastCodecs.slice(0, MAX_CODECS)) {
    const mimeType = enabledMime(offered.codec, request.type, context.codecs);
    if (codecs.some((codec) => sameCodec(codec.mimeType, mimeType))) continue;
    codecs.push(codecInfo(offered, mimeType, request, context));
  }
  return codecs;
}

function codecInfo(
  offered: SimulcastCodec,
  mimeType: string,
  request: AddTrackRequest,
  context: TrackContext,
): SimulcastCodecInfo {
  return new SimulcastCodecInfo({
    mimeType,
    cid: offered.cid,
    layers: sortedLayers(offered.layers.length > 0 ? offered.layers : request.layers),
    videoLayerMode: layerMode(offered, mimeType, request.type, context.client),
  });
}

/** The codec as this server calls it; one that is not enabled is replaced by the first enabled one of the kind. */
function enabledMime(name: string, type: TrackType, enabled: readonly EnabledCodec[]): string {
  const prefix = type === TrackType.VIDEO ? "video/" : "audio/";
  const wanted = name.toLowerCase().startsWith(prefix) ? name : prefix + name;
  const ofKind = enabled.filter((codec) => codec.mime.toLowerCase().startsWith(prefix));
  const match = ofKind.find((codec) => sameCodec(codec.mime, wanted)) ?? ofKind[0];
  return match?.mime ?? (type === TrackType.VIDEO ? "video/VP8" : "audio/opus");
}

function layerMode(
  offered: SimulcastCodec,
  mimeType: string,
  type: TrackType,
  client: ClientFeatures,
): VideoLayer_Mode {
  if (type !== TrackType.VIDEO || offered.videoLayerMode !== VideoLayer_Mode.MODE_UNUSED) return offered.videoLayerMode;
  const svc = sameCodec(mimeType, "video/vp9") || sameCodec(mimeType, "video/av1");
  return svc ? VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM : oneLayerMode(client);
}

/** OBS leaves out the RTCP sender reports of single layers. */
function oneLayerMode(client: ClientFeatures): VideoLayer_Mode {
  return client.obs
    ? VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM_INCOMPLETE_RTCP_SR
    : VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM;
}

/** Audio publishes its codecs side by side unless regression is asked for by name. */
function backupPolicy(request: AddTrackRequest): BackupCodecPolicy {
  if (request.type === TrackType.AUDIO && request.backupCodecPolicy !== BackupCodecPolicy.REGRESSION) {
    return BackupCodecPolicy.SIMULCAST;
  }
  return request.backupCodecPolicy;
}

/** Sources that belong together share a stream, so that a client plays them in step. */
function streamOf(source: TrackSource): string {
  switch (source) {
    case TrackSource.SCREEN_SHARE:
    case TrackSource.SCREEN_SHARE_AUDIO:
      return "screen";
    case TrackSource.CAMERA:
    case TrackSource.MICROPHONE:
      return "camera";
    default:
      return "unknown";
  }
}

/** Without the RIDs: they are ours to fill in, from the SDP. */
function sortedLayers(layers: readonly VideoLayer[]): VideoLayer[] {
  const sorted = layers.slice(0, MAX_LAYERS).map((layer) => layer.clone());
  for (const layer of sorted) layer.rid = "";
  return sorted.sort((a, b) => a.quality - b.quality);
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)].slice(0, MAX_FEATURES);
}
