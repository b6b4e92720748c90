/** What a peer needs of SCTP with data channels; `core/sctp` implements it and is injected, so that a peer can do without. */
import type { DtlsRole, Random } from "../crypto.ts";
import type { ChannelSpec } from "../engine/specs.ts";

/** Options of one association. */
export interface DataTransportOptions {
  readonly random: Random;
  /** Parity of the stream ids that this side opens (RFC 8832 section 6). */
  readonly role: DtlsRole;
  readonly localPort: number;
  readonly remotePort: number;
  /** Largest message that the other side takes, in bytes; 0 = any size. */
  readonly maxMessageSize: number;
  /** Largest SCTP packet, in bytes. */
  readonly mtu: number;
}

/** What happened on a channel. */
export type ChannelEvent =
  | {
      readonly type: "channelOpen";
      readonly channel: number;
      readonly label: string;
      readonly ordered: boolean;
      readonly maxRetransmits: number | undefined;
    }
  | { readonly type: "message"; readonly channel: number; readonly data: Uint8Array; readonly binary: boolean }
  | { readonly type: "channelClosed"; readonly channel: number }
  | { readonly type: "bufferedLow"; readonly channel: number };

/** What happened, in order. */
export type DataTransportEvent =
  | { readonly type: "connected" }
  | ChannelEvent
  | { readonly type: "closed"; readonly reason: string };

/** Explicit outcome of queueing a message; "tooLarge": longer than the other side takes. */
export type SendOutcome = "queued" | "full" | "closed" | "tooLarge";

/** An SCTP association without I/O. */
export interface DataTransport {
  connect(nowMs: number): void;
  /** Keeps no reference to `bytes`. */
  handlePacket(bytes: Uint8Array, nowMs: number): void;
  /** The next packet for DTLS, valid until the next call. */
  pollPacket(nowMs: number): Uint8Array | undefined;
  /** Stream id; may be called before the association is up. */
  openChannel(spec: ChannelSpec): number;
  closeChannel(channel: number): void;
  send(channel: number, data: Uint8Array, binary: boolean, nowMs: number): SendOutcome;
  bufferedAmount(channel: number): number;
  setLowWater(channel: number, bytes: number): void;
  nextTimeoutMs(): number;
  handleTimeout(nowMs: number): void;
  pollEvent(): DataTransportEvent | undefined;
  abort(reason: string): void;
}

/** Makes an association. */
export type DataTransportFactory = (options: DataTransportOptions) => DataTransport;
