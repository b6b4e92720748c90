/** The packets that a publisher sends, as a template of which only the numbers change. */
import { writeInt32 } from "@stoa/wire/rtp/header";
import { writeVp8Payload } from "@stoa/testkit/rtc-client/vp8-payload";

export type Kind = "audio" | "video";

export const PAYLOAD_TYPES = { audio: 111, video: 96 } as const;
export const PUBLISHER_SSRC = 0x1234;
/** Header extension ids, as in the specs of `forward.bench.ts`. */
export const AUDIO_LEVEL_ID = 1;
export const TRANSPORT_CC_ID = 3;

const HEADER_BYTES = 12 + 4 + 8;

/** A stream of one-packet frames. */
export class PublisherPackets {
  readonly length: number;
  readonly #template: Uint8Array;
  readonly #kind: Kind;
  readonly #ticks: number;
  #sequence = 1;
  #timestamp = 1000;

  constructor(kind: Kind, payloadBytes: number) {
    this.#kind = kind;
    this.#ticks = kind === "audio" ? 960 : 1800;
    this.length = HEADER_BYTES + payloadBytes;
    this.#template = new Uint8Array(this.length).fill(0x55);
    const u8 = this.#template;
    u8[0] = 0x90;
    u8[1] = (kind === "video" ? 0x80 : 0) | PAYLOAD_TYPES[kind];
    writeInt32(u8, 8, PUBLISHER_SSRC);
    writeInt32(u8, 12, (0xbede << 16) | 2);
    u8.set([AUDIO_LEVEL_ID << 4, 0x80 | 30, (TRANSPORT_CC_ID << 4) | 1, 0, 0, 0, 0, 0], 16);
  }

  /** Writes the next packet; the first one of a video stream is a key frame. */
  write(u8: Uint8Array, at: number): void {
    const sequence = this.#sequence;
    u8.set(this.#template, at);
    u8[at + 2] = sequence >> 8;
    u8[at + 3] = sequence & 255;
    u8[at + 19] = sequence >> 8;
    u8[at + 20] = sequence & 255;
    writeInt32(u8, at + 4, this.#timestamp);
    if (this.#kind === "video")
      writeVp8Payload(u8, at + HEADER_BYTES, true, this.#timestamp === 1000, sequence, sequence);
    this.#sequence = (sequence + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + this.#ticks) | 0;
  }
}
