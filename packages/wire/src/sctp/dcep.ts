/**
 * Data Channel Establishment Protocol (RFC 8832) and the payload protocol identifiers of data channels (RFC 8831
 * section 8). Labels are UTF-8; wrong sequences become U+FFFD.
 */
import { readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import { decodeUtf8, encodeUtf8 } from "../text.ts";

export const PPID_DCEP = 50;
export const PPID_STRING = 51;
export const PPID_BINARY = 53;
/** SCTP has no empty messages: one zero byte under these stands for one. */
export const PPID_STRING_EMPTY = 56;
export const PPID_BINARY_EMPTY = 57;

const MESSAGE_ACK = 2;
const MESSAGE_OPEN = 3;
const OPEN_HEADER_BYTES = 12;
const TYPE_UNORDERED = 0x80;
const TYPE_REXMIT = 1;
const TYPE_TIMED = 2;

/** What a channel is called and promises. At most one of the two limits is set; none = reliable. */
export interface ChannelTerms {
  readonly label: string;
  readonly protocol: string;
  readonly ordered: boolean;
  readonly maxRetransmits: number | undefined;
  readonly maxPacketLifeTimeMs: number | undefined;
}

/** DATA_CHANNEL_OPEN. */
export interface DcepOpen extends ChannelTerms {
  /** 128 low, 256 normal, 512 high, 1024 extra high. */
  readonly priority: number;
}

export type DcepMessage = { readonly type: "open"; readonly open: DcepOpen } | { readonly type: "ack" };

/** A DCEP message (the whole payload of one SCTP message), or undefined when it is malformed. */
export function parseDcep(bytes: Uint8Array): DcepMessage | undefined {
  if (bytes[0] === MESSAGE_ACK) return { type: "ack" };
  if (bytes[0] !== MESSAGE_OPEN || bytes.length < OPEN_HEADER_BYTES) return undefined;
  const reliability = bytes[1]! & ~TYPE_UNORDERED;
  if (reliability > TYPE_TIMED) return undefined;
  const labelLength = readU16(bytes, 8);
  const protocolLength = readU16(bytes, 10);
  const protocolAt = OPEN_HEADER_BYTES + labelLength;
  if (protocolAt + protocolLength > bytes.length) return undefined;
  const limit = readU32(bytes, 4);
  const open: DcepOpen = {
    label: decodeUtf8(bytes, OPEN_HEADER_BYTES, labelLength),
    protocol: decodeUtf8(bytes, protocolAt, protocolLength),
    ordered: (bytes[1]! & TYPE_UNORDERED) === 0,
    maxRetransmits: reliability === TYPE_REXMIT ? limit : undefined,
    maxPacketLifeTimeMs: reliability === TYPE_TIMED ? limit : undefined,
    priority: readU16(bytes, 2),
  };
  return { type: "open", open };
}

/** The bytes of a DATA_CHANNEL_OPEN, or undefined when label or protocol is longer than 65,535 bytes. */
export function writeDcepOpen(open: DcepOpen): Uint8Array | undefined {
  const label = encodeUtf8(open.label);
  const protocol = encodeUtf8(open.protocol);
  if (label.length > 0xffff || protocol.length > 0xffff) return undefined;
  const bytes = new Uint8Array(OPEN_HEADER_BYTES + label.length + protocol.length);
  let type = 0;
  if (open.maxRetransmits !== undefined) type = TYPE_REXMIT;
  else if (open.maxPacketLifeTimeMs !== undefined) type = TYPE_TIMED;
  bytes[0] = MESSAGE_OPEN;
  bytes[1] = open.ordered ? type : type | TYPE_UNORDERED;
  writeU16(bytes, 2, open.priority);
  writeU32(bytes, 4, open.maxRetransmits ?? open.maxPacketLifeTimeMs ?? 0);
  writeU16(bytes, 8, label.length);
  writeU16(bytes, 10, protocol.length);
  bytes.set(label, OPEN_HEADER_BYTES);
  bytes.set(protocol, OPEN_HEADER_BYTES + label.length);
  return bytes;
}

/** The bytes of a DATA_CHANNEL_ACK; a fresh array. */
export function writeDcepAck(): Uint8Array {
  return Uint8Array.of(MESSAGE_ACK);
}
