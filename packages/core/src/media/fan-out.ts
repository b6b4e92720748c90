/**
 * What came in since a batch began, and forwarding it at the end: of one track, or, where several have something, subscriber by
 * subscriber, so that each gets all of its packets in one go (decision 0001).
 */
import type { Announcer } from "./announcer.ts";
import type { DownlinkMarks } from "./downlink.ts";
import type { MediaTimer } from "./media-timer.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { Subscriber } from "./subscriber.ts";
import { forwardTo } from "./track.ts";
import type { Track } from "./track.ts";
import type { BatchTime } from "./transport.ts";

export class FanOut {
  /** For the downlinks that it forwards to. */
  readonly marks: DownlinkMarks = { begun: [], switched: [], keyFrameWanted: false };
  readonly #time: BatchTime;
  readonly #writer: PacketWriter;
  readonly #timer: MediaTimer;
  readonly #announcer: Announcer;
  /** Tracks with pending packets; the first `#dirtyCount` hold. */
  readonly #dirty: Track[] = [];
  #dirtyCount = 0;
  /** Subscribers of several of them; the first `#touchedCount` hold. */
  readonly #touched: Subscriber[] = [];
  #touchedCount = 0;

  constructor(time: BatchTime, writer: PacketWriter, timer: MediaTimer, announcer: Announcer) {
    this.#time = time;
    this.#writer = writer;
    this.#timer = timer;
    this.#announcer = announcer;
  }

  /** Something is to be forwarded. */
  get pending(): boolean {
    return this.#dirtyCount > 0;
  }

  /** A packet of this track came. */
  note(track: Track): void {
    if (track.dirty) return;
    track.dirty = true;
    this.#dirty[this.#dirtyCount++] = track;
  }

  /** Lets go of everybody; called between batches when somebody left. */
  forget(): void {
    this.#touched.length = 0;
  }

  /** Forwards all that is pending, and asks for what is missing in it. */
  run(nowMs: number): void {
    const count = this.#dirtyCount;
    this.#dirtyCount = 0;
    for (let i = 0; i < count; i++) this.#followLayers(this.#dirty[i]!);
    for (let i = 0; i < count; i++) this.#dirty[i]!.derive(nowMs);
    if (count === 1) {
      this.#dirty[0]!.fanOut(this.#time, this.#writer);
    } else {
      for (let i = 0; i < count; i++) this.#touch(this.#dirty[i]!);
      this.#forward();
    }
    for (let i = 0; i < count; i++) {
      const track = this.#dirty[i]!;
      track.dirty = false;
      track.clearPending();
      this.#timer.requestLosses(track, nowMs);
    }
    const { marks } = this;
    if (marks.begun.length > 0) {
      this.#announcer.tellDownlinks(marks.begun, nowMs);
      marks.begun.length = 0;
    }
    if (marks.switched.length > 0) {
      this.#announcer.tellSwitches(marks.switched);
      marks.switched.length = 0;
    }
    if (!marks.keyFrameWanted) return;
    marks.keyFrameWanted = false;
    this.#timer.wantKeyFrames();
  }

  #followLayers(track: Track): void {
    if (!track.followLayers()) return;
    this.#timer.wantKeyFrames();
    this.#announcer.tellLayers(track);
  }

  #touch(track: Track): void {
    for (let i = 0; i < track.downlinks.length; i++) {
      const downlink = track.downlinks[i]!;
      const { subscriber } = downlink;
      if (subscriber.touchedCount === 0) this.#touched[this.#touchedCount++] = subscriber;
      subscriber.touched[subscriber.touchedCount++] = downlink;
    }
  }

  #forward(): void {
    for (let i = 0; i < this.#touchedCount; i++) {
      const subscriber = this.#touched[i]!;
      for (let k = 0; k < subscriber.touchedCount; k++) forwardTo(subscriber.touched[k]!, this.#time, this.#writer);
      subscriber.touchedCount = 0;
    }
    this.#touchedCount = 0;
  }
}
