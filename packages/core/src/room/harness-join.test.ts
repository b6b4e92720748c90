/** Who clients of the tests of this folder are, and what they ask for when they come: a present-day browser unless it says otherwise. */
import {
  AddTrackRequest,
  ClientInfo,
  type ClientInfo_Capability,
  ClientInfo_SDK,
  ParticipantInfo_Kind,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import type { VideoCodecName } from "./harness-sdp.test.ts";
import type { ConnectionOptions, Grants, JoinInput } from "./options.ts";

export const EVERYTHING: Grants = {
  canSubscribe: true,
  canPublish: true,
  canPublishData: true,
  canPublishSources: [],
  hidden: false,
  recorder: false,
  agent: false,
  canUpdateOwnMetadata: true,
  canSubscribeMetrics: false,
  canManageAgentSession: false,
};

/** What a test may say about a client; the rest is a present-day browser with one peer connection. */
export interface ClientOptions extends Partial<ConnectionOptions> {
  readonly protocol?: number;
  readonly sdk?: ClientInfo_SDK;
  readonly version?: string;
  readonly browser?: string;
  readonly capabilities?: ClientInfo_Capability[];
  readonly kind?: ParticipantInfo_Kind;
  readonly grants?: Partial<Grants>;
  /** Add these tracks and offer them in the join request. */
  readonly tracks?: readonly LocalTrack[];
  /** Leave server offers unanswered. */
  readonly silent?: boolean;
  readonly metadata?: string;
  /** Names as in SDP of what it sends and takes; otherwise it offers VP8, and takes whatever it is offered. */
  readonly videoCodecs?: readonly VideoCodecName[];
}

export interface LocalTrack {
  readonly cid: string;
  readonly kind: "audio" | "video";
  readonly muted?: boolean;
}

/** A join without tracks. */
export function joinInput(identity: string, connection: number, options: ClientOptions): JoinInput {
  return {
    connection,
    claims: {
      identity,
      name: "",
      metadata: options.metadata ?? "",
      attributes: {},
      kind: options.kind ?? ParticipantInfo_Kind.STANDARD,
      kindDetails: [],
      grants: { ...EVERYTHING, ...options.grants },
    },
    client: new ClientInfo({
      sdk: options.sdk ?? ClientInfo_SDK.JS,
      version: options.version ?? "2.23.0",
      protocol: options.protocol ?? 17,
      browser: options.browser ?? "chrome",
      browserVersion: "140.0",
      os: "linux",
      capabilities: options.capabilities ?? [],
    }),
    options: {
      peerConnections: options.peerConnections ?? "single",
      autoSubscribe: options.autoSubscribe ?? true,
      autoSubscribeDataTrack: options.autoSubscribeDataTrack ?? false,
      adaptiveStream: options.adaptiveStream ?? false,
      subscriberAllowPause: options.subscriberAllowPause,
    },
    resume: undefined,
    addTracks: [],
    publisherOffer: undefined,
  };
}

/** An AddTrack like a browser's. */
export function addTrackRequest(track: LocalTrack, more: Partial<AddTrackRequest>): AddTrackRequest {
  const { cid, kind, muted = false } = track;
  const video = kind === "video";
  return new AddTrackRequest({
    cid,
    muted,
    name: cid,
    type: video ? TrackType.VIDEO : TrackType.AUDIO,
    source: video ? TrackSource.CAMERA : TrackSource.MICROPHONE,
    width: video ? 1280 : 0,
    height: video ? 720 : 0,
    ...more,
  });
}
