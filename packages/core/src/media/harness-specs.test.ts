/** Tracks and codecs as a room would describe them. */
import type { CodecSpec, ReceiverSpec, SenderSpec } from "../engine/specs.ts";

export const OPUS: CodecSpec = {
  payloadType: 111,
  mime: "audio/opus",
  clockRate: 48_000,
  channels: 2,
  fmtp: "minptime=10;useinbandfec=1",
  rtxPayloadType: 0,
  nack: true,
};
export const RED: CodecSpec = { ...OPUS, payloadType: 63, mime: "audio/red", fmtp: "111/111", nack: false };
export const VP8: CodecSpec = {
  payloadType: 96,
  mime: "video/vp8",
  clockRate: 90_000,
  channels: 0,
  fmtp: "",
  rtxPayloadType: 97,
  nack: true,
};
export const VP9: CodecSpec = { ...VP8, payloadType: 98, mime: "video/vp9", fmtp: "profile-id=0", rtxPayloadType: 99 };
export const AV1: CodecSpec = { ...VP8, payloadType: 35, mime: "video/av1", rtxPayloadType: 36 };
export const H264: CodecSpec = {
  ...VP8,
  payloadType: 108,
  mime: "video/h264",
  fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
  rtxPayloadType: 109,
};

/** A published video track; one layer by SSRC unless said otherwise. */
export function videoReceiver(changes: Partial<ReceiverSpec> = {}): ReceiverSpec {
  return {
    mid: "1",
    kind: "video",
    track: "TR_v",
    codecs: [VP8],
    extensions: { mid: 1, rid: 2, repairedRid: 3, transportCc: 4 },
    ssrcs: [{ ssrc: 1000, rtxSsrc: 1001 }],
    rids: [],
    codecIndex: 0,
    ...changes,
  };
}

export function audioReceiver(changes: Partial<ReceiverSpec> = {}): ReceiverSpec {
  return {
    mid: "0",
    kind: "audio",
    track: "TR_a",
    codecs: [OPUS],
    extensions: { mid: 1, audioLevel: 5 },
    ssrcs: [{ ssrc: 500, rtxSsrc: 0 }],
    rids: [],
    codecIndex: 0,
    ...changes,
  };
}

export function videoSender(changes: Partial<SenderSpec> = {}): SenderSpec {
  return {
    mid: "0",
    kind: "video",
    track: "TR_v",
    ssrc: 0x90000001,
    rtxSsrc: 0x90000002,
    codecs: [{ ...VP8, payloadType: 100, rtxPayloadType: 101 }],
    extensions: {},
    cname: "PA_pub|TR_v",
    ...changes,
  };
}

export function audioSender(changes: Partial<SenderSpec> = {}): SenderSpec {
  return {
    mid: "1",
    kind: "audio",
    track: "TR_a",
    ssrc: 0x90000003,
    rtxSsrc: 0,
    codecs: [{ ...OPUS, payloadType: 110 }],
    extensions: {},
    cname: "PA_pub|TR_a",
    ...changes,
  };
}
