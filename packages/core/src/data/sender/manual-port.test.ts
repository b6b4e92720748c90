/** A data channel that drains by hand, for the tests beside this file. */
import type { SendOutcome } from "../../peer/data-transport.ts";
import type { SendPort } from "./send-port.ts";

export class ManualPort implements SendPort {
  /** Payloads that were taken, in order. */
  readonly taken: Uint8Array[] = [];
  buffered = 0;
  lowWater = -1;
  /** Bytes beyond which it answers "full". */
  capacity = Number.POSITIVE_INFINITY;
  maxPayload = Number.POSITIVE_INFINITY;
  open = true;

  send(payload: Uint8Array): SendOutcome {
    if (!this.open) return "closed";
    if (payload.length > this.maxPayload) return "tooLarge";
    if (this.buffered > 0 && this.buffered + payload.length > this.capacity) return "full";
    this.taken.push(payload);
    this.buffered += payload.length;
    return "queued";
  }

  bufferedAmount(): number {
    return this.buffered;
  }

  setLowWater(bytes: number): void {
    this.lowWater = bytes;
  }

  /** Puts up to `bytes` on the wire; true when the channel would call. */
  drain(bytes: number): boolean {
    const before = this.buffered;
    this.buffered = Math.max(0, before - bytes);
    return before > this.lowWater && this.buffered <= this.lowWater;
  }

  /** The first bytes of what was taken, by which tests tell payloads apart. */
  get marks(): number[] {
    return this.taken.map((payload) => payload[0]!);
  }
}
