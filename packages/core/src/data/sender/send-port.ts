/** What a sender needs of a data channel; adapters of a few lines make one of a peer's channel or of an `RTCDataChannel`. */
import type { SendOutcome } from "../../peer/data-transport.ts";

/** One open data channel. */
export interface SendPort {
  /**
   * "full": not taken, ask again. "tooLarge": never. "closed": the channel is gone for good. The channel keeps `payload`
   * until it is through, so it must not change.
   */
  send(payload: Uint8Array, nowMs: number): SendOutcome;
  /** Bytes that were taken by `send` and are not on the wire yet. */
  bufferedAmount(): number;
  /** The channel calls (`handleDrained`) when `bufferedAmount` falls to this. */
  setLowWater(bytes: number): void;
}
