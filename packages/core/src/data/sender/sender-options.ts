/** How a `ChannelSender` is made, and what it answers. */
import type { MarkLimits } from "./water-marks.ts";

/** How a sender behaves. */
export interface SenderOptions {
  /** What happens to a frame for which there is no room; "block": its producer hears `onWritable`. */
  readonly overflow: "block" | "dropOldest" | "dropNewest" | "reject";
  readonly maxFrames?: number;
  /** Also the longest frame. */
  readonly maxBytes?: number;
  /** Longest payload; default 64,000. */
  readonly maxPayloadBytes?: number;
  /** A frame that has not begun after this long is dropped. */
  readonly ttlMs?: number;
  /** Bytes of what the channel was given lately that are kept for `recall`; none by default. */
  readonly recallBytes?: number;
  readonly marks?: MarkLimits;
  /** There is room again for a frame that was "blocked". */
  readonly onWritable?: () => void;
}

/**
 * What `offer` did. "sent" and "queued": accepted. "blocked": not taken, `onWritable` follows. "dropped" and "rejected":
 * no room. "tooLarge": never. "closed": after `close`.
 */
export type Offer = "sent" | "queued" | "blocked" | "rejected" | "dropped" | "tooLarge" | "closed";

/** Frames by what became of them; `refused`: not taken, whatever the policy calls it. */
export interface SenderStats {
  offered: number;
  refused: number;
  sent: number;
  sentBytes: number;
  evicted: number;
  expired: number;
  /** The channel refused a payload for good. */
  failed: number;
}

/** What `close` hands back. */
export interface SenderReport {
  readonly unsent: readonly (readonly Uint8Array[])[];
  readonly unsentBytes: number;
  readonly stats: Readonly<SenderStats>;
}
