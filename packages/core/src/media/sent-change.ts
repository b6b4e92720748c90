/**
 * How a packet was changed when it was sent, in the few bits that a record of what was sent has for it: picture numbers where
 * the codec has them, else the frame number, the marker and the decode targets.
 */
import type { FrameTable } from "./frame-table.ts";
import { FIRST_TIME } from "./packet-writer.ts";
import type { PayloadChange } from "./packet-writer.ts";
import { NO_DELAY } from "./playout-delay.ts";
import { HAS_PICTURE_ID } from "./ring.ts";
import { NO_MASK } from "./select-svc.ts";
import type { SentPackets } from "./sent-packets.ts";

/** Beside the layer: the number went out without payload. */
const BLANK = 4;
/** In place of TL0PICIDX: bit 15 of the frame offset, the marker was set, a mask was written. */
const HIGH_BIT = 1;
const ENDS_PICTURE = 2;
const MASKED = 4;

/** Stream of the uplink from which a packet came. */
export function layerOf(sent: SentPackets, record: number): number {
  return sent.layer(record) & ~BLANK;
}

/** Notes a packet that goes out. `flags`: of its ring entry; `decodeTarget`: the one that flows, if any. */
export function noteSent(
  sent: SentPackets,
  outgoing: number,
  sequence: number,
  timestamp: number,
  layer: number,
  flags: number,
  decodeTarget: number,
  change: PayloadChange | undefined,
): void {
  if (change === undefined) {
    sent.note(outgoing, sequence, timestamp, layer, 0, 0, 0);
    return;
  }
  const place = change.blank ? layer | BLANK : layer;
  if ((flags & HAS_PICTURE_ID) !== 0) {
    const { pictureIdOffset, tl0Offset, keyIdxOffset } = change;
    sent.note(outgoing, sequence, timestamp, place, pictureIdOffset, tl0Offset, keyIdxOffset);
    return;
  }
  const { frameOffset, mask, endsPicture } = change;
  const bits = ((frameOffset >> 15) & HIGH_BIT) | (endsPicture ? ENDS_PICTURE : 0) | (mask === NO_MASK ? 0 : MASKED);
  sent.note(outgoing, sequence, timestamp, place, frameOffset & 0x7fff, bits, Math.max(decodeTarget, 0));
}

/** Fills in the same changes again. */
export function recallSent(
  sent: SentPackets,
  record: number,
  flags: number,
  frames: FrameTable | undefined,
  change: PayloadChange,
): void {
  change.blank = (sent.layer(record) & BLANK) !== 0;
  change.pictureIdOffset = change.tl0Offset = change.keyIdxOffset = change.frameOffset = 0;
  change.endsPicture = false;
  change.mask = NO_MASK;
  change.playoutDelay = NO_DELAY;
  change.transportSequence = FIRST_TIME;
  if ((flags & HAS_PICTURE_ID) !== 0) {
    change.pictureIdOffset = sent.pictureIdOffset(record);
    change.tl0Offset = sent.tl0Offset(record);
    change.keyIdxOffset = sent.keyIdxOffset(record);
    return;
  }
  const bits = sent.tl0Offset(record);
  change.frameOffset = sent.pictureIdOffset(record) | ((bits & HIGH_BIT) << 15);
  change.endsPicture = (bits & ENDS_PICTURE) !== 0;
  if ((bits & MASKED) !== 0 && frames) change.mask = frames.within[sent.keyIdxOffset(record)]! & frames.active;
}
