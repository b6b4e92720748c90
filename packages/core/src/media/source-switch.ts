/**
 * When a stream may pass from one layer (or codec) to another, and how their clocks relate (livekit.md 3.7). Sender reports
 * tell: without those of both a running stream waits, but not for ever, for there are senders without; and a layer
 * whose pictures lie behind those shown already is refused, but not for ever, for it may always be late.
 */
import { AFTER_MUTE, MAY_WAIT, MUST_START, NO_REFERENCE } from "./continuity.ts";
import type { ReferenceKind } from "./continuity.ts";
import type { Layer } from "./layer.ts";
import type { Uplink } from "./uplink.ts";

/** While the stream is younger, nobody sees a jump of some milliseconds: the layer that is wanted is taken when it comes. */
const SETTLED_MS = 1000;
/** A sender that has not reported in this time does not. */
const REPORT_WAIT_MS = 3000;
/** So many key frames of a layer that is late are let go. */
const MAX_REFUSALS = 2;

export class SourceSwitch {
  /** The layer that packets came from last; its clock is that of the timestamps. */
  last: Layer | undefined;
  /** The publisher muted the track since packets came. */
  muted = false;
  #epoch = -1;
  /** When the stream began to run. */
  #startedMs = -1e12;
  #refusals = 0;

  /** Whether these packets continue what came last. */
  continues(layer: Layer): boolean {
    return layer === this.last && layer.epoch === this.#epoch;
  }

  /** Whether a running stream has to wait for sender reports before it can go over to `layer`. */
  waits(uplink: Uplink, layer: Layer, nowMs: number): boolean {
    const last = this.last;
    if (!last || last === layer || last.epoch !== this.#epoch || !last.alive) return false;
    if (last.clock.known && layer.clock.known) return false;
    if (uplink.layerMode === "simulcastIncompleteReports") return false;
    if (nowMs - this.#startedMs < SETTLED_MS) return false;
    return nowMs - (last.clock.known ? layer : last).startedMs < REPORT_WAIT_MS;
  }

  /** How the clock of `layer` relates to what was sent. `runs`: packets are being sent. */
  kind(layer: Layer, runs: boolean): ReferenceKind {
    const last = this.last;
    if (!last || last.epoch !== this.#epoch) return NO_REFERENCE;
    if (last === layer) return this.muted ? AFTER_MUTE : MUST_START;
    if (!last.clock.known || !layer.clock.known || last.clockRate !== layer.clockRate) return NO_REFERENCE;
    return runs && last.alive && this.#refusals < MAX_REFUSALS ? MAY_WAIT : MUST_START;
  }

  /** What to add to a timestamp of `layer` to have it in those of the last one; 0 where `kind` gives no reference. */
  apart(layer: Layer, kind: ReferenceKind, clockRate: number): number {
    const last = this.last;
    return kind === NO_REFERENCE || !last || last === layer ? 0 : last.clock.offsetFrom(layer.clock, clockRate);
  }

  /** The layer was refused because its pictures lie behind. */
  refused(): void {
    this.#refusals++;
  }

  /** Packets come from `layer` from now on. */
  switched(layer: Layer, runs: boolean, nowMs: number): void {
    if (!runs) this.#startedMs = nowMs;
    this.last = layer;
    this.#epoch = layer.epoch;
    this.#refusals = 0;
    this.muted = false;
  }
}
