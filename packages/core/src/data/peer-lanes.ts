/**
 * The senders of one peer: a lane for each of LiveKit's labels, between the relay and SCTP. A receiver that is slow or
 * stalled fills its own lanes and nobody else's; what happens then is LiveKit's, without blocking anybody
 * (docs/decisions/0006-data-sender.md).
 *
 * Invariant: whoever lets time or packets reach the peer calls `advance` after it, so that nothing waits for an event.
 */
import { earlier, NEVER } from "../clock.ts";
import type { SendOutcome } from "../peer/data-transport.ts";
import { type LanePeer, LanePort } from "./lane-port.ts";
import { DATA_TRACK_LABEL, LOSSY_LABEL, RELIABLE_LABEL } from "./labels.ts";
import {
  channelIndex,
  type DataChannelIndex,
  type DataOutcome,
  FULL,
  SENT,
  SLOW,
  STALE,
  TOO_LONG,
} from "./message-counts.ts";
import { ChannelSender } from "./sender/channel-sender.ts";
import type { Fate } from "./sender/frame-queue.ts";
import type { FrameSource } from "./sender/frame-in-parts.ts";
import { LOSSY_MARKS, RELIABLE_MARKS } from "./sender/water-marks.ts";

/** LiveKit's settings for slow receivers. */
export interface LaneOptions {
  /** `rtc.datachannel_slow_threshold`: a reliable receiver below this many bits per second loses messages. 0 = off. */
  readonly slowThresholdBps: number;
  /** `rtc.datachannel_lossy_target_latency`: what waits longer is dropped. 0 = off. */
  readonly lossyTargetMs: number;
  /** `rtc.datachannel_data_track_target_latency`, likewise. */
  readonly dataTrackTargetMs: number;
  /** `rtc.data_channel_max_buffered_amount`: bytes that may wait for a receiver in one channel, if there is no threshold; 0 = what is sensible. */
  readonly maxBufferedBytes: number;
}

/** LiveKit's defaults. */
export const DEFAULT_LANES: LaneOptions = {
  slowThresholdBps: 0,
  lossyTargetMs: 0,
  dataTrackTargetMs: 100,
  maxBufferedBytes: 0,
};

/** What became of a message for this peer. */
export type OnFate = (channel: DataChannelIndex, outcome: DataOutcome) => void;

/** Reliable messages are refused beyond this; as long as nobody asked for a threshold, the only bound. */
const RELIABLE_BYTES = 16 << 20;
const RELIABLE_FRAMES = 1 << 16;
/** This part more is for those of whom little waits: what others fill is not full for them. */
const SPARE_PART = 1 / 16;
/** More than the mark of a channel and what is under way. */
const RECALL_BYTES = 2 << 20;
const LOSSY_BYTES = 1 << 20;
const LOSSY_FRAMES = 1 << 13;
/** How long a message may wait before its receiver can count as slow; LiveKit's patience with one write. */
const PATIENCE_MS = 50;
/**
 * With a threshold: what may wait for a receiver before its publishers are held back, and the least mark of its channel.
 * Little, because all of it is old news to a receiver that turns out to be slow; LiveKit lets one message wait.
 */
const CONGESTED_BYTES = 16 << 10;
const MIN_MARK_BYTES = 8 << 10;
/** A receiver that takes nothing for this long holds nobody back before there is more, while it is found out to be slow. */
const STALLED_MS = 200;
const STALLED_BYTES = 256 << 10;

/**
 * Without a threshold: a receiver that takes this much is waited for when an eighth of what may wait does. One that is slower loses messages
 * rather than slow everybody, unless they are for it by name. One that takes nothing for so long is not waited for.
 */
const BRISK_BPS = 1_000_000;
const GIVEN_UP_MS = 2000;

/** Whoever has no more waiting than this, or than its share where many have, fills nothing. */
const LITTLE_BYTES = 64 << 10;

/** However little may wait, a message of any length that clients send may. */
const MIN_BYTES = 256 << 10;

/** The sender for one label, and the channel it uses now. */
interface Lane {
  readonly label: string;
  readonly index: DataChannelIndex;
  readonly sender: ChannelSender;
  /** For each message that it took. */
  readonly done: (fate: Fate) => void;
  channel: number;
}

