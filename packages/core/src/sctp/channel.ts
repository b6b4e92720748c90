/** One data channel: what DCEP said of it (RFC 8832) and how far its closing has come (RFC 8831 section 6.7). */
import type { ChannelTerms } from "@stoa/wire/sctp/dcep";
import { NEVER } from "../clock.ts";
import type { OutboundMessage, OutboundStream } from "./outbound-message.ts";

/** How `openChannel` describes a channel. At most one of the two limits; none = reliable. */
export interface SctpChannelSpec {
  readonly label: string;
  readonly protocol?: string;
  readonly ordered: boolean;
  /** 0 = every message is sent exactly once. */
  readonly maxRetransmits?: number | undefined;
  readonly maxPacketLifeTimeMs?: number | undefined;
}

/** A channel on one pair of streams. */
export interface Channel extends ChannelTerms {
  readonly remote: boolean;
  readonly stream: OutboundStream;
  /** opening: ours, and the peer has not acknowledged it. dead: closed, but its stream id cannot be used again. */
  state: "opening" | "open" | "closing" | "dead";
  /** Our reset was handed over to be requested. */
  resetAsked: boolean;
  /** The peer reset its side. */
  remoteReset: boolean;
  /** "channelClosed" was said. */
  announcedClosed: boolean;
}

/** A message of this channel. An empty one is one byte on the wire, and `counted` tells the difference. */
export function newMessage(
  channel: Channel,
  data: Uint8Array,
  ppid: number,
  counted: boolean,
  nowMs: number,
): OutboundMessage {
  const lifeTimeMs = channel.maxPacketLifeTimeMs;
  return {
    stream: channel.stream,
    data,
    ppid,
    // Until the peer acknowledged the channel, order makes sure that it hears of it first (RFC 8832 section 6).
    unordered: !channel.ordered && channel.state !== "opening",
    maxRetransmits: channel.maxRetransmits ?? Number.POSITIVE_INFINITY,
    expiresAtMs: lifeTimeMs === undefined ? NEVER : nowMs + lifeTimeMs,
    counted,
    ssn: 0,
    sentBytes: 0,
    abandoned: false,
  };
}

/** A message of DCEP itself: always ordered and reliable. */
export function newControlMessage(stream: OutboundStream, data: Uint8Array, ppid: number): OutboundMessage {
  return {
    stream,
    data,
    ppid,
    unordered: false,
    maxRetransmits: Number.POSITIVE_INFINITY,
    expiresAtMs: NEVER,
    counted: false,
    ssn: 0,
    sentBytes: 0,
    abandoned: false,
  };
}
