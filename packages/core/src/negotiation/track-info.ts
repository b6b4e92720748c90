/** Naming rules of LiveKit tracks: msid stream ids, RIDs ↔ spatial layers ↔ VideoQuality, codec names ↔ MIME types. */

/** msid stream id (and CNAME): clients take the participant from before the bar. `stream` replaces the SID with sync_streams. */
export function streamId(publisher: string, sid: string, stream?: string): string {
  return `${publisher}|${stream || sid}`;
}

const RANKS: ReadonlyMap<string, number> = new Map([
  ["q", 0],
  ["h", 1],
  ["f", 2],
  ["2", 0],
  ["1", 1],
  ["0", 2],
]);

/** RIDs in the order of rising quality: q h f, or 2 1 0; other names are taken to be offered in rising order. */
export function sortRids(rids: readonly string[]): string[] {
  if (rids.some((rid) => !RANKS.has(rid))) return [...rids];
  return rids.toSorted((a, b) => RANKS.get(a)! - RANKS.get(b)!);
}

/** VideoQuality (0 LOW, 1 MEDIUM, 2 HIGH) of a spatial layer, given the qualities that the publisher declared (any order). */
export function qualityOfLayer(layer: number, declared: readonly number[]): number {
  const qualities = published(declared);
  return qualities[Math.min(Math.max(layer, 0), qualities.length - 1)]!;
}

/** Spatial layer for a VideoQuality, given the declared qualities: the lowest layer that is as good, else the best one. */
export function layerOfQuality(quality: number, declared: readonly number[]): number {
  const qualities = published(declared);
  const layer = qualities.findIndex((candidate) => candidate >= quality);
  return layer < 0 ? qualities.length - 1 : layer;
}

function published(declared: readonly number[]): number[] {
  const qualities = [0, 1, 2].filter((quality) => declared.includes(quality));
  return qualities.length > 0 ? qualities : [0, 1, 2];
}

const MIME_TYPES =
  "audio/opus audio/red audio/PCMU audio/PCMA video/VP8 video/VP9 video/H264 video/H265 video/AV1".split(" ");

/** "vp8" or "video/vp8" → "video/VP8", the spelling of TrackInfo; undefined for an unknown codec. */
export function trackMime(kind: "audio" | "video", codec: string): string | undefined {
  const mime = (codec.includes("/") ? codec : `${kind}/${codec}`).toLowerCase();
  return MIME_TYPES.find((known) => known.toLowerCase() === mime && known.startsWith(kind));
}

/** "video/VP8" → "vp8", the spelling of SubscribedQualityUpdate. */
export function codecName(mime: string): string {
  return mime.slice(mime.indexOf("/") + 1).toLowerCase();
}
