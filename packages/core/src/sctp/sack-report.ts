/** What one SACK told, in an object that is used again for the next one: a SACK comes with every second packet. */

/** Written while a SACK is applied, read by whoever acts on it before the next. */
export class SackReport {
  /** By how much the cumulative TSN moved. */
  advance = 0;
  /** Acknowledged for the first time: bytes of payload, chunks, and packets as they were sent last. */
  ackedBytes = 0;
  ackedChunks = 0;
  ackedPackets = 0;
  /** Acknowledged chunks that were taken for lost and had not been sent again. */
  lateChunks = 0;
  /** Found to be lost, in chunks, and in packets as they were sent last. */
  lostChunks = 0;
  lostPackets = 0;
  /** Round trip time, -1 if it gave none. */
  rttMs = -1;

  /** A SACK follows that moves the cumulative TSN by `advance`. */
  begin(advance: number): void {
    this.advance = advance;
    this.ackedBytes = 0;
    this.ackedChunks = 0;
    this.ackedPackets = 0;
    this.lateChunks = 0;
    this.lostChunks = 0;
    this.lostPackets = 0;
    this.rttMs = -1;
  }
}
