/**
 * Passes what one client publishes on to another media worker as it came: every stream and layer, retransmissions and
 * sender reports, under the publisher's own SSRCs. The way there is a peer like any other (`target`), over a connection that
 * loses nothing; what comes back on it and is heeded are wishes for key frames.
 * Invariant: a packet goes out once, for SRTP may never protect two under one number; so losses are repaired by the publisher alone.
 */
import { SENDER_REPORT, RTCP_MIN_BYTES, rtcpType } from "@stoa/wire/rtcp/packet";
import { newRtpHeader, readRtpHeader } from "@stoa/wire/rtp/header";
import type { RelayedStream } from "../engine/events.ts";
import type { PacketSink } from "../paths.ts";
import { SLOT_BYTES } from "../slab.ts";
import type { Slab } from "../slab.ts";
import type { PeerMedia } from "./peer-media.ts";
import { isReady } from "./transport.ts";

/** What fits into a slot when it is protected: the publisher's own protection may have added less. */
const MAX_PLAIN_BYTES = SLOT_BYTES - 64;

const header = newRtpHeader();

export class Relay {
  readonly target: PeerMedia;
  readonly #publisher: PeerMedia;
  readonly #u8: Uint8Array;
  readonly #sink: PacketSink;
  #told = -1;

  constructor(publisher: PeerMedia, target: PeerMedia, slab: Slab, sink: PacketSink) {
    this.#publisher = publisher;
    this.target = target;
    this.#u8 = slab.u8;
    this.#sink = sink;
  }

  /** Other SSRCs than were last told carry the streams. */
  get changed(): boolean {
    return this.#told !== this.#publisher.bindings;
  }

  /** Which SSRCs carry the streams now: the other worker cannot learn it, for a client names its streams only at their start. */
  takeStreams(): RelayedStream[] {
    this.#told = this.#publisher.bindings;
    return this.#publisher.uplinks.map(({ spec, layers }) => ({
      mid: spec.mid,
      ssrcs: layers.map(({ ssrc, rtxSsrc }) => ({ ssrc, rtxSsrc })),
    }));
  }

  /** One plain RTP packet. */
  forward(at: number, length: number): void {
    const { transport } = this.target;
    if (length > MAX_PLAIN_BYTES || !isReady(transport) || !readRtpHeader(this.#u8, at, length, header)) return;
    const { headerLength } = header;
    const to = this.#sink.reserve();
    this.#u8.copyWithin(to, at, at + headerLength);
    // Padding goes along, for the header speaks of it.
    const total = transport.protectRtp(to, headerLength, at + headerLength, length - headerLength);
    if (total > 0) this.#sink.commit(transport.path, total);
  }

  /** One plain compound RTCP packet, if it reports on what is sent. */
  forwardReport(at: number, length: number): void {
    const { transport } = this.target;
    if (length < RTCP_MIN_BYTES || length > MAX_PLAIN_BYTES || rtcpType(this.#u8, at) !== SENDER_REPORT) return;
    if (!isReady(transport)) return;
    const to = this.#sink.reserve();
    this.#u8.copyWithin(to, at, at + length);
    const total = transport.protectRtcp(to, length);
    if (total > 0) this.#sink.commit(transport.path, total);
  }
}

/** All that `source` publishes goes to `target` from now on. */
export function startRelay(source: PeerMedia, target: PeerMedia, slab: Slab, sink: PacketSink): void {
  target.relayOf = source;
  source.relays = [...source.relays, new Relay(source, target, slab, sink)];
}

/** Nothing goes to `target` any more. */
export function endRelay(target: PeerMedia): void {
  const source = target.relayOf;
  target.relayOf = undefined;
  if (source) source.relays = source.relays.filter((relay) => relay.target !== target);
}
