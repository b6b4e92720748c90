/** The readers of everything that comes by UDP or in a data channel, but SCTP. */
import assert from "node:assert/strict";
import { parseDataPacket, stampDataPacket } from "@stoa/core/data/stamp";
import { L1T3, L3T3_KEY, descriptor } from "@stoa/testkit/dependency-descriptor";
import { newDependencyDescriptor, readDependencyDescriptor } from "@stoa/wire/codec/dependency-descriptor";
import { keyFrameKind } from "@stoa/wire/codec/key-frame";
import { aggregateHeaderBytes, packetTrailerLength, shortenLastUnit } from "@stoa/wire/codec/packet-trailer";
import { newRedFrames, readRed } from "@stoa/wire/codec/red";
import { newVp8Descriptor, readVp8Descriptor } from "@stoa/wire/codec/vp8";
import { newVp9Descriptor, readVp9Descriptor } from "@stoa/wire/codec/vp9";
import { parseDataTrackPacket, writeDataTrackPacket } from "@stoa/wire/data-track/packet";
import { byeCount, byeSsrc, writeBye } from "@stoa/wire/rtcp/bye";
import { referenceTime, writeDelayReport } from "@stoa/wire/rtcp/extended-report";
import {
  firItemCount,
  firItemSsrc,
  nackItemCount,
  nackItemMask,
  nackItemSequence,
  writeFir,
  writeNack,
} from "@stoa/wire/rtcp/feedback";
import { rtcpPacketLength } from "@stoa/wire/rtcp/packet";
import { parseRembBps, writeRemb } from "@stoa/wire/rtcp/remb";
import * as report from "@stoa/wire/rtcp/report";
import { parseSdesCname, writeSdes } from "@stoa/wire/rtcp/sdes";
import { parseTwccFeedback } from "@stoa/wire/rtcp/twcc";
import { elementLength, elementOffset, findExtension } from "@stoa/wire/rtp/extension";
import { newRtpHeader, readRtpHeader } from "@stoa/wire/rtp/header";
import { readErrorCode, readXorAddress } from "@stoa/wire/stun/attributes";
import { parseStun } from "@stoa/wire/stun/message";
import { writeStun } from "@stoa/wire/stun/write";
import type { Target } from "./engine.ts";
import { noise } from "./mutate.ts";
import { readingTarget } from "./reading.ts";

const MIMES = ["video/vp8", "video/vp9", "video/av1", "video/h264", "video/h265"];
const SHORTEST_RTCP_BYTES = 8;
const FEEDBACK_BYTES = 12;

