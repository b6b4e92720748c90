/**
 * Which header extensions one subscriber gets (RFC 8285), and writing them: absolute send time and the transport-wide
 * number anew, audio level and capture time as the publisher wrote them, the dependency descriptor with the frame numbers and
 * decode targets of the subscriber. All else is left out.
 */
import { ABS_SEND_TIME_BYTES } from "@stoa/wire/rtp/abs-send-time";
import {
  ONE_BYTE_MAX_ID,
  ONE_BYTE_MAX_LENGTH,
  elementLength,
  elementOffset,
  finishExtensions,
  writeElementHead,
} from "@stoa/wire/rtp/extension";
import { lengthWithActiveTargets, writeActiveTargets } from "@stoa/wire/codec/active-targets";
import type { ExtensionIds } from "../engine/specs.ts";
import { hasMask, maskBit, targetCount } from "./frame-table.ts";
import { NO_DELAY, PLAYOUT_DELAY_BYTES } from "./playout-delay.ts";
import { HAS_AUDIO_LEVEL } from "./ring.ts";
import type { PacketRing } from "./ring.ts";
import { NO_MASK } from "./select-svc.ts";

export class ExtensionPlan {
  /** Ids; 0 = not negotiated. */
  readonly absSendTime: number;
  readonly transportCc: number;
  readonly audioLevel: number;
  readonly captureTime: number;
  readonly dependencyDescriptor: number;
  readonly playoutDelay: number;
  /** Packets may go out again under their own sequence number. */
  readonly repeatsPlainly: boolean;
  /** Some id needs the two-byte form. */
  readonly #wideIds: boolean;
  /** Some extension goes on every packet. */
  readonly #always: boolean;
  readonly #none: boolean;

  /**
   * `repeatsPlainly`: packets may go out again under their own sequence number, for want of RTX. Such a repetition must be the
   * same byte for byte, its extensions too, although these are only authenticated. Under AES-CM another extension would be
   * harmless, because the key stream covers the payload only; but the tag of AES-GCM depends on both, and two tags under one
   * nonce betray the key by which tags are made (RFC 7714 section 11). So a repetition carries the time and the transport-wide
   * number of the first sending (`SentPackets.stamp`), and what goes on some packets only until it is known to have arrived is
   * left out.
   */
  constructor(ids: ExtensionIds, repeatsPlainly: boolean) {
    this.repeatsPlainly = repeatsPlainly;
    this.absSendTime = ids.absSendTime ?? 0;
    this.transportCc = ids.transportCc ?? 0;
    this.audioLevel = ids.audioLevel ?? 0;
    this.captureTime = ids.absCaptureTime ?? 0;
    this.dependencyDescriptor = ids.dependencyDescriptor ?? 0;
    this.playoutDelay = repeatsPlainly ? 0 : (ids.playoutDelay ?? 0);
    const highest = Math.max(
      this.absSendTime,
      this.transportCc,
      this.audioLevel,
      this.captureTime,
      this.dependencyDescriptor,
      this.playoutDelay,
    );
    this.#none = highest === 0;
    this.#wideIds = highest > ONE_BYTE_MAX_ID;
    this.#always = this.absSendTime !== 0 || this.transportCc !== 0;
  }

