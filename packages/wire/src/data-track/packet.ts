/**
 * Packets of data tracks (livekit.md 2.6, version 0), raw on the `_data_track` channel: 12 bytes of header, extensions where
 * bit X is set, the rest is payload. Big endian; what extensions mean is between clients, some of them end-to-end encrypted.
 */
import { readU16, readU32, writeU16, writeU32 } from "../sctp/bytes.ts";

const HEADER_BYTES = 12;
const HANDLE_AT = 2;
const FRAME_NUMBER_AT = 6;
const FLAG_START = 0x10;
const FLAG_FINAL = 0x08;
const FLAG_EXTENSIONS = 0x04;
/** Length of the extensions in words of four bytes, less one; it counts itself and the padding. */
const LENGTH_BYTES = 2;
const PADDING_ID = 0;
const MAX_EXTENSIONS_BYTES = 0x1_0000 * 4;

/** 1: key index and IV of an encrypted payload; 2: a time of the publisher's; others are passed on as well. */
export interface DataTrackExtension {
  /** 1 … 255. */
  readonly id: number;
  /** 255 bytes at most. */
  readonly data: Uint8Array;
}

/** One packet; a frame is one or more of them. */
export interface DataTrackPacket {
  readonly startsFrame: boolean;
  readonly endsFrame: boolean;
  /** 1 … 65,535: the publisher's name for the track on the way up, the subscriber's on the way down. */
  readonly handle: number;
  readonly sequence: number;
  readonly frameNumber: number;
  /** Ticks of 90 kHz. */
  readonly timestamp: number;
  readonly extensions: readonly DataTrackExtension[];
  readonly payload: Uint8Array;
}

/** The packet that these bytes are, with views of them; undefined when they are none. */
export function parseDataTrackPacket(bytes: Uint8Array): DataTrackPacket | undefined {
  const payloadAt = payloadStart(bytes);
  if (payloadAt < 0) return undefined;
  const extensions: DataTrackExtension[] = [];
  for (let at = HEADER_BYTES + LENGTH_BYTES; at < payloadAt && bytes[at] !== PADDING_ID;) {
    const end = at + 2 + bytes[at + 1]!;
    extensions.push({ id: bytes[at]!, data: bytes.subarray(at + 2, end) });
    at = end;
  }
  return {
    startsFrame: (bytes[0]! & FLAG_START) !== 0,
    endsFrame: (bytes[0]! & FLAG_FINAL) !== 0,
    handle: readU16(bytes, HANDLE_AT),
    sequence: readU16(bytes, 4),
    frameNumber: readU16(bytes, FRAME_NUMBER_AT),
    timestamp: readU32(bytes, 8),
    extensions,
    payload: bytes.subarray(payloadAt),
  };
}

/** The bytes of a packet, or undefined when a handle or an extension cannot be written. */
export function writeDataTrackPacket(packet: DataTrackPacket): Uint8Array | undefined {
  const { handle, extensions, payload } = packet;
  if (handle < 1 || handle > 0xffff) return undefined;
  let extensionBytes = extensions.length > 0 ? LENGTH_BYTES : 0;
  for (const { id, data } of extensions) {
    if (id <= PADDING_ID || id > 255 || data.length > 255) return undefined;
    extensionBytes += 2 + data.length;
  }
  const words = Math.ceil(extensionBytes / 4);
  if (words * 4 > MAX_EXTENSIONS_BYTES) return undefined;
  const bytes = new Uint8Array(HEADER_BYTES + words * 4 + payload.length);
  if (packet.startsFrame) bytes[0]! |= FLAG_START;
  if (packet.endsFrame) bytes[0]! |= FLAG_FINAL;
  if (words > 0) {
    bytes[0]! |= FLAG_EXTENSIONS;
    writeU16(bytes, HEADER_BYTES, words - 1);
  }
  writeU16(bytes, HANDLE_AT, handle);
  writeU16(bytes, 4, packet.sequence);
  writeU16(bytes, FRAME_NUMBER_AT, packet.frameNumber);
  writeU32(bytes, 8, packet.timestamp);
  let at = HEADER_BYTES + LENGTH_BYTES;
  for (const { id, data } of extensions) {
    bytes[at] = id;
    bytes[at + 1] = data.length;
    bytes.set(data, at + 2);
    at += 2 + data.length;
  }
  bytes.set(payload, HEADER_BYTES + words * 4);
  return bytes;
}

/** The handle of a packet, 0 when these bytes are none. */
export function dataTrackHandle(bytes: Uint8Array): number {
  return payloadStart(bytes) < 0 ? 0 : readU16(bytes, HANDLE_AT);
}

/** Of which frame a packet is but a part: its number; -1 when it is a whole frame. */
export function dataTrackFramePart(bytes: Uint8Array): number {
  const whole = FLAG_START | FLAG_FINAL;
  return (bytes[0]! & whole) === whole ? -1 : readU16(bytes, FRAME_NUMBER_AT);
}

/** Whether a packet is the first one of its frame. */
export function startsDataTrackFrame(bytes: Uint8Array): boolean {
  return (bytes[0]! & FLAG_START) !== 0;
}

/** Puts another handle into a packet. */
export function setDataTrackHandle(bytes: Uint8Array, handle: number): void {
  writeU16(bytes, HANDLE_AT, handle);
}

/** Where the payload begins, -1 when these bytes are no packet of this version. */
function payloadStart(bytes: Uint8Array): number {
  if (bytes.length < HEADER_BYTES || bytes[0]! >> 5 !== 0 || readU16(bytes, HANDLE_AT) === 0) return -1;
  if ((bytes[0]! & FLAG_EXTENSIONS) === 0) return HEADER_BYTES;
  if (bytes.length < HEADER_BYTES + LENGTH_BYTES) return -1;
  const end = HEADER_BYTES + (readU16(bytes, HEADER_BYTES) + 1) * 4;
  if (end > bytes.length) return -1;
  for (let at = HEADER_BYTES + LENGTH_BYTES; at < end && bytes[at] !== PADDING_ID;) {
    if (at + 2 > end) return -1;
    at += 2 + bytes[at + 1]!;
    if (at > end) return -1;
  }
  return end;
}