/** The peer is gone: what waited for it is not lost to anybody. */
const OUTCOMES: Readonly<Record<Fate, DataOutcome | undefined>> = {
  sent: SENT,
  evicted: FULL,
  expired: STALE,
  failed: TOO_LONG,
  closed: undefined,
};

/** See the file's head. */
export class PeerLanes {
  readonly #peer: LanePeer;
  readonly #options: LaneOptions;
  readonly #onFate: OnFate;
  /** What may wait in the reliable lane. */
  readonly #mostBytes: number;
  readonly #lanes: Lane[] = [];
  /** Labels of all open channels, the client's own included. */
  readonly #labels = new Map<number, string>();

  constructor(peer: LanePeer, options: LaneOptions, onFate: OnFate = () => undefined) {
    this.#peer = peer;
    this.#options = options;
    this.#onFate = onFate;
    this.#mostBytes = mostBytes(RELIABLE_BYTES, options);
  }

  /** The label of an open channel. */
  label(channel: number): string | undefined {
    return this.#labels.get(channel);
  }

  /** Whether messages can be sent on this label. */
  isOpen(label: string): boolean {
    return this.#lane(label)?.sender.attached === true;
  }

  /**
   * A channel is open; of several with one label the last one counts. What waits goes out on it; before that, what the one
   * before it was given lately and is `missing`, if that can be told. Gives the number of those.
   */
  open(label: string, channel: number, nowMs: number, missing?: (payload: Uint8Array) => boolean): number {
    this.#labels.set(channel, label);
    if (label !== RELIABLE_LABEL && label !== LOSSY_LABEL && label !== DATA_TRACK_LABEL) return 0;
    let recalled = 0;
    let lane = this.#lane(label);
    if (!lane) this.#lanes.push((lane = this.#newLane(label, channel)));
    else if (missing) recalled = lane.sender.recall(missing, nowMs);
    lane.channel = channel;
    lane.sender.attach(new LanePort(this.#peer, channel), nowMs);
    return recalled;
  }

  /** A channel is gone. What waits in its lane goes out on the next one of this label. */
  closed(channel: number): void {
    const lane = this.#lane(this.#labels.get(channel));
    if (lane?.channel === channel) lane.sender.detach();
    this.#labels.delete(channel);
  }

  /** Sends or keeps a message, of one of several sources or not; "full" when this receiver has more to take than it can. */
  send(label: string, bytes: Uint8Array, nowMs: number, source?: FrameSource): SendOutcome {
    const lane = this.#lane(label);
    if (!lane?.sender.attached) return "closed";
    const { index, sender, done } = lane;
    if (label === RELIABLE_LABEL) {
      const refusal = this.#refusal(sender, bytes.length, nowMs, source);
      if (refusal !== undefined) {
        this.#onFate(index, refusal);
        return "full";
      }
    }
    const offer = sender.offer(bytes, nowMs, done, source);
    if (offer === "sent" || offer === "queued") return "queued";
    this.#onFate(index, offer === "tooLarge" ? TOO_LONG : FULL);
    return offer === "tooLarge" ? "tooLarge" : "full";
  }

  /** Whether there was a channel of this label and is none now. */
  isLost(label: string): boolean {
    return this.#lane(label)?.sender.attached === false;
  }

  /** Something has happened to the peer: what waits goes out if there is room now. */
  advance(nowMs: number): void {
    for (const { sender } of this.#lanes) if (sender.waitingFrames > 0) sender.handleDrained(nowMs);
  }

  nextTimeoutMs(): number {
    let dueMs = NEVER;
    for (const { sender } of this.#lanes) dueMs = earlier(dueMs, sender.nextTimeoutMs());
    return dueMs;
  }

  /**
   * Whether a publisher of reliable messages should wait: more is queued than should be for a receiver that is worth waiting
   * for, and `source` is one of those that fill it. `addressed`: for one that the publisher named, and that is to get all of
   * it, however slow it is.
   */
  isCongested(addressed: boolean, nowMs: number, source?: FrameSource): boolean {
    const sender = this.#lane(RELIABLE_LABEL)?.sender;
    // Asked for every message and receiver; nearly always nothing waits.
    if (!sender?.attached || sender.waitingBytes === 0) return false;
    const most = this.#mostWaiting(sender, addressed, nowMs, source);
    return sender.waitingBytes > most && fills(sender, source, most);
  }

  /** The peer is gone. */
  close(): void {
    for (const { sender } of this.#lanes) sender.close();
  }

  #newLane(label: string, channel: number): Lane {
    const index = channelIndex(label);
    const done = (fate: Fate): void => {
      const outcome = OUTCOMES[fate];
      if (outcome !== undefined) this.#onFate(index, outcome);
    };
    return { label, index, sender: newSender(label, this.#options), done, channel };
  }

  #lane(label: string | undefined): Lane | undefined {
    for (const lane of this.#lanes) if (lane.label === label) return lane;
    return undefined;
  }

  /** Why a reliable message is not taken, if so. */
  #refusal(sender: ChannelSender, bytes: number, nowMs: number, source?: FrameSource): DataOutcome | undefined {
    if (this.#isSlow(sender, nowMs, source)) return SLOW;
    const hasRoom = sender.waitingBytes + bytes <= this.#mostBytes && sender.waitingFrames < RELIABLE_FRAMES;
    return hasRoom || !fills(sender, source, this.#mostBytes) ? undefined : FULL;
  }

  /** What may wait for the receiver before those that fill its lane wait; all there can be if it is not worth that. */
  #mostWaiting(sender: ChannelSender, addressed: boolean, nowMs: number, source?: FrameSource): number {
    const stalledMs = sender.stalledMs(nowMs);
    if (this.#options.slowThresholdBps > 0) {
      if (this.#isSlow(sender, nowMs, source)) return NEVER;
      return stalledMs < STALLED_MS ? CONGESTED_BYTES : STALLED_BYTES;
    }
    if (stalledMs >= GIVEN_UP_MS) return NEVER;
    const brisk = sender.drainBps < 0 || sender.drainBps >= BRISK_BPS;
    if (brisk && stalledMs < STALLED_MS) return this.#mostBytes / 8;
    return brisk || addressed ? this.#mostBytes / 2 : NEVER;
  }

  /** Messages of this source have been waiting for a receiver that takes less than it should. */
  #isSlow(sender: ChannelSender, nowMs: number, source?: FrameSource): boolean {
    const threshold = this.#options.slowThresholdBps;
    if (threshold === 0 || sender.waitedMs(nowMs, source) < PATIENCE_MS) return false;
    const { drainBps } = sender;
    return drainBps >= 0 && drainBps < threshold;
  }
}

/** What may wait in a lane, if `usual` is what is sensible. */
function mostBytes(usual: number, { slowThresholdBps, maxBufferedBytes }: LaneOptions): number {
  const asked = slowThresholdBps > 0 ? 0 : maxBufferedBytes;
  return asked > 0 ? Math.max(asked, MIN_BYTES) : usual;
}

/**
 * Whether a source is one of those that fill a lane in which `most` bytes may wait. However many wait, one of them has more
 * than its share: those that fill nothing cannot fill it together.
 */
function fills(sender: ChannelSender, source: FrameSource | undefined, most: number): boolean {
  return sender.waitingBytesOf(source) > Math.min(LITTLE_BYTES, most / sender.waitingSources);
}

function newSender(label: string, options: LaneOptions): ChannelSender {
  // How long a message may be is between SCTP and the client.
  const maxPayloadBytes = NEVER;
  if (label === RELIABLE_LABEL) {
    const maxBytes = mostBytes(RELIABLE_BYTES, options) * (1 + SPARE_PART);
    const bounds = { maxFrames: RELIABLE_FRAMES * (1 + SPARE_PART), maxBytes, maxPayloadBytes };
    const marks = options.slowThresholdBps > 0 ? { ...RELIABLE_MARKS, minBytes: MIN_MARK_BYTES } : RELIABLE_MARKS;
    return new ChannelSender({ overflow: "dropNewest", marks, recallBytes: RECALL_BYTES, ...bounds });
  }
  const targetMs = label === LOSSY_LABEL ? options.lossyTargetMs : options.dataTrackTargetMs;
  return new ChannelSender({
    overflow: "dropOldest",
    maxFrames: LOSSY_FRAMES,
    maxBytes: Math.min(LOSSY_BYTES, mostBytes(LOSSY_BYTES, options)),
    maxPayloadBytes,
    ttlMs: targetMs > 0 ? targetMs : NEVER,
    marks: targetMs > 0 ? { ...LOSSY_MARKS, targetMs } : LOSSY_MARKS,
  });
}
