/** Opus (RFC 6716, RFC 7587): the little that a forwarder knows of it. */

/** One 20 ms frame of digital silence (CELT, full band, stereo flag clear). */
export const OPUS_SILENCE: Uint8Array = new Uint8Array([0xf8, 0xff, 0xfe]);

/** Clock rate of every Opus stream in RTP. */
export const OPUS_CLOCK_RATE = 48_000;

/** A packet of at most two bytes carries no speech: discontinuous transmission. */
export function isOpusDtx(length: number): boolean {
  return length <= 2;
}
