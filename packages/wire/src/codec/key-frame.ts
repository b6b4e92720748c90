/** Key frames of all video codecs by MIME type (lower case), as in SDP: "video/vp8". */
import { isAv1KeyFrameStart } from "./av1.ts";
import { h264KeyFrameKind } from "./h264.ts";
import { h265KeyFrameKind } from "./h265.ts";
import { KEY_FRAME_WITH_PARAMETERS, NO_KEY_FRAME } from "./key-frame-kind.ts";
import type { KeyFrameKind } from "./key-frame-kind.ts";
import { newVp8Descriptor, readVp8Descriptor } from "./vp8.ts";
import { isVp9KeyFrameStart } from "./vp9.ts";

const vp8 = newVp8Descriptor();

/** What key frame the payload begins. Audio and unknown video begin one with every packet. */
export function keyFrameKind(mime: string, u8: Uint8Array, at: number, length: number): KeyFrameKind {
  switch (mime) {
    case "video/vp8":
      return readVp8Descriptor(u8, at, length, vp8) && vp8.startsKeyFrame ? KEY_FRAME_WITH_PARAMETERS : NO_KEY_FRAME;
    case "video/vp9":
      return isVp9KeyFrameStart(u8, at, length) ? KEY_FRAME_WITH_PARAMETERS : NO_KEY_FRAME;
    case "video/av1":
      return isAv1KeyFrameStart(u8, at, length) ? KEY_FRAME_WITH_PARAMETERS : NO_KEY_FRAME;
    case "video/h264":
      return h264KeyFrameKind(u8, at, length);
    case "video/h265":
      return h265KeyFrameKind(u8, at, length);
    default:
      return KEY_FRAME_WITH_PARAMETERS;
  }
}

/** Whether the payload is the first of a key frame: a decoder can start here. */
export function isKeyFrameStart(mime: string, u8: Uint8Array, at: number, length: number): boolean {
  return keyFrameKind(mime, u8, at, length) !== NO_KEY_FRAME;
}
