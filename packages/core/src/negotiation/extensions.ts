/**
 * RTP header extensions and RTCP feedback (spec of LiveKit's publisher and subscriber sides): which ones we take per kind and
 * direction. "receive" and "send" are our directions: receive = the client publishes on the m-line.
 */
import type { SdpDirection, SdpExtension } from "@stoa/wire/sdp/description";
import type { ExtensionIds, MediaKind } from "../engine/specs.ts";
import type { BandwidthFeedback } from "./types.ts";

/** Names of `ExtensionIds`. */
export type ExtensionName = keyof ExtensionIds;

/** What of the m-line flows in which direction. */
export type Flow = "receive" | "send";

/** Choices that do not depend on the m-line. */
export interface DownstreamChoice {
  readonly bandwidthFeedback: BandwidthFeedback;
  readonly playoutDelay: boolean;
}

/** How SVC streams describe their layers (AV1 RTP specification, appendix A). */
export const DEPENDENCY_DESCRIPTOR =
  "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

const URIS: Readonly<Record<ExtensionName, string>> = {
  mid: "urn:ietf:params:rtp-hdrext:sdes:mid",
  rid: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  repairedRid: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
  audioLevel: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  absSendTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
  transportCc: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
  dependencyDescriptor: DEPENDENCY_DESCRIPTOR,
  absCaptureTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
  playoutDelay: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
  frameMarking: "urn:ietf:params:rtp-hdrext:framemarking",
};

/** Ids of our own offers: one id per URI, as BUNDLE demands. */
const OFFER_IDS: Partial<Record<ExtensionName, number>> = {
  absCaptureTime: 1,
  absSendTime: 2,
  transportCc: 3,
  dependencyDescriptor: 4,
  playoutDelay: 5,
};

const RECEIVE: Readonly<Record<MediaKind, readonly ExtensionName[]>> = {
  audio: ["mid", "rid", "audioLevel", "transportCc", "absCaptureTime"],
  video: ["mid", "rid", "repairedRid", "transportCc", "frameMarking", "dependencyDescriptor", "absCaptureTime"],
};

/**
 * Extensions for one direction of an m-line. Downstream both ways of estimating are negotiated, so that a client that knows
 * only one of them has it; which one is used is `sentExtensionIds`' choice.
 */
export function extensionNames(kind: MediaKind, flow: Flow, choice: DownstreamChoice): readonly ExtensionName[] {
  if (flow === "receive") return RECEIVE[kind];
  const names: ExtensionName[] = kind === "audio" ? ["absCaptureTime"] : ["dependencyDescriptor", "absCaptureTime"];
  if (kind === "video") names.push("absSendTime");
  if (choice.bandwidthFeedback === "transport-cc") names.push("transportCc");
  if (kind === "video" && choice.playoutDelay) names.push("playoutDelay");
  return names;
}

/** RTCP feedback for one direction of an m-line. NACK for audio is answered even when it was not offered. */
export function feedbackTypes(kind: MediaKind, flow: Flow, choice: DownstreamChoice): readonly string[] {
  const types = flow === "receive" || choice.bandwidthFeedback === "transport-cc" ? ["transport-cc"] : [];
  if (kind === "audio") return [...types, "nack"];
  if (flow === "send") types.push("goog-remb");
  return [...types, "ccm fir", "nack", "nack pli"];
}

/** The `a=extmap` lines of our own offer. */
export function offeredExtensions(kind: MediaKind, choice: DownstreamChoice): SdpExtension[] {
  const extensions: SdpExtension[] = [];
  for (const name of extensionNames(kind, "send", choice)) {
    const id = OFFER_IDS[name];
    if (id !== undefined) extensions.push({ id, uri: URIS[name] });
  }
  return extensions;
}

const REVERSED: Readonly<Record<SdpDirection, SdpDirection>> = {
  sendrecv: "sendrecv",
  sendonly: "recvonly",
  recvonly: "sendonly",
  inactive: "inactive",
};

/** The author of `extension` allows this flow of ours. */
function allows(extension: SdpExtension, flow: Flow): boolean {
  const way = extension.direction ?? "sendrecv";
  return way === "sendrecv" || way === (flow === "receive" ? "sendonly" : "recvonly");
}

/** Ids that hold for one direction of an m-line, out of what the client described. */
export function extensionIds(
  described: readonly SdpExtension[],
  kind: MediaKind,
  flow: Flow,
  choice: DownstreamChoice,
): ExtensionIds {
  const ids: Partial<Record<ExtensionName, number>> = {};
  for (const name of extensionNames(kind, flow, choice)) {
    const extension = described.find((candidate) => candidate.uri === URIS[name] && allows(candidate, flow));
    // 15 is reserved in the one-byte form (RFC 8285).
    if (extension && extension.id !== 15) ids[name] = extension.id;
  }
  return ids;
}

/**
 * Ids that packets of ours carry. For the estimate of bandwidth they get one stamp only: a client that finds a
 * transport-wide number reports arrivals, and makes an estimate of its own (REMB) of what has none.
 * `feedback`: what is negotiated for the codecs of the m-line.
 */
export function sentExtensionIds(
  described: readonly SdpExtension[],
  kind: MediaKind,
  choice: DownstreamChoice,
  feedback: readonly string[],
): ExtensionIds {
  const { transportCc, absSendTime, ...ids } = extensionIds(described, kind, "send", choice);
  if (transportCc !== undefined && feedback.includes("transport-cc")) return { ...ids, transportCc };
  return absSendTime === undefined ? ids : { ...ids, absSendTime };
}

/** The `a=extmap` lines of an answer: the offered ones that are used in one of `flows`, in the offered order. */
export function answeredExtensions(
  offered: readonly SdpExtension[],
  kind: MediaKind,
  flows: readonly Flow[],
  choice: DownstreamChoice,
): SdpExtension[] {
  const ids = new Set(flows.flatMap((flow) => Object.values(extensionIds(offered, kind, flow, choice))));
  const answered: SdpExtension[] = [];
  for (const { id, uri, direction } of offered) {
    if (!ids.delete(id)) continue;
    answered.push(direction ? { id, uri, direction: REVERSED[direction] } : { id, uri });
  }
  return answered;
}
