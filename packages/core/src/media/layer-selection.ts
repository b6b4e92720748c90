/**
 * Which packets of a stream one subscriber gets: those of the layers up to a limit, which follows the target at the places
 * where the stream allows it. By dependency descriptors where there are any (`SvcSelection`), else by what the
 * payload says. A picture (of one spatial layer) is forwarded whole or not at all.
 */
import type { Continuity } from "./continuity.ts";
import { hasMask, hasStructure } from "./frame-table.ts";
import type { FrameTable } from "./frame-table.ts";
import { NO_LAYER } from "./layer-wish.ts";
import { FRAME_END, FRAME_START, HAS_FRAME, HAS_PICTURE_ID, KEY_START, SWITCH_ALL, SWITCH_UP } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { NO_MASK, SvcSelection } from "./select-svc.ts";

export class LayerSelection {
  /** The target: highest spatial layer within the stream, those not seen yet among them, and highest temporal layer. */
  #maxWithin = NO_LAYER;
  #maxTemporal = NO_LAYER;
  /** What is forwarded now, where no dependency descriptors decide. */
  #within = NO_LAYER;
  #temporal = NO_LAYER;
  /** Timestamp of the picture that began last. */
  #picture = 0;
  /** Made for the first dependency descriptor; undefined in `#svc` while descriptors do not decide. */
  #made: SvcSelection | undefined;
  #svc: SvcSelection | undefined;

  /** The target, which may be that of before. */
  retarget(maxWithin: number, maxTemporal: number, frames: FrameTable | undefined): void {
    const same = maxWithin === this.#maxWithin && maxTemporal === this.#maxTemporal;
    this.#maxWithin = maxWithin;
    this.#maxTemporal = maxTemporal;
    if (!same && frames) this.#svc?.foresee(frames, maxWithin, maxTemporal);
  }

  /** The stream starts with the next packet. */
  begin(): void {
    this.#within = this.#maxWithin;
    this.#temporal = this.#maxTemporal;
    this.#svc = undefined;
  }

  stop(): void {
    this.#within = this.#temporal = NO_LAYER;
    this.#svc = undefined;
  }

  /** The spatial layer within the stream that is forwarded; `target`: the highest of those that flow and are wanted. */
  spatial(target: number): number {
    return this.#svc ? this.#svc.spatial : Math.min(this.#within, Math.max(target, 0));
  }

  get temporal(): number {
    return this.#svc ? this.#svc.temporal : this.#temporal;
  }

  /** The target cannot be reached without a key frame. */
  get stuck(): boolean {
    return this.#svc?.stuck === true;
  }

  /** The decode target that flows, -1 without dependency descriptors. */
  get decodeTarget(): number {
    return this.#svc?.target ?? -1;
  }

  /**
   * Whether to forward a packet. `newest`: no later one came before. What is not wanted but comes late has its number
   * already: it goes out without payload.
   */
  wants(
    ring: PacketRing,
    index: number,
    newest: boolean,
    frames: FrameTable | undefined,
    continuity: Continuity,
  ): boolean {
    const flags = ring.flags[index]!;
    if ((flags & HAS_FRAME) !== 0 && this.#goesByFrames(ring, index, flags, newest)) {
      return this.#svc!.wants(frames!, ring, index, this.#maxWithin, this.#maxTemporal);
    }
    const named = (flags & HAS_PICTURE_ID) !== 0;
    if (newest && (flags & FRAME_START) !== 0) this.#follow(ring, index, flags);
    if (!newest && named) return !continuity.droppedPicture(ring.frame[index]!);
    if (ring.temporal[index]! <= this.#temporal && ring.spatial[index]! <= this.#within) return true;
    if (newest && named) continuity.dropPicture(ring.frame[index]!);
    return false;
  }

  /** Whether a packet that is wanted is the last of its picture that goes out; ask directly after `wants`. */
  endsPicture(ring: PacketRing, index: number): boolean {
    const flags = ring.flags[index]!;
    if ((flags & FRAME_END) === 0) return false;
    if (this.#svc && (flags & HAS_FRAME) !== 0) return this.#svc.lastOfPicture;
    return ring.spatial[index] === this.#within;
  }

  /** The mask of active decode targets to send with a packet, or `NO_MASK`. */
  mask(ring: PacketRing, index: number, frames: FrameTable | undefined): number {
    if (!this.#svc || !frames) return NO_MASK;
    const word = ring.descriptorMask[index]!;
    return this.#svc.mask(frames, ring.flags[index]!, hasMask(word), hasStructure(word));
  }

  /** Whether dependency descriptors decide: from a key frame on that has one. */
  #goesByFrames(ring: PacketRing, index: number, flags: number, newest: boolean): boolean {
    if (this.#svc) return true;
    if (!newest || (flags & KEY_START) === 0) return false;
    this.#svc = this.#made ??= new SvcSelection();
    this.#svc.begin(ring.frame[index]!);
    return true;
  }

  /**
   * A picture begins, without a dependency descriptor. Layers change only between pictures: temporal ones down at any, up
   * where the picture says so, one at a time; spatial ones down at any, up at a key picture.
   */
  #follow(ring: PacketRing, index: number, flags: number): void {
    const timestamp = ring.timestamp[index]!;
    const key = (flags & KEY_START) !== 0;
    if (timestamp === this.#picture && !key) return;
    this.#picture = timestamp;
    if (key || this.#maxWithin < this.#within) this.#within = this.#maxWithin;
    const temporal = ring.temporal[index]!;
    const target = this.#maxTemporal;
    const all = (flags & SWITCH_ALL) !== 0 && temporal <= this.#temporal;
    if (key || all || target < this.#temporal) this.#temporal = target;
    else if (temporal === this.#temporal + 1 && temporal <= target && (flags & SWITCH_UP) !== 0) {
      this.#temporal = temporal;
    }
  }
}
