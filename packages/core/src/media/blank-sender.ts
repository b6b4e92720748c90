/**
 * Lets streams come to rest: when one stops, frames that the server makes up follow at their pace, a bounded number of
 * them. Sound falls silent for about a second when it is muted, switched off or unsubscribed; a picture goes black when its
 * stream ends, so that whoever uses the m-line next does not show it (livekit.md 3.14).
 */
import { BlankFrames, PICTURE_FRAME_MS, SOUND_FRAME_MS } from "./blank-frames.ts";
import type { Downlink } from "./downlink.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { Slab } from "../slab.ts";
import type { Subscriber } from "./subscriber.ts";
import { isReady } from "./transport.ts";
import type { BatchTime } from "./transport.ts";

/** 1 s of silence, 0.2 s of black, as LiveKit. */
const SOUND_FRAMES = 50;
const PICTURE_FRAMES = 6;
/** Frames that are made up for at one time; a longer delay shifts the rest. */
const MAX_AT_ONCE = 4;

interface Resting {
  readonly downlink: Downlink;
  readonly trailer: Uint8Array;
  left: number;
  /** When the next frame is due, by `BatchTime.ticksMs`; undefined before the first. */
  dueTicksMs: number | undefined;
  /** The stream ends with the last frame. */
  readonly end: (() => void) | undefined;
}

export class BlankSender {
  readonly #frames: BlankFrames;
  readonly #time: BatchTime;
  readonly #writer: PacketWriter;
  readonly #resting = new Map<Downlink, Resting>();

  constructor(slab: Slab, time: BatchTime, writer: PacketWriter) {
    this.#frames = new BlankFrames(slab);
    this.#time = time;
    this.#writer = writer;
  }

  /** Frames are still to be sent. */
  get active(): boolean {
    return this.#resting.size > 0;
  }

  /** A stream may have stopped, or lost its source (`ended`): it comes to rest, if it has not yet. */
  stopped(downlink: Downlink, trailer: Uint8Array, ended: boolean): void {
    if (!downlink.restless || downlink.flows || (downlink.isVideo && !ended)) return;
    this.#begin(downlink, trailer, undefined);
  }

  /** A stream is given up: it comes to rest before `end` is called, which may be now. */
  close(downlink: Downlink, trailer: Uint8Array, end: () => void): void {
    const { left = 0, dueTicksMs } = this.#resting.get(downlink) ?? {};
    if (downlink.restless) this.#begin(downlink, trailer, end);
    else if (left > 0) this.#resting.set(downlink, { downlink, trailer, left, dueTicksMs, end });
    else end();
  }

  /** A stream that is given up must end now: another one needs its place. It rests for one frame at least. */
  settle(downlink: Downlink): void {
    const resting = this.#resting.get(downlink);
    if (!resting) return;
    if (resting.dueTicksMs === undefined) this.#send(resting);
    this.#finish(resting);
  }

  /** The connection of these streams is gone. */
  drop(subscriber: Subscriber): void {
    for (const resting of this.#resting.values()) if (resting.downlink.subscriber === subscriber) this.#finish(resting);
  }

  /** Sends the frames that are due. */
  handleTimeout(): void {
    for (const resting of this.#resting.values()) {
      // Packets flow again; or nothing may be sent under these numbers any more.
      if (resting.downlink.flows) this.#resting.delete(resting.downlink);
      else this.#send(resting);
    }
  }

  #begin(downlink: Downlink, trailer: Uint8Array, end: (() => void) | undefined): void {
    downlink.restless = false;
    const left = downlink.isVideo ? PICTURE_FRAMES : SOUND_FRAMES;
    this.#resting.set(downlink, { downlink, trailer, left, dueTicksMs: undefined, end });
  }

  #send(resting: Resting): void {
    const { downlink, trailer } = resting;
    const now = this.#time.ticksMs;
    const stepMs = downlink.isVideo ? PICTURE_FRAME_MS : SOUND_FRAME_MS;
    let due = resting.dueTicksMs ?? now;
    if (!isReady(downlink.subscriber.transport)) resting.left = 0;
    for (let i = 0; i < MAX_AT_ONCE && resting.left > 0 && ((now - due) | 0) >= 0; i++) {
      if (downlink.stream.sendBlank(this.#frames, trailer, stepMs, due, this.#writer)) resting.left--;
      else resting.left = 0;
      due = (due + stepMs) | 0;
    }
    resting.dueTicksMs = ((now - due) | 0) > 0 ? now : due;
    if (resting.left === 0) this.#finish(resting);
  }

  #finish({ downlink, end }: Resting): void {
    this.#resting.delete(downlink);
    end?.();
  }
}
