/**
 * Counts the data streams that begin (livekit.md 10.4), by kind, by the first part of their MIME type, by the number of
 * their named recipients and by their length, in one array of numbers that main adds up. Invariant: whatever clients
 * write, the array stays as long as it is.
 */
import type { DataStream_Header } from "@livekit/protocol";
import { Tally } from "./tally.ts";

/** The kinds, and the MIME types that are told apart; LiveKit's. */
export const STREAM_KINDS = ["text", "bytes", "unknown"] as const;
export const STREAM_MIMES = ["text", "image", "application", "audio", "video", "unknown"] as const;

/** Upper ends of the buckets. */
export const STREAM_RECIPIENTS_BOUNDS = [1, 2, 3, 4, 5, 10, 15, 25, 50] as const;
export const STREAM_BYTES_BOUNDS = [
  128, 512, 2048, 8192, 32_768, 131_072, 524_288, 2_097_152, 8_388_608, 33_554_432,
] as const;

/** A histogram is its buckets, one more for what lies beyond, and the sum. */
export const STREAM_RECIPIENTS_SLOTS = STREAM_RECIPIENTS_BOUNDS.length + 2;
const BYTES_SLOTS = STREAM_BYTES_BOUNDS.length + 2;
/** For each kind, for each MIME type: the recipients, then the bytes. */
export const STREAM_SLOTS = STREAM_RECIPIENTS_SLOTS + BYTES_SLOTS;

export class DataStreamCounts {
  readonly #tally = new Tally(STREAM_KINDS.length * STREAM_MIMES.length * STREAM_SLOTS);

  /** A stream begins; `recipients`: how many its sender named, 0 = everybody. */
  note(header: DataStream_Header, recipients: number): void {
    const at = (kindOf(header) * STREAM_MIMES.length + mimeOf(header)) * STREAM_SLOTS;
    this.#observe(at, STREAM_RECIPIENTS_BOUNDS, recipients);
    const { totalLength } = header;
    if (totalLength !== undefined)
      this.#observe(at + STREAM_RECIPIENTS_SLOTS, STREAM_BYTES_BOUNDS, Number(totalLength));
  }

  /** What was counted since the last call; undefined = nothing. */
  take(): number[] | undefined {
    return this.#tally.take();
  }

  #observe(at: number, bounds: readonly number[], value: number): void {
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#tally.add(at + bucket, 1);
    this.#tally.add(at + bounds.length + 1, value);
  }
}

function kindOf({ contentHeader }: DataStream_Header): number {
  if (contentHeader.case === "textHeader") return 0;
  return contentHeader.case === "byteHeader" ? 1 : 2;
}

function mimeOf({ mimeType }: DataStream_Header): number {
  const slash = mimeType.indexOf("/");
  const first = (slash < 0 ? mimeType : mimeType.slice(0, slash)).toLowerCase();
  const index = STREAM_MIMES.indexOf(first as (typeof STREAM_MIMES)[number]);
  return index < 0 ? STREAM_MIMES.length - 1 : index;
}
