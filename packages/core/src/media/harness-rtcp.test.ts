/** RTCP as the clients of these tests write and read it. */
import { int16, int32 } from "./harness-packets.test.ts";

/** The packets of a compound RTCP packet. */
export function splitRtcp(bytes: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = (((bytes[at + 2]! << 8) | bytes[at + 3]!) + 1) * 4;
    packets.push(bytes.slice(at, at + length));
    at += length;
  }
  return packets;
}

/** Type and format or count of an RTCP packet, as "205/1". */
export function rtcpKind(bytes: Uint8Array): string {
  return `${bytes[1]}/${bytes[0]! & 31}`;
}

export function pli(media: number): Uint8Array {
  return new Uint8Array([0x81, 206, 0, 2, 0, 0, 0, 1, ...int32(media)]);
}

export function nack(media: number, ...sequences: number[]): Uint8Array {
  const items = sequences.flatMap((sequence) => [...int16(sequence), 0, 0]);
  return new Uint8Array([0x81, 205, ...int16(2 + sequences.length), 0, 0, 0, 1, ...int32(media), ...items]);
}

/** Sequence numbers that a NACK names. */
export function nacked(bytes: Uint8Array): number[] {
  const named: number[] = [];
  for (let at = 12; at < bytes.length; at += 4) {
    const first = (bytes[at]! << 8) | bytes[at + 1]!;
    const mask = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    named.push(first);
    for (let bit = 0; bit < 16; bit++) if (mask & (1 << bit)) named.push((first + bit + 1) & 0xffff);
  }
  return named;
}

/** A sender report without blocks. */
export function senderReport(ssrc: number, ntpSeconds: number, ntpFraction: number, timestamp: number): Uint8Array {
  const words = [ssrc, ntpSeconds, ntpFraction, timestamp, 10, 1000].flatMap(int32);
  return new Uint8Array([0x80, 200, 0, 6, ...words]);
}
