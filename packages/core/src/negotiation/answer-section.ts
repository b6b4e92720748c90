/**
 * One audio or video m-line of the client's offer → the section of our answer and the specs for the worker.
 * Payload types, extension ids and RIDs are the offered ones; what flows is decided by the caller.
 */
import type { SdpCodec, SdpMedia } from "@stoa/wire/sdp/description";
import type { RtpSection } from "@stoa/wire/sdp/write";
import type { CodecSpec, MediaKind, ReceiverSpec, SenderSpec } from "../engine/specs.ts";
import {
  DEPENDENCY_DESCRIPTOR,
  answeredExtensions,
  extensionIds,
  feedbackTypes,
  type Flow,
  sentExtensionIds,
} from "./extensions.ts";
import {
  answeredFmtp,
  codecSpec,
  type CommonCodec,
  mergeCodecs,
  type OpusWishes,
  preferCodecs,
} from "./section-codecs.ts";
import { sortRids } from "./track-info.ts";
import type { AnswererOptions, ClientTraits, DownTrack, Publication } from "./types.ts";

/** Simulcast has at most this many spatial layers. */
const MAX_RIDS = 3;

/** A down track on an m-line, with the SSRCs that it keeps while it is there. */
export interface Downlink {
  readonly track: DownTrack;
  readonly ssrc: number;
  readonly rtxSsrc: number;
}

/** An m-line in use, and what shall flow on it. */
export interface SectionPlan {
  readonly media: SdpMedia;
  readonly mid: string;
  readonly kind: MediaKind;
  /** Codecs in common when the client sends, and when it receives. */
  readonly publish: readonly CommonCodec[];
  readonly subscribe: readonly CommonCodec[];
  /** We take what the client sends. */
  readonly receive: boolean;
  /** Whose media that is, once known, and which of its codecs. */
  readonly publication: Publication | undefined;
  readonly codecIndex: number;
  readonly down: Downlink | undefined;
}

/** What came out. */
export interface AnsweredSection {
  readonly section: RtpSection;
  /** For a receiver: without the track, which may become known only later. */
  readonly receiver: Omit<ReceiverSpec, "track"> | undefined;
  readonly sender: SenderSpec | undefined;
}

/** Negotiates one m-line. `plan.publish` or `plan.subscribe` is not empty. */
export function answerSection(plan: SectionPlan, options: AnswererOptions): AnsweredSection {
  const { media, kind, down } = plan;
  const codecs = orderCodecs(plan, options.client);
  const flows = flowsOf(plan);
  const feedback = new Set(flows.flatMap((flow) => feedbackTypes(kind, flow, options)));
  const forceNack = kind === "audio" && flows.some((flow) => flow === "receive" || asksAudioNack(down, options.client));
  if (kind === "audio" && !forceNack) feedback.delete("nack");
  const wishes = opusWishes(plan);
  const lines: SdpCodec[] = [];
  const specs = new Map<number, CodecSpec>();
  for (const common of codecs) {
    const fmtp = answeredFmtp(common, wishes);
    const taken = common.codec.feedback.filter((type) => feedback.has(type));
    if (forceNack && !taken.includes("nack")) taken.push("nack");
    lines.push({ ...common.codec, fmtp, feedback: taken });
    if (common.rtx) lines.push({ ...common.rtx, feedback: [] });
    specs.set(common.codec.payloadType, codecSpec(common, fmtp, taken.includes("nack")));
  }
  const specsOf = (side: readonly CommonCodec[]): CodecSpec[] => {
    const allowed = new Set(side.map(({ codec }) => codec.payloadType));
    return [...specs.values()].filter(({ payloadType }) => allowed.has(payloadType));
  };
  const rids = plan.receive && kind === "video" ? media.sendRids.slice(0, MAX_RIDS) : [];
  // Chromium offers on later m-lines of the bundle only extensions that were taken before: the first answers decide for all.
  const ways: readonly Flow[] = options.role === "single" ? ["receive", "send"] : ["receive"];
  const described = describedExtensions(plan, codecs[0]?.mime ?? "");
  const section = rtpSection(plan, lines, rids, answeredExtensions(described, kind, ways, options));
  const receiver = plan.receive && {
    mid: plan.mid,
    kind,
    codecs: specsOf(plan.publish),
    extensions: extensionIds(described, kind, "receive", options),
    ssrcs: rids.length > 0 ? [] : receivedSsrcs(media, plan.publication),
    rids: sortRids(rids),
    codecIndex: plan.codecIndex,
  };
  const sender = down && {
    mid: plan.mid,
    kind,
    track: down.track.sid,
    ssrc: down.ssrc,
    rtxSsrc: section.stream!.ssrcs[1] ?? 0,
    codecs: specsOf(plan.subscribe),
    extensions: sentExtensionIds(
      described,
      kind,
      options,
      lines.flatMap((line) => line.feedback),
    ),
    cname: down.track.stream,
  };
  return { section, receiver: receiver || undefined, sender };
}

