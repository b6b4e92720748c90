/**
 * The senders of one peer: a lane for each of LiveKit's labels, between the relay and SCTP. A receiver that is slow or
 * stalled fills its own lanes and nobody else's; what happens then is LiveKit's, without blocking anybody
 * (docs/decisions/0006-data-sender.md).
 *
 * Invariant: whoever lets time or packets reach the peer calls `advance` after it, so that nothing waits for an event.
 */
import { earlier, NEVER } from "../clock.ts";
import type { SendOutcome } from "../peer/data-transport.ts";
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
import type { SendPort } from "./sender/send-port.ts";
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

/** What a peer has to offer; `Peer` does. */
export interface LanePeer {
  sendData(channel: number, data: Uint8Array, binary: boolean, nowMs: number): SendOutcome;
  bufferedAmount(channel: number): number;
  setLowWater(channel: number, bytes: number): void;
}

/** Reliable messages are refused beyond this; as long as nobody asked for a threshold, the only bound. */
const RELIABLE_BYTES = 16 << 20;
const RELIABLE_FRAMES = 1 << 16;
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
    lane.sender.attach(new ChannelPort(this.#peer, channel), nowMs);
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
    if (label === RELIABLE_LABEL && this.#isSlow(sender, nowMs)) {
      this.#onFate(index, SLOW);
      return "full";
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
   * Whether publishers should wait: much is queued for a receiver that is worth waiting for. `addressed`: for one that the
   * publisher named, and that is to get all of it, however slow it is.
   */
  isCongested(addressed: boolean, nowMs: number): boolean {
    const sender = this.#lane(RELIABLE_LABEL)?.sender;
    // Asked for every message and receiver; nearly always nothing waits.
    if (!sender?.attached || sender.waitingBytes === 0) return false;
    const { waitingBytes, drainBps } = sender;
    const stalledMs = sender.stalledMs(nowMs);
    if (this.#options.slowThresholdBps > 0) {
      const most = stalledMs < STALLED_MS ? CONGESTED_BYTES : STALLED_BYTES;
      return waitingBytes > most && !this.#isSlow(sender, nowMs);
    }
    if (stalledMs >= GIVEN_UP_MS) return false;
    const brisk = drainBps < 0 || drainBps >= BRISK_BPS;
    if (waitingBytes > this.#mostBytes / 2) return brisk || addressed;
    return brisk && stalledMs < STALLED_MS && waitingBytes > this.#mostBytes / 8;
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

  #isSlow(sender: ChannelSender, nowMs: number): boolean {
    const threshold = this.#options.slowThresholdBps;
    if (threshold === 0 || sender.waitedMs(nowMs) < PATIENCE_MS) return false;
    const { drainBps } = sender;
    return drainBps >= 0 && drainBps < threshold;
  }
}

/** What may wait in a lane, if `usual` is what is sensible. */
function mostBytes(usual: number, { slowThresholdBps, maxBufferedBytes }: LaneOptions): number {
  const asked = slowThresholdBps > 0 ? 0 : maxBufferedBytes;
  return asked > 0 ? Math.max(asked, MIN_BYTES) : usual;
}

function newSender(label: string, options: LaneOptions): ChannelSender {
  // How long a message may be is between SCTP and the client.
  const maxPayloadBytes = NEVER;
  if (label === RELIABLE_LABEL) {
    const bounds = { maxFrames: RELIABLE_FRAMES, maxBytes: mostBytes(RELIABLE_BYTES, options), maxPayloadBytes };
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

/** One channel of a peer. */
class ChannelPort implements SendPort {
  readonly channel: number;
  readonly #peer: LanePeer;

  constructor(peer: LanePeer, channel: number) {
    this.#peer = peer;
    this.channel = channel;
  }

  send(payload: Uint8Array, nowMs: number): SendOutcome {
    return this.#peer.sendData(this.channel, payload, true, nowMs);
  }

  bufferedAmount(): number {
    return this.#peer.bufferedAmount(this.channel);
  }

  setLowWater(bytes: number): void {
    this.#peer.setLowWater(this.channel, bytes);
  }
}
