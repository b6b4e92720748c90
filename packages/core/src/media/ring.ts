/**
 * The last packets of one layer, by extended sequence number: the slots they arrived in and what was read from them once
 * for all subscribers. A slot belongs to the ring from `claim` until it is overwritten, expires or the ring is closed;
 * then it goes back to the pool. Bounded by its capacity.
 */
import type { PacketPool } from "../slab.ts";

/** Where slots go back to. */
type SlotOwner = Pick<PacketPool, "give">;

/** The entry holds a packet. */
export const USED = 1;
/** RTP marker bit. */
export const MARKER = 2;
/** A decoder can start with this packet. */
export const KEY_START = 4;
/** No payload (padding only): there is no slot. */
export const EMPTY = 8;
/** `pictureId` holds. */
export const HAS_PICTURE_ID = 16;
/** The picture id has 7 bits on the wire. */
export const NARROW_PICTURE_ID = 32;
/** `audioLevel` holds. */
export const HAS_AUDIO_LEVEL = 64;
/** First packet of a frame (of one spatial layer of a picture). */
export const FRAME_START = 128;
/** Last packet of a frame. */
export const FRAME_END = 256;
/** The frame is a place to begin with its temporal layer, for whoever gets all below. */
export const SWITCH_UP = 512;
/** From the frame on, all temporal layers can be begun with, for whoever gets the frame. */
export const SWITCH_ALL = 4096;
/** The frame refers to no earlier picture. */
export const INDEPENDENT = 1024;
/** The frame is described in the layer's `FrameTable`. */
export const HAS_FRAME = 2048;

/** In `trailer`: below it the length, above it the header of an aggregate. */
export const AGGREGATE_SHIFT = 8;

/** No such packet. */
export const ABSENT = -1;

const NO_SLOT = -1;

export class PacketRing {
  readonly mask: number;
  readonly flags: Uint16Array;
  readonly sequence: Int32Array;
  /** Offset of the slot, -1 when empty. */
  readonly slot: Int32Array;
  readonly payloadAt: Int32Array;
  readonly payloadLength: Uint16Array;
  readonly timestamp: Int32Array;
  /** Layers within the stream: of SVC and of temporal scalability; 0 where there are none. */
  readonly spatial: Uint8Array;
  readonly temporal: Uint8Array;
  /** Extended number of the frame, where the codec counts them; rising like sequence numbers. */
  readonly frame: Int32Array;
  /** Index in the publisher's list of codecs. */
  readonly codec: Uint8Array;
  /** The byte of RFC 6464: voice flag and level. */
  readonly audioLevel: Uint8Array;
  /** Bytes of the packet trailer at the end of the payload (8), and of the header if the units behind it say their sizes (2). */
  readonly trailer: Uint16Array;
  /** Elements of `findExtension`, relative to `slot`; 0 = none. */
  readonly captureTime: Int32Array;
  readonly dependencyDescriptor: Int32Array;
  /** What `FrameTable` says of that element. */
  readonly descriptorMask: Int32Array;
  /** VP8, always as 15 bits. */
  readonly pictureId: Uint16Array;
  readonly tl0PicIdx: Uint8Array;
  readonly keyIdx: Uint8Array;
  readonly #arrivalMs: Float64Array;
  readonly #pool: SlotOwner;
  #used = 0;
  #oldest = 0;
  #highest = 0;

  /** `capacity`: a power of two. */
  constructor(pool: SlotOwner, capacity: number) {
    this.#pool = pool;
    this.mask = capacity - 1;
    this.flags = new Uint16Array(capacity);
    this.sequence = new Int32Array(capacity);
    this.slot = new Int32Array(capacity).fill(NO_SLOT);
    this.payloadAt = new Int32Array(capacity);
    this.payloadLength = new Uint16Array(capacity);
    this.timestamp = new Int32Array(capacity);
    this.spatial = new Uint8Array(capacity);
    this.temporal = new Uint8Array(capacity);
    this.frame = new Int32Array(capacity);
    this.codec = new Uint8Array(capacity);
    this.audioLevel = new Uint8Array(capacity);
    this.trailer = new Uint16Array(capacity);
    this.captureTime = new Int32Array(capacity);
    this.dependencyDescriptor = new Int32Array(capacity);
    this.descriptorMask = new Int32Array(capacity);
    this.pictureId = new Uint16Array(capacity);
    this.tl0PicIdx = new Uint8Array(capacity);
    this.keyIdx = new Uint8Array(capacity);
    this.#arrivalMs = new Float64Array(capacity);
  }

  /** Packets held. */
  get used(): number {
    return this.#used;
  }

  /** The highest sequence number held, if any is. */
  get newest(): number {
    return this.#highest;
  }

  /** Index of a packet, or `ABSENT`. */
  find(sequence: number): number {
    const index = sequence & this.mask;
    return this.flags[index] !== 0 && this.sequence[index] === sequence ? index : ABSENT;
  }

  /** Whether this packet and all behind it are held, and are not more than `most`. */
  holdsFrom(sequence: number, most: number): boolean {
    const count = (this.#highest - sequence) | 0;
    if (count < 0 || count >= most) return false;
    for (let behind = 0; behind <= count; behind++) if (this.find((sequence + behind) | 0) < 0) return false;
    return true;
  }

  /** Whether a packet is older than everything the ring could still hold. */
  tooOld(sequence: number): boolean {
    return this.#used > 0 && ((this.#highest - sequence) | 0) > this.mask;
  }

  /**
   * Takes over `slot` (-1 for an empty packet) and returns the index, whose fields the caller then sets.
   * The packet is neither held already nor `tooOld`.
   */
  claim(sequence: number, slot: number, flags: number, arrivalMs: number): number {
    const index = sequence & this.mask;
    if (this.#used === 0) {
      this.#oldest = this.#highest = sequence;
    } else if (((sequence - this.#highest) | 0) > 0) {
      this.#highest = sequence;
    } else if (((sequence - this.#oldest) | 0) < 0) {
      this.#oldest = sequence;
    }
    this.#release(index);
    this.flags[index] = flags | USED;
    this.sequence[index] = sequence;
    this.slot[index] = slot;
    this.#arrivalMs[index] = arrivalMs;
    this.#used++;
    return index;
  }

  /** Gives back what arrived before `beforeMs`. */
  expire(beforeMs: number): void {
    if (this.#used === 0) return;
    // What lies further back shares its places with this range.
    if (((this.#highest - this.#oldest) | 0) > this.mask) this.#oldest = (this.#highest - this.mask) | 0;
    while (((this.#highest - this.#oldest) | 0) >= 0) {
      const index = this.#oldest & this.mask;
      if (this.flags[index] !== 0 && this.#arrivalMs[index]! >= beforeMs) return;
      this.#release(index);
      this.#oldest = (this.#oldest + 1) | 0;
    }
  }

  /** Gives everything back. */
  clear(): void {
    for (let index = 0; index <= this.mask; index++) this.#release(index);
  }

  #release(index: number): void {
    if (this.flags[index] === 0) return;
    this.flags[index] = 0;
    this.#used--;
    const slot = this.slot[index]!;
    this.slot[index] = NO_SLOT;
    if (slot !== NO_SLOT) this.#pool.give(slot);
  }
}
