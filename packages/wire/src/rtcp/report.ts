/** Sender and receiver reports (RFC 3550 section 6.4), read and written in place. */
import { readInt32, writeInt32 } from "../rtp/header.ts";
import { RECEIVER_REPORT, SENDER_REPORT, rtcpCount, rtcpType, writeRtcpHeader } from "./packet.ts";

/** Bytes of a sender report without blocks. */
export const SENDER_REPORT_BYTES = 28;
/** Bytes of a receiver report without blocks. */
export const RECEIVER_REPORT_BYTES = 8;
/** Bytes of one report block. */
export const REPORT_BLOCK_BYTES = 24;
/** The count has five bits. */
export const MAX_REPORT_BLOCKS = 31;

/** What a sender says about its own stream; filled in by `readSenderInfo`. */
export interface SenderInfo {
  ssrc: number;
  /** Unsigned; seconds since 1900. */
  ntpSeconds: number;
  /** Unsigned; units of 2^-32 s. */
  ntpFraction: number;
  rtpTimestamp: number;
  /** Unsigned. */
  packets: number;
  /** Unsigned. */
  octets: number;
}

/** One report block; filled in by `readReportBlock`. */
export interface ReportBlock {
  /** Whom the block is about. */
  ssrc: number;
  /** Share of packets lost since the last report, in 1/256. */
  fractionLost: number;
  /** Signed: duplicates make it negative. */
  cumulativeLost: number;
  /** Extended highest sequence number, unsigned. */
  highestSequence: number;
  /** In timestamp units, unsigned. */
  jitter: number;
  /** Middle 32 bits of the NTP time of the last sender report, unsigned; 0 = none. */
  lastReport: number;
  /** Delay since that report in 1/65536 s, unsigned. */
  delaySinceLastReport: number;
}

/** An empty sender info to be filled in. */
export function newSenderInfo(): SenderInfo {
  return { ssrc: 0, ntpSeconds: 0, ntpFraction: 0, rtpTimestamp: 0, packets: 0, octets: 0 };
}

/** An empty report block to be filled in. */
export function newReportBlock(): ReportBlock {
  return {
    ssrc: 0,
    fractionLost: 0,
    cumulativeLost: 0,
    highestSequence: 0,
    jitter: 0,
    lastReport: 0,
    delaySinceLastReport: 0,
  };
}

/** Reads the head of a sender report of `length` bytes. False if it is too short. */
export function readSenderInfo(u8: Uint8Array, at: number, length: number, into: SenderInfo): boolean {
  if (length < SENDER_REPORT_BYTES) return false;
  into.ssrc = readInt32(u8, at + 4);
  into.ntpSeconds = readInt32(u8, at + 8) >>> 0;
  into.ntpFraction = readInt32(u8, at + 12) >>> 0;
  into.rtpTimestamp = readInt32(u8, at + 16);
  into.packets = readInt32(u8, at + 20) >>> 0;
  into.octets = readInt32(u8, at + 24) >>> 0;
  return true;
}

/** Offset of the first report block of a report from its start. */
export function reportBlocksOffset(u8: Uint8Array, at: number): number {
  return rtcpType(u8, at) === SENDER_REPORT ? SENDER_REPORT_BYTES : RECEIVER_REPORT_BYTES;
}

/** How many whole blocks a report of `length` bytes holds; never more than fit. */
export function reportBlockCount(u8: Uint8Array, at: number, length: number): number {
  const room = Math.floor((length - reportBlocksOffset(u8, at)) / REPORT_BLOCK_BYTES);
  return Math.max(0, Math.min(rtcpCount(u8, at), room));
}

/** Reads the block at `at`; the caller has made sure of its 24 bytes by `reportBlockCount`. */
export function readReportBlock(u8: Uint8Array, at: number, into: ReportBlock): void {
  into.ssrc = readInt32(u8, at);
  into.fractionLost = u8[at + 4]!;
  into.cumulativeLost = (readInt32(u8, at + 4) << 8) >> 8;
  into.highestSequence = readInt32(u8, at + 8) >>> 0;
  into.jitter = readInt32(u8, at + 12) >>> 0;
  into.lastReport = readInt32(u8, at + 16) >>> 0;
  into.delaySinceLastReport = readInt32(u8, at + 20) >>> 0;
}

/** Writes a sender report without blocks; returns its length. */
export function writeSenderReport(u8: Uint8Array, at: number, info: SenderInfo): number {
  writeRtcpHeader(u8, at, SENDER_REPORT, 0, SENDER_REPORT_BYTES);
  writeInt32(u8, at + 4, info.ssrc);
  writeInt32(u8, at + 8, info.ntpSeconds);
  writeInt32(u8, at + 12, info.ntpFraction);
  writeInt32(u8, at + 16, info.rtpTimestamp);
  writeInt32(u8, at + 20, info.packets);
  writeInt32(u8, at + 24, info.octets);
  return SENDER_REPORT_BYTES;
}

/** Writes the head of a receiver report whose `blocks` blocks follow; returns the length of the head. */
export function writeReceiverReport(u8: Uint8Array, at: number, sender: number, blocks: number): number {
  const length = RECEIVER_REPORT_BYTES + blocks * REPORT_BLOCK_BYTES;
  writeRtcpHeader(u8, at, RECEIVER_REPORT, blocks, length);
  writeInt32(u8, at + 4, sender);
  return RECEIVER_REPORT_BYTES;
}

/** Writes one block; returns its length. */
export function writeReportBlock(u8: Uint8Array, at: number, block: ReportBlock): number {
  writeInt32(u8, at, block.ssrc);
  const lost = Math.max(-0x800000, Math.min(0x7fffff, block.cumulativeLost));
  writeInt32(u8, at + 4, (block.fractionLost << 24) | (lost & 0xffffff));
  writeInt32(u8, at + 8, block.highestSequence);
  writeInt32(u8, at + 12, block.jitter);
  writeInt32(u8, at + 16, block.lastReport);
  writeInt32(u8, at + 20, block.delaySinceLastReport);
  return REPORT_BLOCK_BYTES;
}
