/**
 * What one stream sent lately, and sending it again when the subscriber lost it: on the stream of retransmissions (RFC 4588),
 * or for want of one the same bytes under the same number.
 */
import { NOT_CARRIED } from "./codec-table.ts";
import type { OutgoingStream } from "./outgoing-stream.ts";
import { NOT_RTX } from "./packet-writer.ts";
import type { PacketWriter, PayloadChange } from "./packet-writer.ts";
import { NARROW_PICTURE_ID } from "./ring.ts";
import { NO_MASK } from "./select-svc.ts";
import { layerOf, noteSent, recallSent } from "./sent-change.ts";
import { NO_RECORD, SentPackets } from "./sent-packets.ts";
import type { BatchTime } from "./transport.ts";
import type { Uplink } from "./uplink.ts";

/** What `resend` did, unless it gives the bytes of payload that went out under the stream's own number. */
export const NOT_SENT = -1;
export const ON_RTX = -2;

export class Repeater {
  /** Next sequence number of the RTX stream. */
  rtxSequence: number;
  /** Packets that went out again on that stream; what was asked for more than once counts once. */
  repaired = 0;
  #sent: SentPackets | undefined;
  /** What the records refer to. */
  #from: Uplink | undefined;

  constructor(rtxSequence: number) {
    this.rtxSequence = rtxSequence;
  }

  /** Packets come from this uplink from now on; `repeats`: the subscriber may ask for them. */
  serve(uplink: Uplink, repeats: boolean): void {
    if (uplink !== this.#from) this.#sent = undefined;
    this.#from = uplink;
    if (repeats) this.#sent ??= newRecords(uplink);
  }

  /** Lets go of packets that nobody has any more. */
  letGo(): void {
    if (!this.#from?.owner) this.#sent = this.#from = undefined;
  }

  /** What was sent so far is not to be repeated. */
  startOver(): void {
    if (this.#sent && this.#from) this.#sent = newRecords(this.#from);
  }

  /** Notes a packet that goes out. */
  note(
    outgoing: number,
    sequence: number,
    timestamp: number,
    layer: number,
    flags: number,
    decodeTarget: number,
    change: PayloadChange | undefined,
  ): void {
    if (this.#sent !== undefined) {
      noteSent(this.#sent, outgoing, sequence, timestamp, layer, flags, decodeTarget, change);
    }
  }

  /** Notes with what it goes out that a repetition under its own number must carry again. */
  stamp(outgoing: number, transportSequence: number, sendTime: number): void {
    this.#sent?.stamp(outgoing, transportSequence, sendTime);
  }

  /** Sends a packet (16 bits) of `stream` again if that may help, and is not of a layer above `highest`. */
  resend(stream: OutgoingStream, lost: number, highest: number, time: BatchTime, writer: PacketWriter): number {
    const sent = this.#sent;
    const uplink = this.#from;
    if (!sent || !uplink) return NOT_SENT;
    const { subscriber, spec } = stream;
    const record = sent.repeat(lost, subscriber.usualRttMs, time.ticksMs);
    if (record === NO_RECORD || layerOf(sent, record) > highest) return NOT_SENT;
    const layer = uplink.layers[layerOf(sent, record)];
    const ring = layer?.ring;
    const index = ring ? ring.find(sent.sourceSequence(record)) : -1;
    if (!ring || index < 0) return NOT_SENT;
    const { codecs, plan } = uplink.tables.find(uplink.codecs, spec);
    const codec = ring.codec[index]!;
    const payloadType = codecs.payloadType[codec]!;
    if (payloadType === NOT_CARRIED) return NOT_SENT;
    const rtx = spec.rtxSsrc !== 0 ? codecs.rtxPayloadType[codec]! : 0;
    const { change } = writer;
    change.original = rtx === 0 ? NOT_RTX : lost;
    change.widePictureId = stream.continuity.widePictureId;
    recallSent(sent, record, ring.flags[index]!, layer?.frames, change);
    const timestamp = sent.timestamp(record);
    if (rtx === 0) {
      // The same number must never protect two different packets: what may be another by now is not sent again.
      if (change.widePictureId && (ring.flags[index]! & NARROW_PICTURE_ID) !== 0) return NOT_SENT;
      if (change.mask !== NO_MASK) return NOT_SENT;
      change.transportSequence = sent.transportSequence(record);
      change.sendTime = sent.sendTime(record);
      return writer.write(subscriber, plan, ring, index, payloadType, lost, timestamp, stream.ssrc, change);
    }
    const ssrc = spec.rtxSsrc | 0;
    const octets = writer.write(subscriber, plan, ring, index, rtx, this.rtxSequence, timestamp, ssrc, change);
    if (octets < 0) return NOT_SENT;
    this.rtxSequence = (this.rtxSequence + 1) & 0xffff;
    if (sent.repeats(record) === 1) this.repaired++;
    return ON_RTX;
  }
}

/** As many packets can be repeated as the publisher's ring holds. */
function newRecords({ layers }: Uplink): SentPackets {
  return new SentPackets(layers[0]!.ring.mask + 1);
}
