/** For tests: a packet of a data track that is a frame of its own. */
import { writeDataTrackPacket } from "@stoa/wire/data-track/packet";

/** The first frame under this handle. */
export function wholeFramePacket(handle: number, payload: Uint8Array): Uint8Array {
  return writeDataTrackPacket({
    startsFrame: true,
    endsFrame: true,
    handle,
    sequence: 0,
    frameNumber: 0,
    timestamp: 0,
    extensions: [],
    payload,
  })!;
}
