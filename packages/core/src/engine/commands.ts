/**
 * What the main thread tells a media worker; plain data for structured clone. Main owns rooms and SDP, a worker owns packets.
 * Lists are complete and replace the former one (the worker works out the difference), so that a repeated command changes
 * nothing.
 */
import type { PathInfo } from "../paths.ts";
import type {
  ChannelSpec,
  CongestionSpec,
  DownlinkSettings,
  MemberSpec,
  PeerId,
  PlayoutDelaySpec,
  ReceiverSpec,
  RemoteTransport,
  SenderSpec,
  TrackSpec,
} from "./specs.ts";

export type MediaCommand =
  | { readonly type: "setMember"; readonly room: string; readonly participant: string; readonly member: MemberSpec }
  | { readonly type: "removeMember"; readonly room: string; readonly participant: string }
  | {
      readonly type: "openPeer";
      readonly peer: PeerId;
      readonly room: string;
      readonly participant: string;
      /** ICE credentials that our SDP announces. */
      readonly ufrag: string;
      readonly pwd: string;
      /** Channels to open once SCTP is up; empty where the client creates them. */
      readonly channels: readonly ChannelSpec[];
      readonly congestion: CongestionSpec;
      /** Undefined: the room has none. */
      readonly playoutDelay: PlayoutDelaySpec | undefined;
      /** The client cannot read packet trailers: they are taken off what it is sent. */
      readonly stripsTrailers?: boolean;
      /** Our SDP lists no UDP candidate, because UDP failed before: checks over UDP are not answered. Absent: any will do. */
      readonly tcpOnly?: boolean;
      /** We call: the other end is at this address. Absent: the client calls. */
      readonly dial?: PathInfo;
    }
  /** First remote description, or a new one; changed remote credentials mean an ICE restart. */
  | { readonly type: "setRemote"; readonly peer: PeerId; readonly remote: RemoteTransport }
  /** New local ICE credentials (ICE restart); the old ones stay valid until a check with the new ones succeeds. */
  | {
      readonly type: "restartIce";
      readonly peer: PeerId;
      readonly ufrag: string;
      readonly pwd: string;
      /** As in `openPeer`, for checks with the new credentials. */
      readonly tcpOnly?: boolean;
    }
  | { readonly type: "setReceivers"; readonly peer: PeerId; readonly receivers: readonly ReceiverSpec[] }
  | { readonly type: "setSenders"; readonly peer: PeerId; readonly senders: readonly SenderSpec[] }
  /** Facts about a published track; before the first `setReceivers` that names it, and again when they change. */
  | { readonly type: "setTrack"; readonly track: string; readonly spec: TrackSpec }
  /** All that `publisher` publishes goes to this peer, which leads to another worker, as it comes (decision 0005); 0 = nothing. */
  | { readonly type: "setRelay"; readonly peer: PeerId; readonly publisher: PeerId }
  /** The track ended. */
  | { readonly type: "removeTrack"; readonly track: string }
  /** Holds a subscriber's bandwidth to this (bits per second); 0 lets go (SimulateScenario). */
  | { readonly type: "limitBandwidth"; readonly peer: PeerId; readonly bps: number }
  /** The publisher muted or unmuted the track: forwarding stops or resumes for everybody. */
  | { readonly type: "muteTrack"; readonly track: string; readonly muted: boolean }
  | { readonly type: "setDownlink"; readonly peer: PeerId; readonly track: string; readonly settings: DownlinkSettings }
  | { readonly type: "closePeer"; readonly peer: PeerId }
  /** Server → participants: an encoded DataPacket for these participants (SIDs); undefined = everybody in the room. */
  | {
      readonly type: "sendData";
      readonly room: string;
      readonly to: readonly string[] | undefined;
      readonly reliable: boolean;
      readonly packet: Uint8Array;
    }
  /** A participant that has come back says how far it has received whom: senders by SID, reliable sequence numbers. */
  | {
      readonly type: "noteReceived";
      readonly room: string;
      readonly participant: string;
      readonly sequences: ReadonlyMap<string, number>;
    }
  /** A participant publishes a data track; its packets name it by this handle, 1 … 65,535. */
  | { readonly type: "setDataTrack"; readonly participant: string; readonly track: string; readonly handle: number }
  /** A data track ended, with the subscriptions to it. */
  | { readonly type: "removeDataTrack"; readonly track: string }
  /** A data track goes to this participant under a handle of its own; 0 = it does not. */
  | {
      readonly type: "setDataSubscription";
      readonly participant: string;
      readonly track: string;
      readonly handle: number;
    }
  /** The answers to this call (RpcAck, RpcResponse) are for main: `rpcReply`. Until `awaited` is false. */
  | { readonly type: "awaitRpc"; readonly id: string; readonly awaited: boolean }
  | { readonly type: "shutdown" };