  /** Whether the packet gets an extension block; `playoutDelay`: as in `PayloadChange`. */
  applies(ring: PacketRing, index: number, playoutDelay: number): boolean {
    if (this.#none) return false;
    if (this.#always || (playoutDelay !== NO_DELAY && this.playoutDelay !== 0)) return true;
    return (
      (this.audioLevel !== 0 && (ring.flags[index]! & HAS_AUDIO_LEVEL) !== 0) ||
      (this.captureTime !== 0 && ring.captureTime[index] !== 0) ||
      (this.dependencyDescriptor !== 0 && ring.dependencyDescriptor[index] !== 0)
    );
  }

  /** Packets tell when they were sent, or carry a transport-wide number: the client's answers say something of the link. */
  get measures(): boolean {
    return this.#always;
  }

  /** Writes a block with only the time of sending and the transport-wide number; returns the offset behind it. */
  writeTimes(u8: Uint8Array, block: number, sendTime: number, transportSequence: number): number {
    return finishExtensions(
      u8,
      block,
      this.#writeTimes(u8, block + 4, this.#wideIds, sendTime, transportSequence),
      this.#wideIds,
    );
  }

  /** Writes the block at `block`; returns the offset behind it. */
  write(
    u8: Uint8Array,
    block: number,
    ring: PacketRing,
    index: number,
    sendTime: number,
    transportSequence: number,
    frameOffset: number,
    mask: number,
    playoutDelay: number,
  ): number {
    const descriptor = this.dependencyDescriptor === 0 ? 0 : ring.dependencyDescriptor[index]!;
    const descriptorLength = lengthToSend(ring, index, elementLength(descriptor), mask);
    const wide = this.#wideIds || descriptorLength > ONE_BYTE_MAX_LENGTH;
    let at = this.#writeTimes(u8, block + 4, wide, sendTime, transportSequence);
    if (this.audioLevel !== 0 && (ring.flags[index]! & HAS_AUDIO_LEVEL) !== 0) {
      at += writeElementHead(u8, at, wide, this.audioLevel, 1);
      u8[at++] = ring.audioLevel[index]!;
    }
    if (this.captureTime !== 0 && ring.captureTime[index] !== 0) {
      at = passOn(u8, at, wide, this.captureTime, ring.slot[index]!, ring.captureTime[index]!);
    }
    if (playoutDelay !== NO_DELAY && this.playoutDelay !== 0) {
      at += writeElementHead(u8, at, wide, this.playoutDelay, PLAYOUT_DELAY_BYTES);
      u8[at++] = playoutDelay >> 16;
      u8[at++] = playoutDelay >> 8;
      u8[at++] = playoutDelay;
    }
    if (descriptor !== 0) {
      at += writeElementHead(u8, at, wide, this.dependencyDescriptor, descriptorLength);
      writeDescriptor(u8, at, ring, index, descriptor, frameOffset, mask);
      at += descriptorLength;
    }
    return finishExtensions(u8, block, at, wide);
  }

  #writeTimes(u8: Uint8Array, from: number, wide: boolean, sendTime: number, transportSequence: number): number {
    let at = from;
    if (this.absSendTime !== 0) {
      at += writeElementHead(u8, at, wide, this.absSendTime, ABS_SEND_TIME_BYTES);
      u8[at++] = sendTime >> 16;
      u8[at++] = sendTime >> 8;
      u8[at++] = sendTime;
    }
    if (this.transportCc !== 0) {
      at += writeElementHead(u8, at, wide, this.transportCc, 2);
      u8[at++] = transportSequence >> 8;
      u8[at++] = transportSequence;
    }
    return at;
  }
}

/** Longest element. */
const MAX_ELEMENT = 255;

/** Length of the descriptor that goes out. */
function lengthToSend(ring: PacketRing, index: number, length: number, mask: number): number {
  if (mask === NO_MASK || length === 0) return length;
  const word = ring.descriptorMask[index]!;
  const wanted = lengthWithActiveTargets(length, hasMask(word), targetCount(word));
  return wanted > MAX_ELEMENT ? length : wanted;
}

function writeDescriptor(
  u8: Uint8Array,
  to: number,
  ring: PacketRing,
  index: number,
  element: number,
  frameOffset: number,
  mask: number,
): void {
  const length = elementLength(element);
  const from = ring.slot[index]! + elementOffset(element);
  const word = ring.descriptorMask[index]!;
  if (mask !== NO_MASK && lengthWithActiveTargets(length, hasMask(word), targetCount(word)) <= MAX_ELEMENT) {
    writeActiveTargets(u8, from, length, to, mask, targetCount(word), maskBit(word), hasMask(word));
  } else {
    for (let i = 0; i < length; i++) u8[to + i] = u8[from + i]!;
  }
  if (frameOffset === 0 || length < 3) return;
  const frame = ((u8[to + 1]! << 8) | u8[to + 2]!) + frameOffset;
  u8[to + 1] = frame >> 8;
  u8[to + 2] = frame;
}

function passOn(u8: Uint8Array, at: number, wide: boolean, id: number, slot: number, element: number): number {
  const length = elementLength(element);
  const to = at + writeElementHead(u8, at, wide, id, length);
  const from = slot + elementOffset(element);
  for (let i = 0; i < length; i++) u8[to + i] = u8[from + i]!;
  return to + length;
}
