/** H.265 payloads (RFC 7798): what kind of access unit a packet starts, from its NAL unit headers. */
import { KEY_FRAME, KEY_FRAME_WITH_PARAMETERS, NO_KEY_FRAME } from "./key-frame-kind.ts";
import type { KeyFrameKind } from "./key-frame-kind.ts";

const FIRST_IRAP = 16;
const LAST_IRAP = 21;
const VPS = 32;
const SPS = 33;
const AP = 48;
const FU = 49;

function kindOf(nalType: number): KeyFrameKind {
  if (nalType === VPS || nalType === SPS) return KEY_FRAME_WITH_PARAMETERS;
  return nalType >= FIRST_IRAP && nalType <= LAST_IRAP ? KEY_FRAME : NO_KEY_FRAME;
}

/** What the packet starts; fragments count only by the first, DONL fields are not expected (sprop-max-don-diff = 0). */
export function h265KeyFrameKind(u8: Uint8Array, at: number, length: number): KeyFrameKind {
  if (length < 3) return NO_KEY_FRAME;
  const type = (u8[at]! >> 1) & 63;
  if (type === FU) return u8[at + 2]! & 0x80 ? kindOf(u8[at + 2]! & 63) : NO_KEY_FRAME;
  if (type !== AP) return kindOf(type);
  let kind: KeyFrameKind = NO_KEY_FRAME;
  let offset = 2;
  while (offset + 3 < length) {
    const size = (u8[at + offset]! << 8) | u8[at + offset + 1]!;
    if (size < 2 || offset + 2 + size > length) break;
    const found = kindOf((u8[at + offset + 2]! >> 1) & 63);
    if (found > kind) kind = found;
    offset += 2 + size;
  }
  return kind;
}
