/** By the index of a publisher's codec: how a subscriber gets packets of it. */
import type { CodecSpec } from "../engine/specs.ts";
import { matchCodec } from "./codec-match.ts";

/** The subscriber cannot take packets of this codec. */
export const NOT_CARRIED = -1;

export class CodecTable {
  /** The subscriber's codec that carries it. */
  readonly chosen: readonly (CodecSpec | undefined)[];
  /** Payload type to send, or `NOT_CARRIED`. */
  readonly payloadType: Int16Array;
  /** Payload type of retransmissions, 0 = none. */
  readonly rtxPayloadType: Uint8Array;
  /** Clock rate, by which timestamps are counted. */
  readonly clockRate: Int32Array;
  /** Some codec may be asked for again. */
  readonly nack: boolean;
  /** Some codec is repeated under its own sequence number, for want of RTX. */
  readonly repeatsPlainly: boolean;

  /** `hasRtx`: the stream has an SSRC for retransmissions. */
  constructor(published: readonly CodecSpec[], offered: readonly CodecSpec[], hasRtx: boolean) {
    const count = published.length;
    this.payloadType = new Int16Array(count).fill(NOT_CARRIED);
    this.rtxPayloadType = new Uint8Array(count);
    this.clockRate = new Int32Array(count);
    this.chosen = published.map((codec) => offered[matchCodec(codec, offered)]);
    let nack = false;
    let repeatsPlainly = false;
    for (const [index, codec] of published.entries()) {
      const chosen = this.chosen[index];
      this.clockRate[index] = codec.clockRate;
      if (!chosen) continue;
      this.payloadType[index] = chosen.payloadType;
      this.rtxPayloadType[index] = chosen.rtxPayloadType;
      nack ||= chosen.nack;
      repeatsPlainly ||= chosen.nack && (!hasRtx || chosen.rtxPayloadType === 0);
    }
    this.nack = nack;
    this.repeatsPlainly = repeatsPlainly;
  }
}
