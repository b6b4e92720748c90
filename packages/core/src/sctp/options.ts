/** What an association is made of, and the figures of its timers and bounds with the reason for each. */
import type { DtlsRole, Random } from "../crypto.ts";

/** Options of `SctpAssociation`. */
export interface SctpOptions {
  readonly random: Random;
  /** Our DTLS role: the client opens even stream ids, the server odd ones (RFC 8832 section 6). */
  readonly role: DtlsRole;
  /** Largest message the peer takes in bytes (`a=max-message-size`); 0 = any size. */
  readonly maxMessageSize: number;
  /** Default 5000. */
  readonly localPort?: number;
  /** Default 5000. */
  readonly remotePort?: number;
  /** Largest SCTP packet in bytes, a multiple of 4. Default 1,160: with DTLS 1.2 AES-GCM (37 bytes) just under 1,200. */
  readonly mtu?: number;
  readonly limits?: SctpLimits;
}

/**
 * Bounds of the memory and the patience of one association.
 *
 * Whatever its peer and its owner do, it holds at most: `sendBufferBytes` of messages to send and one message more; four times
 * `receiveWindowBytes` of what came (twice the window for what fills gaps, and a growing buffer may be twice as long as what is in it);
 * and 12 MiB for 1,024 channels with labels of 4,096 characters and for its tables. By default 44 MiB; `memory.test.ts` attacks it.
 */
export interface SctpLimits {
  /**
   * Bytes of messages that are queued or not yet acknowledged, over all channels; `send` answers "full" beyond.
   * Each message counts 256 bytes more than its data. Default 16 MiB: twice the largest congestion window.
   */
  readonly sendBufferBytes?: number;
  /**
   * Receive window: bytes that may wait for a missing fragment or for `pollEvent`. Default 4 MiB (880 Mbit/s at 20 ms);
   * at least twice `maxReceiveMessageBytes`, so that a message in pieces cannot block itself.
   */
  readonly receiveWindowBytes?: number;
  /** Largest message we take, as our SDP says; a longer one is dropped and counted. Default 256 KiB. */
  readonly maxReceiveMessageBytes?: number;
  /** Timeouts in a row after which the peer is gone. Default 24: about a minute, longer than ICE consent (RFC 7675). */
  readonly maxTimeouts?: number;
}

/** The options with every default filled in. */
export interface SctpSettings {
  readonly random: Random;
  readonly role: DtlsRole;
  readonly localPort: number;
  readonly remotePort: number;
  readonly mtu: number;
  readonly maxSendMessageBytes: number;
  readonly sendBufferBytes: number;
  readonly receiveWindowBytes: number;
  readonly maxReceiveMessageBytes: number;
  readonly maxTimeouts: number;
}

/** What a stored message or fragment costs beyond its bytes, in V8's heap: a peer could fill that with empty messages. */
export const ITEM_OVERHEAD_BYTES = 256;

/** Streams in both directions, as RFC 8831 section 6.2 asks. */
export const STREAM_COUNT = 65_535;

/** Channels that may be open at once; also what libwebrtc can have. */
export const MAX_CHANNELS = 1024;

/** Handshake messages sent before `connect` fails: about 40 s. */
export const MAX_INIT_SENDS = 16;

/** No heartbeat while data is acknowledged within this. */
export const HEARTBEAT_INTERVAL_MS = 30_000;

/** How long a SACK may wait for a second packet. Short, because peers' lowest RTO may be short as well. */
export const SACK_DELAY_MS = 20;

/** Fills in the defaults. */
export function resolveSettings(options: SctpOptions): SctpSettings {
  const limits = options.limits ?? {};
  const maxReceiveMessageBytes = limits.maxReceiveMessageBytes ?? 256 * 1024;
  return {
    random: options.random,
    role: options.role,
    localPort: options.localPort ?? 5000,
    remotePort: options.remotePort ?? 5000,
    mtu: (options.mtu ?? 1160) & -4,
    maxSendMessageBytes: options.maxMessageSize === 0 ? Number.POSITIVE_INFINITY : options.maxMessageSize,
    sendBufferBytes: limits.sendBufferBytes ?? 16 * 1024 * 1024,
    receiveWindowBytes: Math.max(limits.receiveWindowBytes ?? 4 * 1024 * 1024, 2 * maxReceiveMessageBytes),
    maxReceiveMessageBytes,
    maxTimeouts: limits.maxTimeouts ?? 24,
  };
}
