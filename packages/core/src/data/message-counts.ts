/** Counts what becomes of data messages, by channel, in one array of numbers that main adds up once a second. */
import { DATA_TRACK_LABEL, LOSSY_LABEL } from "./labels.ts";
import { Tally } from "./tally.ts";

/** The channels that are told apart; one with a label of the client's own counts as reliable. */
export const DATA_CHANNELS = ["reliable", "lossy", "data_track"] as const;

/** What becomes of a message that comes in: the first two; and of each one that goes out: the others. */
export const DATA_OUTCOMES = ["relayed", "refused", "sent", "stale", "full", "slow", "too_long", "no_channel"] as const;

export const RELAYED = 0;
/** Not a message, not allowed, a repeat, or of a kind that is not relayed. */
export const REFUSED = 1;
export const SENT = 2;
/** It waited too long, or another packet of its frame was dropped. */
export const STALE = 3;
/** As much as may be waits already. */
export const FULL = 4;
/** Its receiver is below `rtc.datachannel_slow_threshold`. */
export const SLOW = 5;
/** Longer than its receiver takes. */
export const TOO_LONG = 6;
/** Its receiver has no such channel open, and the message cannot wait. */
export const NO_CHANNEL = 7;

export type DataChannelIndex = 0 | 1 | 2;
export type DataOutcome = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** The place of a label in `DATA_CHANNELS`. */
export function channelIndex(label: string): DataChannelIndex {
  if (label === DATA_TRACK_LABEL) return 2;
  return label === LOSSY_LABEL ? 1 : 0;
}

export class MessageCounts {
  readonly #tally = new Tally(DATA_CHANNELS.length * DATA_OUTCOMES.length);

  note(channel: DataChannelIndex, outcome: DataOutcome): void {
    this.#tally.add(channel * DATA_OUTCOMES.length + outcome, 1);
  }

  /** All outcomes for each channel since the last call; undefined = nothing happened. */
  take(): number[] | undefined {
    return this.#tally.take();
  }
}
