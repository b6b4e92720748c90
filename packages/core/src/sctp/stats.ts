/** Counters of one association; what was dropped is counted here and nowhere else. */

/** All counts since the association was made. */
export interface SctpStats {
  packetsIn: number;
  packetsOut: number;
  /** Wrong checksum or ports, or too short; or the association has ended. */
  badPackets: number;
  /** Wrong verification tag, or a packet that its state does not expect. */
  strayPackets: number;
  /** Chunks that are malformed or claim what cannot be. */
  badChunks: number;
  /** DATA beyond the window or the memory; the peer sends it again. */
  droppedChunks: number;
  /** Messages that were too long, on no open channel, or never to be completed. */
  droppedMessages: number;
  duplicateChunks: number;
  retransmittedChunks: number;
  /** Expiries of the retransmission timer. */
  timeouts: number;
  /** Messages given up for partial reliability, sent in part or not at all. */
  abandonedMessages: number;
}

/** Counters at zero. */
export function newStats(): SctpStats {
  return {
    packetsIn: 0,
    packetsOut: 0,
    badPackets: 0,
    strayPackets: 0,
    badChunks: 0,
    droppedChunks: 0,
    droppedMessages: 0,
    duplicateChunks: 0,
    retransmittedChunks: 0,
    timeouts: 0,
    abandonedMessages: 0,
  };
}