/** What `write` writes into a fresh buffer; it gives the length. */
function written(write: (u8: Uint8Array) => number): Uint8Array {
  const u8 = new Uint8Array(500);
  return u8.subarray(0, write(u8));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const transactionId = noise(1, 12);
const stun = readingTarget(
  "stun",
  "changed STUN messages: nothing thrown, nothing read or written outside of the message",
  [
    writeStun(
      { class: "request", method: 1, transactionId, username: "abcd:efgh", priority: 77, useCandidate: true },
      undefined,
    ),
    writeStun(
      { class: "success", method: 1, transactionId, mappedAddress: { address: noise(2, 16), port: 4000 } },
      undefined,
    ),
    writeStun(
      { class: "success", method: 1, transactionId, mappedAddress: { address: noise(2, 4), port: 4000 } },
      undefined,
    ),
    writeStun({ class: "error", method: 1, transactionId, errorCode: 487, errorReason: "Role Conflict" }, undefined),
  ],
  {
    message: (u8, at, length) => {
      const message = parseStun(u8, at, length);
      return message && { ...message, transactionId: [...message.transactionId] };
    },
    errorCode: (u8, at, length) => readErrorCode(u8, at, length),
    address: (u8, at, length) => readXorAddress(u8, at, length, transactionId),
  },
  (bytes) => {
    const body = bytes.length - 20;
    if (body >= 0) bytes.set([body >>> 8, body], 2);
  },
);

/** A header with extensions of one byte (ids 1 and 3), then the payload. */
function rtpPacket(payload: Uint8Array, twoByte = false): Uint8Array {
  const block = twoByte ? [0x10, 0x00, 0, 2, 1, 3, 9, 9, 9, 3, 1, 7] : [0xbe, 0xde, 0, 2, 0x12, 9, 9, 9, 0x30, 7, 0, 0];
  return joined(Uint8Array.of(0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3), Uint8Array.from(block), payload);
}

const rtp = readingTarget(
  "rtp",
  "changed RTP packets: header, extensions and padding stay inside the packet",
  [
    rtpPacket(noise(1, 40)),
    rtpPacket(noise(1, 40), true),
    joined(Uint8Array.of(0xb0), rtpPacket(noise(2, 9)).subarray(1)),
  ],
  {
    header: (u8, at, length) => {
      const header = newRtpHeader();
      if (!readRtpHeader(u8, at, length, header)) return undefined;
      assert.ok(header.headerLength + header.payloadLength <= length && header.payloadLength >= 0);
      return header;
    },
    extensions: (u8, at, length) => {
      const header = newRtpHeader();
      if (!readRtpHeader(u8, at, length, header)) return undefined;
      return [1, 2, 3, 14, 15, 255].map((id) => {
        const element = findExtension(u8, at, header.headerLength, id);
        const end = elementOffset(element) + elementLength(element);
        assert.ok(element === 0 || end <= header.headerLength, "an extension reaches into the payload");
        return element;
      });
    },
  },
);

const codecs = readingTarget(
  "codecs",
  "changed payloads: descriptors of all codecs, RED, dependency descriptors and trailers stay inside of them",
  [
    Uint8Array.of(0x90, 0xe0, 0x81, 0x23, 5, 0x20, 0x10, 2, 0, 0x9d, 1, 0x2a, 64, 1, 240, 0),
    Uint8Array.of(0xac, 0x81, 0x23, 0x08, 1, 0x18, 0, 64, 0, 64, 1, 2, 3),
    Uint8Array.of(0x18, 0, 4, 0x67, 1, 2, 3, 0, 2, 0x68, 1, 0, 5, 0x65, 1, 2, 3, 4),
    Uint8Array.of(0x60, 1, 0, 4, 0x40, 1, 2, 3, 0, 4, 0x26, 1, 2, 3),
    Uint8Array.of(0x18, 10, 0x0a, 1, 2, 3, 4, 5, 6, 7, 8, 0x32, 1, 2),
    Uint8Array.of(0xef, 3, 0x84, 3, 0xef, 1, 0xc4, 4, 111, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    Uint8Array.from(descriptor({ template: 0, frame: 1, structure: L1T3 }, L1T3)),
    Uint8Array.from(descriptor({ template: 0, frame: 1, structure: L3T3_KEY, active: 7 }, L3T3_KEY)),
    Uint8Array.of(0x18, 0, 6, 0x65, 9, 9, 9, 9 ^ 255, 6 ^ 255, 0x4c, 0x4b, 0x54, 0x53),
  ],
  {
    keyFrame: (u8, at, length) => MIMES.map((mime) => keyFrameKind(mime, u8, at, length)),
    vp8: (u8, at, length) => {
      const vp8 = newVp8Descriptor();
      return readVp8Descriptor(u8, at, length, vp8) && vp8;
    },
    vp9: (u8, at, length) => {
      const vp9 = newVp9Descriptor();
      return readVp9Descriptor(u8, at, length, vp9) && vp9;
    },
    red: (u8, at, length) => {
      const red = newRedFrames();
      if (!readRed(u8, at, length, red)) return undefined;
      assert.ok(red.primaryAt >= at && red.primaryAt + red.primaryLength <= at + length);
      for (let i = 0; i < red.count; i++) assert.ok(red.at[i]! >= at && red.at[i]! + red.length[i]! <= at + length);
      return red;
    },
    dependencies: (u8, at, length) => {
      const read = newDependencyDescriptor();
      if (!readDependencyDescriptor(u8, at, length, undefined, read)) return undefined;
      const next = newDependencyDescriptor();
      const again = readDependencyDescriptor(u8, at, Math.min(3, length), read.structure, next);
      return [read, again && next];
    },
    trailer: (u8, at, length) => {
      const trailer = packetTrailerLength(u8, at, length);
      assert.ok(trailer <= length);
      return MIMES.map((mime) => {
        const head = length > 1 ? aggregateHeaderBytes(mime, u8, at) : 0;
        return trailer > 0 && head > 0 && shortenLastUnit(u8.slice(), at, length, head, trailer);
      });
    },
  },
);

const sent = { ssrc: 1, ntpSeconds: 2, ntpFraction: 3, rtpTimestamp: 4, packets: 5, octets: 6 };
const rtcp = readingTarget(
  "rtcp",
  "changed compound RTCP packets: every kind of report and feedback stays inside of them",
  [
    joined(
      written((u8) => report.writeSenderReport(u8, 0, sent)),
      written((u8) => writeSdes(u8, 0, 1, noise(1, 20))),
    ),
    joined(
      written((u8) => writeNack(u8, 0, 1, 2, Int32Array.of(5, 6, 9, 400), 4)),
      written((u8) => writeFir(u8, 0, 1, 2, 3)),
    ),
    joined(
      written((u8) => writeRemb(u8, 0, 1, 500_000, [1, 2])),
      written((u8) => writeBye(u8, 0, 1)),
    ),
    written((u8) => writeDelayReport(u8, 0, 1, 2, 3, 4)),
    Uint8Array.of(0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0, 4, 0, 0, 1, 7, 0x20, 4, 8, 8, 8, 8, 0, 0),
  ],
  { compound: readCompound },
);

/** Each packet of the compound, read as each kind. */
function readCompound(u8: Uint8Array, at: number, length: number): unknown {
  const found: unknown[] = [];
  for (let next = at; next < at + length;) {
    const size = rtcpPacketLength(u8, next, at + length);
    if (size < 0) break;
    found.push(u8[next + 1], readPacket(u8, next, size));
    next += size;
  }
  return found;
}

function readPacket(u8: Uint8Array, at: number, length: number): unknown {
  const list = (count: number, read: (index: number) => unknown): unknown[] =>
    Array.from({ length: count }, (_, i) => read(i));
  if (length < SHORTEST_RTCP_BYTES) return undefined;
  const info = report.newSenderInfo();
  const block = report.newReportBlock();
  const blocksAt = at + report.reportBlocksOffset(u8, at);
  const plain = [
    report.readSenderInfo(u8, at, length, info) && info,
    list(report.reportBlockCount(u8, at, length), (index) => {
      report.readReportBlock(u8, blocksAt + index * report.REPORT_BLOCK_BYTES, block);
      return { ...block };
    }),
    parseSdesCname(u8, at, length),
    list(byeCount(u8, at, length), (index) => byeSsrc(u8, at, index)),
    referenceTime(u8, at, length),
  ];
  if (length < FEEDBACK_BYTES) return plain;
  return [
    ...plain,
    list(nackItemCount(length), (index) => [nackItemSequence(u8, at, index), nackItemMask(u8, at, index)]),
    list(firItemCount(length), (index) => firItemSsrc(u8, at, index)),
    parseRembBps(u8, at, length),
    parseTwccFeedback(u8, at, length),
  ];
}

const trackPacket = { startsFrame: true, endsFrame: false, handle: 5, sequence: 6, frameNumber: 7, timestamp: 8 };
const member = { identity: "someone", hidden: false, agent: true } as Parameters<typeof stampDataPacket>[1]["member"];
const data = readingTarget(
  "data",
  "changed packets of data tracks and DataPackets: nothing thrown, and what was read can be written and read again",
  [
    writeDataTrackPacket({ ...trackPacket, extensions: [{ id: 1, data: noise(1, 13) }], payload: noise(2, 30) })!,
    writeDataTrackPacket({ ...trackPacket, extensions: [], payload: noise(2, 30) })!,
    Uint8Array.of(8, 1, 0x12, 0x0b, 0x12, 3, 1, 2, 3, 0x22, 1, 97, 0x2a, 1, 98),
    Uint8Array.of(0x22, 4, 116, 101, 120, 116, 0x2a, 1, 97, 0x6a, 8, 10, 2, 105, 100, 16, 5, 26, 0),
  ],
  {
    track: (u8, at, length) => {
      const packet = parseDataTrackPacket(u8.subarray(at, at + length));
      if (!packet) return undefined;
      const again = writeDataTrackPacket(packet);
      if (again) assert.deepEqual(parseDataTrackPacket(again), packet);
      return { ...packet, payload: packet.payload.length, extensions: packet.extensions.map(({ id }) => id) };
    },
    packet: (u8, at, length) => {
      const packet = parseDataPacket(u8.subarray(at, at + length));
      if (!packet) return undefined;
      const relayed = stampDataPacket(packet, { participant: "PA_x", member }, true);
      const bytes = packet.toBinary();
      assert.deepEqual(parseDataPacket(bytes)?.toBinary(), bytes);
      return [packet.value.case, relayed];
    },
  },
);

/** All of them. */
export const readers: readonly Target[] = [stun, rtp, codecs, rtcp, data];