/**
 * What the client describes, less the dependency descriptor where it sends one layer per stream: Chromium leaves temporal layer
 * and picture id out of the VP8 payload when the descriptor says them, and then only those who take the descriptor know them.
 */
function describedExtensions({ media, kind, receive }: SectionPlan, mime: string): SdpMedia["extensions"] {
  if (!receive || kind === "audio" || mime === "video/vp9" || mime === "video/av1") return media.extensions;
  return media.extensions.filter(({ uri }) => uri !== DEPENDENCY_DESCRIPTOR);
}

/** The client's MIME types for a publication, wanted first; lower case. */
export function wantedMimes(publication: Publication, codecIndex: number): string[] {
  const mime = publication.codecs[codecIndex]?.mime.toLowerCase() ?? "";
  if (mime !== "") return [mime];
  return publication.kind === "audio" && publication.red ? ["audio/red"] : [];
}

function orderCodecs(plan: SectionPlan, client: ClientTraits): CommonCodec[] {
  const { publication, down } = plan;
  if (publication && plan.receive) {
    const wanted = wantedMimes(publication, plan.codecIndex);
    const ordered = preferCodecs(plan.publish, wanted);
    const first = ordered[0]?.mime ?? "";
    if (plan.kind === "video" && !client.obeysCodecOrder && wanted.includes(first)) {
      return ordered.filter(({ mime }) => mime === first);
    }
    return down ? mergeCodecs(ordered, plan.subscribe) : ordered;
  }
  if (down) {
    const ordered = preferCodecs(
      plan.subscribe,
      down.track.mimes.map((mime) => mime.toLowerCase()),
    );
    return plan.receive ? mergeCodecs(ordered, plan.publish) : ordered;
  }
  if (plan.receive) return [...plan.publish];
  // Nothing flows: keep open what the client's direction tells it is for.
  const idle = plan.media.direction === "recvonly" ? plan.subscribe : mergeCodecs(plan.publish, plan.subscribe);
  return [...(idle.length > 0 ? idle : mergeCodecs(plan.publish, plan.subscribe))];
}

function flowsOf(plan: SectionPlan): Flow[] {
  const flows: Flow[] = [];
  if (plan.receive) flows.push("receive");
  if (plan.down || (!plan.receive && plan.media.direction === "recvonly")) flows.push("send");
  return flows.length > 0 ? flows : ["receive", "send"];
}

/** RED repairs loss itself; retransmissions on top would only cost. */
export function asksAudioNack(down: Downlink | undefined, client: ClientTraits): boolean {
  return !(down?.track.red && client.receivesRed);
}

function opusWishes(plan: SectionPlan): OpusWishes {
  const publication = plan.receive ? plan.publication : undefined;
  return {
    dtx: publication?.dtx ?? false,
    stereo: publication?.stereo ?? false,
    sendsStereo: plan.down?.track.stereo ?? false,
  };
}

function rtpSection(
  plan: SectionPlan,
  codecs: readonly SdpCodec[],
  rids: readonly string[],
  extensions: RtpSection["extensions"],
): RtpSection {
  const { media, down } = plan;
  const rtx = plan.kind === "video" && codecs.some(({ name }) => name.toLowerCase() === "rtx");
  const ssrcs = down ? (rtx ? [down.ssrc, down.rtxSsrc] : [down.ssrc]) : [];
  return {
    type: plan.kind,
    protocol: media.protocol,
    mid: plan.mid,
    direction: plan.receive ? (down ? "sendrecv" : "recvonly") : down ? "sendonly" : "inactive",
    codecs,
    extensions,
    rtcpRsize: media.rtcpRsize,
    receiveRids: rids,
    simulcast: media.simulcast,
    stream: down && { streamId: down.track.stream, trackId: down.track.sid, cname: down.track.stream, ssrcs },
    ssrcGroups: ssrcs.length > 1 ? [{ semantics: "FID", ssrcs }] : [],
  };
}

/** SSRCs that the description announces, lowest layer first, with their RTX. */
export function receivedSsrcs(media: SdpMedia, publication: Publication | undefined): ReceiverSpec["ssrcs"] {
  const rtxOf = new Map<number, number>();
  for (const { semantics, ssrcs } of media.ssrcGroups) {
    if (semantics === "FID" && ssrcs.length === 2) rtxOf.set(ssrcs[0]!, ssrcs[1]!);
  }
  const simulcast = media.ssrcGroups.find(({ semantics }) => semantics === "SIM");
  if (!simulcast && publication && publication.ssrcs.length > 0) return publication.ssrcs;
  const streams = simulcast ? simulcast.ssrcs.slice(0, MAX_RIDS) : media.ssrcs.slice(0, 1);
  return streams.map((ssrc) => ({ ssrc, rtxSsrc: rtxOf.get(ssrc) ?? 0 }));
}
