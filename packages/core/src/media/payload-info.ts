/**
 * What the forwarder notes of a payload, once per published packet: whether a decoder can start here, which layer within
 * the stream it belongs to, where frames begin and end, and picture numbers. Holds what must be remembered between the
 * packets of one layer.
 */
import { KEY_FRAME, KEY_FRAME_WITH_PARAMETERS } from "@stoa/wire/codec/key-frame-kind";
import { keyFrameKind } from "@stoa/wire/codec/key-frame";
import { aggregateHeaderBytes, packetTrailerLength } from "@stoa/wire/codec/packet-trailer";
import { newVp8Descriptor, readVp8Descriptor } from "@stoa/wire/codec/vp8";
import { newVp9Descriptor, readVp9Descriptor } from "@stoa/wire/codec/vp9";
import {
  AGGREGATE_SHIFT,
  FRAME_END,
  FRAME_START,
  HAS_PICTURE_ID,
  INDEPENDENT,
  KEY_START,
  MARKER,
  NARROW_PICTURE_ID,
  SWITCH_ALL,
  SWITCH_UP,
} from "./ring.ts";
import type { PacketRing } from "./ring.ts";

const vp8 = newVp8Descriptor();
const vp9 = newVp9Descriptor();

/** Notes the packet trailer of the last packet of a frame; call when all else is noted. */
export function noteTrailer(mime: string, u8: Uint8Array, ring: PacketRing, index: number): void {
  if ((ring.flags[index]! & FRAME_END) === 0) return;
  const at = ring.payloadAt[index]!;
  const length = packetTrailerLength(u8, at, ring.payloadLength[index]!);
  if (length !== 0) ring.trailer[index] = length | (aggregateHeaderBytes(mime, u8, at) << AGGREGATE_SHIFT);
}

export class PayloadInfo {
  /** The stream sends parameter sets in band, so that a bare key picture is no place to start. */
  #parametersSeen = false;
  /** Last picture id, extended, to widen the next one. */
  #picture = 0;

  /** Reads the payload of the ring's entry and sets its flags. */
  inspect(mime: string, u8: Uint8Array, ring: PacketRing, index: number): void {
    const at = ring.payloadAt[index]!;
    const length = ring.payloadLength[index]!;
    if ((ring.flags[index]! & MARKER) !== 0) ring.flags[index]! |= FRAME_END;
    if (mime === "video/vp8") {
      this.#inspectVp8(u8, at, length, ring, index);
      return;
    }
    const kind = keyFrameKind(mime, u8, at, length);
    if (kind === KEY_FRAME_WITH_PARAMETERS) this.#parametersSeen = true;
    if (kind === KEY_FRAME_WITH_PARAMETERS || (kind === KEY_FRAME && !this.#parametersSeen)) {
      ring.flags[index]! |= KEY_START;
    }
    if (mime === "video/vp9") this.#inspectVp9(u8, at, length, ring, index);
  }

  /** A new source. */
  clear(): void {
    this.#parametersSeen = false;
    this.#picture = 0;
  }

  /** The nearest number that ends in these `bits`. */
  #extend(id: number, bits: 7 | 15): number {
    const shift = 32 - bits;
    return (this.#picture = (this.#picture + (((id - this.#picture) << shift) >> shift)) | 0);
  }

  #inspectVp8(u8: Uint8Array, at: number, length: number, ring: PacketRing, index: number): void {
    if (!readVp8Descriptor(u8, at, length, vp8)) return;
    let flags = ring.flags[index]!;
    if (vp8.startsFrame) flags |= FRAME_START;
    if (vp8.startsKeyFrame) flags |= KEY_START | INDEPENDENT;
    if (vp8.layerSync) flags |= SWITCH_UP;
    ring.temporal[index] = vp8.temporalLayer;
    if (vp8.pictureIdOffset !== 0) {
      flags |= HAS_PICTURE_ID;
      if (!vp8.widePictureId) flags |= NARROW_PICTURE_ID;
      const picture = this.#extend(vp8.pictureId, vp8.widePictureId ? 15 : 7);
      ring.frame[index] = picture;
      ring.pictureId[index] = picture & 0x7fff;
    }
    ring.tl0PicIdx[index] = vp8.tl0PicIdx;
    ring.keyIdx[index] = vp8.keyIdx;
    ring.flags[index] = flags;
  }

  #inspectVp9(u8: Uint8Array, at: number, length: number, ring: PacketRing, index: number): void {
    if (!readVp9Descriptor(u8, at, length, vp9)) return;
    let flags = ring.flags[index]! & ~FRAME_END;
    if (vp9.startsFrame) flags |= FRAME_START;
    if (vp9.endsFrame) flags |= FRAME_END;
    if (vp9.switchingUp) flags |= SWITCH_UP | SWITCH_ALL;
    if (!vp9.interPredicted) flags |= INDEPENDENT;
    ring.flags[index] = flags;
    ring.spatial[index] = vp9.spatialLayer;
    ring.temporal[index] = vp9.temporalLayer;
    if (vp9.pictureId >= 0) ring.frame[index] = this.#extend(vp9.pictureId, vp9.widePictureId ? 15 : 7);
  }
}
