/**
 * What the forwarder notes of a payload, once per published packet: whether a decoder can start here, and for VP8 the
 * picture numbers. Holds what must be remembered between the packets of one layer.
 */
import { KEY_FRAME, KEY_FRAME_WITH_PARAMETERS } from "@stoa/wire/codec/key-frame-kind";
import { keyFrameKind } from "@stoa/wire/codec/key-frame";
import { newVp8Descriptor, readVp8Descriptor } from "@stoa/wire/codec/vp8";
import { HAS_PICTURE_ID, KEY_START, NARROW_PICTURE_ID } from "./ring.ts";
import type { PacketRing } from "./ring.ts";

const vp8 = newVp8Descriptor();

export class PayloadInfo {
  /** The stream sends parameter sets in band, so that a bare key picture is no place to start. */
  #parametersSeen = false;
  /** Last picture id as 15 bits, to widen ids of 7 bits. */
  #pictureId = 0;

  /** Reads the payload of the ring's entry and sets its flags. */
  inspect(mime: string, u8: Uint8Array, ring: PacketRing, index: number): void {
    const at = ring.payloadAt[index]!;
    const length = ring.payloadLength[index]!;
    if (mime === "video/vp8") {
      this.#inspectVp8(u8, at, length, ring, index);
      return;
    }
    const kind = keyFrameKind(mime, u8, at, length);
    if (kind === KEY_FRAME_WITH_PARAMETERS) this.#parametersSeen = true;
    if (kind === KEY_FRAME_WITH_PARAMETERS || (kind === KEY_FRAME && !this.#parametersSeen)) {
      ring.flags[index] = ring.flags[index]! | KEY_START;
    }
  }

  /** A new source. */
  clear(): void {
    this.#parametersSeen = false;
    this.#pictureId = 0;
  }

  #inspectVp8(u8: Uint8Array, at: number, length: number, ring: PacketRing, index: number): void {
    if (!readVp8Descriptor(u8, at, length, vp8)) return;
    let flags = ring.flags[index]!;
    if (vp8.startsKeyFrame) flags |= KEY_START;
    if (vp8.pictureIdOffset !== 0) {
      flags |= HAS_PICTURE_ID;
      let id = vp8.pictureId;
      if (!vp8.widePictureId) {
        flags |= NARROW_PICTURE_ID;
        // The nearest number of 15 bits that ends in these seven.
        id = (this.#pictureId + (((id - this.#pictureId) << 25) >> 25)) & 0x7fff;
      }
      this.#pictureId = id;
      ring.pictureId[index] = id;
    }
    ring.tl0PicIdx[index] = vp8.tl0PicIdx;
    ring.keyIdx[index] = vp8.keyIdx;
    ring.flags[index] = flags;
  }
}
