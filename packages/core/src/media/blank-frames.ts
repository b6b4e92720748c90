/**
 * Frames that the server makes up, so that a decoder comes to rest when a stream stops: silence, or a small black picture
 * (livekit.md 3.14). They stand in a ring of their own, to be sent like any packet. In an encrypted track the room's
 * trailer follows them, by which clients know not to decrypt them (3.16). As in LiveKit there are none for VP9, AV1 and H.265, whose
 * streams just end, and none is repeated: several of the same follow each other anyway.
 */
import { SLOT_BYTES } from "../slab.ts";
import type { Slab } from "../slab.ts";
import type { CodecSpec } from "../engine/specs.ts";
import type { Continuity } from "./continuity.ts";
import { HAS_AUDIO_LEVEL, MARKER, PacketRing } from "./ring.ts";

/**
 * 20 ms of opus that decode to silence: configuration 31 (fullband, CELT), mono, one frame, whose range coder ends at once. The zeros
 * mean nothing to a decoder, but clients that encrypt drop what is said to be the server's and is not these very 80 bytes.
 */
const OPUS_SILENCE = bytes("f8fffe".padEnd(160, "0"));
/** 20 ms of G.711 at zero: µ-law and A-law. */
const PCMU_SILENCE = new Uint8Array(160).fill(0xff);
const PCMA_SILENCE = new Uint8Array(160).fill(0xd5);
/** A black VP8 key frame of 8 × 8 (libvpx); clients know it by its bytes, too. */
const VP8_BLACK = bytes("1002009d012a080008000047088585888584880202000c0d6000feffab5080");
/** A black H.264 IDR picture of 16 × 16, constrained baseline, with its parameter sets (libx264). */
const H264_SPS = bytes("6742c01fddec0440000003004000000f03c60ce0");
const H264_PPS = bytes("68ce0f2c80");
const H264_IDR = bytes("65888404bc98a00038a380");

/** What is made up for a codec; several packets are one frame. */
const FRAMES: ReadonlyMap<string, readonly Uint8Array[]> = new Map([
  ["audio/opus", [OPUS_SILENCE]],
  ["audio/red", [OPUS_SILENCE]],
  ["audio/pcmu", [PCMU_SILENCE]],
  ["audio/pcma", [PCMA_SILENCE]],
  ["video/vp8", [VP8_BLACK]],
  ["video/h264", [H264_SPS, H264_PPS, H264_IDR]],
]);

/** In RED the codec of a block has a payload type too: what our offers call opus, if the client does not say. */
const OPUS_PAYLOAD_TYPE = 111;
/** Longest trailer; the room's has 32 bytes. */
const MAX_TRAILER_BYTES = 128;
const AUDIO_LEVEL_SILENT = 127;
/** Packets of a frame, rounded up to a power of two, and room for each. */
const PARTS = 4;
const PART_BYTES = SLOT_BYTES / PARTS;

/** How long a made-up frame lasts, in milliseconds: 20 for sound, 33 for pictures. */
export const SOUND_FRAME_MS = 20;
export const PICTURE_FRAME_MS = 33;

export class BlankFrames {
  /** The packets of the frame that was prepared last, by index. */
  readonly ring: PacketRing;
  readonly #u8: Uint8Array;
  readonly #at: number;

  constructor(slab: Slab) {
    this.#u8 = slab.u8;
    this.#at = slab.alloc(SLOT_BYTES);
    // Its entries have no slots, so that nothing of it is ever given back.
    this.ring = new PacketRing({ give: () => {} }, PARTS);
  }

  /** Puts the next frame for this codec into the ring: how many packets it has, 0 if nothing is made up for the codec. */
  prepare(codec: CodecSpec, continuity: Continuity, trailer: Uint8Array): number {
    const payloads = FRAMES.get(codec.mime);
    if (!payloads) return 0;
    for (let part = 0; part < payloads.length; part++) {
      const payload = payloads[part]!;
      const isLast = part === payloads.length - 1;
      const from = this.#at + part * PART_BYTES;
      let at = from + this.#writeHead(codec, continuity, from);
      this.#u8.set(payload, at);
      at += payload.length;
      if (isLast && trailer.length <= MAX_TRAILER_BYTES) {
        this.#u8.set(trailer, at);
        at += trailer.length;
      }
      const { ring } = this;
      const index = ring.claim(part, -1, HAS_AUDIO_LEVEL | (isLast ? MARKER : 0), 0);
      ring.payloadAt[index] = from;
      ring.payloadLength[index] = at - from;
      ring.audioLevel[index] = AUDIO_LEVEL_SILENT;
    }
    return payloads.length;
  }

  /** What stands before the frame: its length. */
  #writeHead(codec: CodecSpec, continuity: Continuity, at: number): number {
    const u8 = this.#u8;
    if (codec.mime === "audio/red") {
      u8[at] = Number.parseInt(codec.fmtp, 10) & 127 || OPUS_PAYLOAD_TYPE;
      return 1;
    }
    if (codec.mime !== "video/vp8") return 0;
    // RFC 7741: a frame begins; with a picture id if the stream has them.
    const pictureId = continuity.makeUpPicture();
    u8[at] = pictureId < 0 ? 0x10 : 0x90;
    if (pictureId < 0) return 1;
    u8[at + 1] = 0x80;
    u8[at + 2] = continuity.widePictureId ? 0x80 | (pictureId >> 8) : pictureId & 127;
    u8[at + 3] = pictureId;
    return continuity.widePictureId ? 4 : 3;
  }
}

function bytes(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
