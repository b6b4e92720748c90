/** H.264 payloads (RFC 6184): what kind of access unit a packet starts, from its NAL unit headers. */
import { KEY_FRAME, KEY_FRAME_WITH_PARAMETERS, NO_KEY_FRAME } from "./key-frame-kind.ts";
import type { KeyFrameKind } from "./key-frame-kind.ts";

const IDR = 5;
const SPS = 7;
const STAP_A = 24;
const STAP_B = 25;
const FU_A = 28;
const FU_B = 29;

function kindOf(nalType: number): KeyFrameKind {
  if (nalType === SPS) return KEY_FRAME_WITH_PARAMETERS;
  return nalType === IDR ? KEY_FRAME : NO_KEY_FRAME;
}

/** What the packet starts; an IDR picture in fragments counts only by its first fragment. */
export function h264KeyFrameKind(u8: Uint8Array, at: number, length: number): KeyFrameKind {
  if (length < 1) return NO_KEY_FRAME;
  const type = u8[at]! & 31;
  if (type >= 1 && type <= 23) return kindOf(type);
  if (type === FU_A || type === FU_B) {
    const starts = length > 1 && (u8[at + 1]! & 0x80) !== 0;
    return starts ? kindOf(u8[at + 1]! & 31) : NO_KEY_FRAME;
  }
  if (type === STAP_A || type === STAP_B) return aggregateKind(u8, at, length, type === STAP_A ? 1 : 3);
  return NO_KEY_FRAME;
}

function aggregateKind(u8: Uint8Array, at: number, length: number, from: number): KeyFrameKind {
  let kind: KeyFrameKind = NO_KEY_FRAME;
  let offset = from;
  while (offset + 2 < length) {
    const size = (u8[at + offset]! << 8) | u8[at + offset + 1]!;
    if (size === 0 || offset + 2 + size > length) break;
    const found = kindOf(u8[at + offset + 2]! & 31);
    if (found > kind) kind = found;
    offset += 2 + size;
  }
  return kind;
}
