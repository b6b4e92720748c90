/** How a message is cut into DATA chunks, and how one is written (RFC 9260 section 6.9). */
import { padded } from "@stoa/wire/sctp/bytes";
import { DATA_HEADER_BYTES, FLAG_BEGIN, FLAG_END, FLAG_UNORDERED, writeDataHeader } from "@stoa/wire/sctp/data";
import { PACKET_HEADER_BYTES } from "@stoa/wire/sctp/packet";
import type { OutboundMessage } from "./outbound-message.ts";
import type { PacketWriter } from "./packet-writer.ts";

/** A message longer than a packet starts in the rest of one only if this much of it fits. */
const MIN_FIRST_FRAGMENT_BYTES = 256;

/** Payload of the message's next fragment in this packet, `largest` at most; 0 if it has to wait for the next packet. */
export function fragmentBytes(message: OutboundMessage, packet: PacketWriter, largest: number): number {
  const left = message.data.length - message.sentBytes;
  const room = Math.min(largest, packet.room - DATA_HEADER_BYTES);
  if (padded(left) <= room) return left;
  // Spreading what fits into one packet over two would only double its chance to be lost.
  const whole = padded(left) + (left <= largest ? DATA_HEADER_BYTES : 2 * DATA_HEADER_BYTES);
  const fitsNext = whole <= packet.limit - PACKET_HEADER_BYTES;
  if (message.sentBytes === 0 && fitsNext && whole > packet.room) return 0;
  const fullPacket = packet.bytes.length - PACKET_HEADER_BYTES - DATA_HEADER_BYTES;
  return room >= Math.min(MIN_FIRST_FRAGMENT_BYTES, fullPacket) ? room : 0;
}

/** Appends the chunk with `length` bytes of the message from `from` on; it fits. */
export function appendFragment(
  packet: PacketWriter,
  message: OutboundMessage,
  from: number,
  length: number,
  tsn: number,
  moreFlags: number,
): void {
  let flags = moreFlags;
  if (from === 0) flags |= FLAG_BEGIN;
  if (from + length === message.data.length) flags |= FLAG_END;
  if (message.unordered) flags |= FLAG_UNORDERED;
  const at = packet.end;
  const payload = length === message.data.length ? message.data : message.data.subarray(from, from + length);
  packet.bytes.set(payload, at + DATA_HEADER_BYTES);
  packet.end = writeDataHeader(packet.bytes, at, flags, tsn, message.stream.id, message.ssn, message.ppid, length);
}
