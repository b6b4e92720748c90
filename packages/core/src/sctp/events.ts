/**
 * What an association tells its owner, in order. Messages and labels count against the receive window until they are polled, so
 * an owner that stops polling stops the peer.
 */
import type { ChannelTerms } from "@stoa/wire/sctp/dcep";
import { Fifo } from "./fifo.ts";
import { ITEM_OVERHEAD_BYTES } from "./options.ts";
import type { ReceiveBuffer } from "./receive-buffer.ts";

/** One event of `SctpAssociation.pollEvent`. */
export type SctpEvent =
  /** The handshake is done; again after the peer restarted the association. */
  | { readonly type: "connected" }
  /** A channel can be used: the peer opened it, or acknowledged ours. */
  | ({
      readonly type: "channelOpen";
      readonly channel: number;
      /** The peer opened it. */
      readonly remote: boolean;
    } & ChannelTerms)
  /** One whole message; `data` belongs to the owner. */
  | { readonly type: "message"; readonly channel: number; readonly data: Uint8Array; readonly binary: boolean }
  /** The channel is gone, whoever closed it. Said once for each channel. */
  | { readonly type: "channelClosed"; readonly channel: number }
  /** `bufferedAmount` fell to the low water mark, or there is room again after `send` said "full". */
  | { readonly type: "bufferedLow"; readonly channel: number }
  /** The association is gone; `reason` in words. */
  | { readonly type: "closed"; readonly reason: string };

/** Events waiting for their owner. */
export class EventQueue {
  readonly #queue = new Fifo<SctpEvent>();
  readonly #memory: ReceiveBuffer;

  constructor(memory: ReceiveBuffer) {
    this.#memory = memory;
  }

  get size(): number {
    return this.#queue.size;
  }

  push(event: SctpEvent): void {
    this.#memory.add(heldBytes(event));
    this.#queue.push(event);
  }

  poll(): SctpEvent | undefined {
    const event = this.#queue.shift();
    if (event) this.#memory.remove(heldBytes(event));
    return event;
  }
}

function heldBytes(event: SctpEvent): number {
  if (event.type === "message") return event.data.length + ITEM_OVERHEAD_BYTES;
  return event.type === "channelOpen" && event.remote ? event.label.length + event.protocol.length : 0;
}
