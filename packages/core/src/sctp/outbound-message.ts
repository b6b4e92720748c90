/** A message on its way out, and the stream whose order it keeps. The data is never copied but into packets. */
import { Fifo } from "./fifo.ts";

/** One direction of one stream. */
export interface OutboundStream {
  readonly id: number;
  readonly queue: Fifo<OutboundMessage>;
  /** SSN of the next ordered message, given out with its first fragment. */
  nextSsn: number;
  /** Bytes of user messages that were not handed to a packet yet. */
  bufferedBytes: number;
  lowWaterBytes: number;
  /** Messages that are queued or not finished. */
  unfinished: number;
  /** In the scheduler's round. */
  scheduled: boolean;
  /** `send` answered "full" since the last "bufferedLow". */
  refused: boolean;
}

/** A stream without messages. */
export function newOutboundStream(id: number): OutboundStream {
  return {
    id,
    queue: new Fifo<OutboundMessage>(),
    nextSsn: 0,
    bufferedBytes: 0,
    lowWaterBytes: 0,
    unfinished: 0,
    scheduled: false,
    refused: false,
  };
}

/** One message. `data` is the caller's and must not change until the message is finished. */
export interface OutboundMessage {
  readonly stream: OutboundStream;
  readonly data: Uint8Array;
  readonly ppid: number;
  readonly unordered: boolean;
  /** Infinity = reliable. */
  readonly maxRetransmits: number;
  /** `NEVER` = no limit of time. */
  readonly expiresAtMs: number;
  /** Counts for `bufferedAmount`: a user's message that is not empty. */
  readonly counted: boolean;
  ssn: number;
  /** Bytes that are in fragments by now. */
  sentBytes: number;
  abandoned: boolean;
}

/** Whether the sender may give the message up at all. */
export function isPartiallyReliable(message: OutboundMessage): boolean {
  return message.maxRetransmits !== Number.POSITIVE_INFINITY || message.expiresAtMs !== Number.POSITIVE_INFINITY;
}
