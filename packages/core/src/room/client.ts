/**
 * What a client can and cannot do: the gates of the protocol number (livekit.md 1.7) and the quirks of single SDKs.
 * The one place of the room where a client's name or version is looked at; codecs and SDP are `negotiation`'s.
 */
import { ClientInfo_Capability, ClientInfo_SDK, Codec, DisabledCodecs, type ClientInfo } from "@livekit/protocol";
import type { EnabledCodec, EnabledCodecs } from "../negotiation/types.ts";

/** What the room asks about a client. */
export interface ClientFeatures {
  /** Lets an m-line carry one track after another (≥ 4). */
  readonly transceiverReuse: boolean;
  /** Plays the tracks of one msid stream in step (≥ 10, not Firefox). */
  readonly syncStreams: boolean;
  /** Takes the subscriber peer connection as the first one (≥ 3). */
  readonly subscriberPrimary: boolean;
  /** Lets the server end its tracks (≥ 7). */
  readonly trackUnpublished: boolean;
  /** Takes changes of who speaks (≥ 3). */
  readonly speakersChanged: boolean;
  /** Wants to hear how well participants are connected (≥ 5), and knows the word LOST (≥ 11). */
  readonly connectionQuality: boolean;
  readonly lostQuality: boolean;
  /** Wants the existing tracks in the first offer (≥ 8). */
  readonly fastStart: boolean;
  /** Wants to hear after a resume who left meanwhile (≥ 9). */
  readonly disconnectedUpdates: boolean;
  /** Follows an identity over a re-join; must not be told that the old instance left (≥ 12). */
  readonly identityReconnection: boolean;
  /** Understands LeaveRequest.action (≥ 13). */
  readonly leaveAction: boolean;
  /** Understands TrackSubscribed and RequestResponse at all. */
  readonly requestResponse: boolean;
  /** Wants RequestResponse also when all went well (≥ 15). */
  readonly okResponse: boolean;
  /** Marks frames with packet trailers (≥ 17 and the capability). */
  readonly packetTrailer: boolean;
  /** Takes packet trailers off frames before it decodes them (the capability alone). */
  readonly readsTrailers: boolean;
  readonly reconnectResponse: boolean;
  /** Announces a video track in SDP before its codec is known: publish it at its first packet. */
  readonly publishAtFirstPacket: boolean;
  /** See ClientTraits. */
  readonly endsIdleReceivers: boolean;
  readonly obs: boolean;
  /** Connects to TCP candidates. */
  readonly iceTcp: boolean;
}

/** The features of a client from what it says about itself. */
export function clientFeatures(info: ClientInfo): ClientFeatures {
  const version = info.protocol;
  const understands = info.sdk !== ClientInfo_SDK.RUST || version >= 10;
  const firefox = ["firefox", "firefox mobile"].includes(info.browser.toLowerCase());
  return {
    transceiverReuse: version >= 4,
    syncStreams: version >= 10 && !firefox,
    subscriberPrimary: version >= 3,
    trackUnpublished: version >= 7,
    speakersChanged: version >= 3,
    connectionQuality: version >= 5,
    lostQuality: version >= 11,
    fastStart: version >= 8,
    disconnectedUpdates: version >= 9,
    identityReconnection: version >= 12,
    leaveAction: version >= 13,
    requestResponse: understands,
    okResponse: understands && version >= 15,
    packetTrailer: version >= 17 && info.capabilities.includes(ClientInfo_Capability.CAP_PACKET_TRAILER),
    readsTrailers: info.capabilities.includes(ClientInfo_Capability.CAP_PACKET_TRAILER),
    reconnectResponse: info.sdk !== ClientInfo_SDK.JS || !isOlder(info.version, [1, 6, 3]),
    publishAtFirstPacket: info.sdk === ClientInfo_SDK.GO,
    endsIdleReceivers: info.sdk === ClientInfo_SDK.GO,
    obs: info.browser.includes("OBS"),
    iceTcp: supportsIceTcp(info),
  };
}

/** What this client must not use; undefined when there is nothing. */
export function disabledCodecsOf(
  configured: readonly EnabledCodec[],
  enabled: EnabledCodecs,
): DisabledCodecs | undefined {
  const without = (list: readonly EnabledCodec[]) => configured.filter((codec) => !list.includes(codec));
  const codecs = without([...enabled.publish, ...enabled.subscribe]).map(protoCodec);
  const publish = without(enabled.publish)
    .filter((codec) => enabled.subscribe.includes(codec))
    .map(protoCodec);
  if (codecs.length + publish.length === 0) return undefined;
  return new DisabledCodecs({ codecs, publish });
}

/** As clients read it. */
export function protoCodec(codec: EnabledCodec): Codec {
  return new Codec({ mime: codec.mime, fmtpLine: codec.fmtp ?? "" });
}

/** The Go SDK only listens; Swift learned it in 1.0.5. */
function supportsIceTcp({ sdk, version }: ClientInfo): boolean {
  if (sdk === ClientInfo_SDK.GO) return false;
  return sdk !== ClientInfo_SDK.SWIFT || !isOlder(version, [1, 0, 5]);
}

/** Whether `version` ("1.6.2") comes before `than`; unreadable parts count as 0. */
function isOlder(version: string, than: readonly number[]): boolean {
  const parts = version.split(".", 3).map((part) => Number.parseInt(part, 10) || 0);
  for (let i = 0; i < 3; i++) {
    const difference = (parts[i] ?? 0) - (than[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
