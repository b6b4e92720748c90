/**
 * What of one stream went out lately, and sending it again: on the RTX stream (RFC 4588), or under its own number where
 * there is none. Padding rides on the RTX stream too. Invariant: no number of either stream protects two different packets.
 */
import type { CodecTable } from "./codec-table.ts";
import { NOT_CARRIED } from "./codec-table.ts";
import type { Downlink } from "./downlink.ts";
import type { ExtensionPlan } from "./extension-plan.ts";
import { MAX_PADDING } from "./packet-writer.ts";
import { NOT_RTX } from "./payload-change.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { PayloadChange } from "./payload-change.ts";
import { NARROW_PICTURE_ID } from "./ring.ts";
import { layerOf, noteSent, recallSent } from "./sent-change.ts";
import { NO_RECORD, SentPackets } from "./sent-packets.ts";
import type { Tables } from "./shared-tables.ts";
import type { BatchTime } from "./transport.ts";
import type { Uplink } from "./uplink.ts";

/** How many packets can be repeated; as many as the publisher's ring holds. */
const VIDEO_SENT = 512;
const AUDIO_SENT = 256;

export class RepeatStream {
  /** Next number of the RTX stream, 16 bits. */
  sequence: number;
  readonly #capacity: number;
  #sent: SentPackets | undefined;
  /** What the records refer to. */
  #from: Uplink | undefined;

  constructor(isVideo: boolean, firstSequence: number) {
    this.#capacity = isVideo ? VIDEO_SENT : AUDIO_SENT;
    this.sequence = firstSequence;
  }

  /** Packets come from this uplink from now on; `keeps`: its subscriber may ask for them again. */
  serve(uplink: Uplink, keeps: boolean): void {
    if (uplink !== this.#from) this.#sent = undefined;
    this.#from = uplink;
    if (keeps) this.#sent ??= new SentPackets(this.#capacity);
  }

  /** The uplink is gone. */
  release(): void {
    if (!this.#from?.owner) this.#sent = this.#from = undefined;
  }

  /** What was sent under other payload types or with other extensions is not repeated. */
  forget(): void {
    if (this.#sent) this.#sent = new SentPackets(this.#capacity);
  }

  /** Notes a packet that goes out. `flags`: of its ring entry; `decodeTarget`: the one that flows, if any. */
  note(
    outgoing: number,
    sequence: number,
    timestamp: number,
    layer: number,
    flags: number,
    decodeTarget: number,
    change: PayloadChange,
  ): void {
    if (this.#sent === undefined) return;
    noteSent(this.#sent, outgoing, sequence, timestamp, layer, flags, decodeTarget, change);
  }

  /**
   * Sends the packet that went out as `lost` (16 bits) again. `highest`: packets of layers above are not worth it.
   * True if it went out.
   */
  resend(downlink: Downlink, lost: number, highest: number, time: BatchTime, writer: PacketWriter): boolean {
    const sent = this.#sent;
    const uplink = this.#from;
    if (!sent || !uplink) return false;
    const record = sent.repeat(lost, downlink.subscriber.usualRttMs, time.ticksMs);
    if (record === NO_RECORD || layerOf(sent, record) > highest) return false;
    const layer = uplink.layers[layerOf(sent, record)];
    const ring = layer?.ring;
    const index = ring ? ring.find(sent.sourceSequence(record)) : -1;
    if (!ring || index < 0) return false;
    const { spec, subscriber } = downlink;
    const { codecs, plan }: Tables = uplink.tables.find(uplink.codecs, spec);
    const codec = ring.codec[index]!;
    const payloadType = codecs.payloadType[codec]!;
    if (payloadType === NOT_CARRIED) return false;
    const rtx = rtxPayloadType(downlink, codecs, codec);
    const { change } = writer;
    change.original = rtx === 0 ? NOT_RTX : lost;
    change.widePictureId = downlink.continuity.widePictureId;
    recallSent(sent, record, ring.flags[index]!, layer?.frames, change);
    const timestamp = sent.timestamp(record);
    if (rtx === 0) {
      // The same number must never protect two different packets.
      if (change.widePictureId && (ring.flags[index]! & NARROW_PICTURE_ID) !== 0) return false;
      const octets = writer.write(subscriber, plan, ring, index, payloadType, lost, timestamp, downlink.ssrc, change);
      downlink.countSent(octets);
      return octets >= 0;
    }
    const ssrc = spec.rtxSsrc | 0;
    const octets = writer.write(subscriber, plan, ring, index, rtx, this.sequence, timestamp, ssrc, change);
    if (octets < 0) return false;
    this.sequence = (this.sequence + 1) & 0xffff;
    return true;
  }

  /** Sends about `bytes` of padding. False if there is no RTX stream for packets of this codec. */
  pad(
    downlink: Downlink,
    codecs: CodecTable,
    plan: ExtensionPlan,
    codec: number,
    bytes: number,
    writer: PacketWriter,
  ): boolean {
    const payloadType = rtxPayloadType(downlink, codecs, codec);
    if (payloadType === 0) return false;
    const { spec, subscriber, continuity } = downlink;
    const ssrc = spec.rtxSsrc | 0;
    for (let left = bytes; left > 0; left -= MAX_PADDING) {
      const size = Math.min(left, MAX_PADDING);
      if (!writer.writePadding(subscriber, plan, payloadType, this.sequence, continuity.timestamp, ssrc, size)) break;
      this.sequence = (this.sequence + 1) & 0xffff;
    }
    return true;
  }
}

/** Payload type of repeated packets of this codec; 0 = there is no stream for them. */
function rtxPayloadType(downlink: Downlink, codecs: CodecTable, codec: number): number {
  return downlink.spec.rtxSsrc === 0 || codec < 0 ? 0 : (codecs.rtxPayloadType[codec] ?? 0);
}
