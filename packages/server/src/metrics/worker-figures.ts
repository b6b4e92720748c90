/** What the media workers report every second, as figures. Invariant: counters only grow, also when a worker starts anew. */
import { DATA_CHANNELS, DATA_OUTCOMES } from "@stoa/core/data/message-counts";
import { STREAM_BYTES_BOUNDS, STREAM_RECIPIENTS_SLOTS, STREAM_SLOTS } from "@stoa/core/data/stream-counts";
import type { DataFigures, WorkerLoad } from "@stoa/core/engine/figures";
import type { Instruments } from "./instruments.ts";

/** Reports over which mean and deviation of the forwarding time are taken: ten seconds of one worker, less of several. */
const WINDOW = 10;

/** What is new since the last report of a worker. */
interface Interval {
  readonly packets: number;
  readonly us: number;
  readonly us2: number;
}

export class WorkerFigures {
  readonly #instruments: Instruments;
  readonly #last = new Map<number, WorkerLoad>();
  readonly #window: Interval[] = [];
  /** Of all workers that ever were. */
  #sent = 0;
  #dropped = 0;

  constructor(instruments: Instruments) {
    this.#instruments = instruments;
  }

  /** One report; undefined: the worker is gone, its counters start anew. */
  note(index: number, load: WorkerLoad | undefined, data?: DataFigures): void {
    const { workerUtilization, workerLagMs, packets, packetBytes } = this.#instruments;
    const worker = String(index);
    const last = this.#last.get(index);
    if (!load) {
      this.#last.delete(index);
      workerUtilization.remove({ worker });
      workerLagMs.remove({ worker });
      return;
    }
    this.#last.set(index, load);
    workerUtilization.set({ worker }, load.utilization);
    workerLagMs.set({ worker }, load.lagMs);
    const labels = { transmission: "initial", country: "" };
    packets.inc({ direction: "incoming", ...labels }, load.packetsIn - (last?.packetsIn ?? 0));
    packetBytes.inc({ direction: "incoming", ...labels }, load.bytesIn - (last?.bytesIn ?? 0));
    const sent = this.#withoutRepeats("packets", load.packetsOut - (last?.packetsOut ?? 0));
    packets.inc({ direction: "outgoing", ...labels }, sent);
    const sentBytes = this.#withoutRepeats("bytes", load.bytesOut - (last?.bytesOut ?? 0));
    packetBytes.inc({ direction: "outgoing", ...labels }, sentBytes);
    this.#noteLatency(load, last);
    this.#noteWorker(worker, load, last);
    if (data?.streams) this.#noteDataStreams(data.streams);
    if (data?.messages) this.#noteDataMessages(data.messages);
  }

  /** What was sent for the first time: repeats are counted by stream, and taken off here, whichever worker it was. */
  #withoutRepeats(what: "packets" | "bytes", sent: number): number {
    const { retransmitted } = this.#instruments;
    const repeats = Math.min(sent, retransmitted[what]);
    retransmitted[what] -= repeats;
    return sent - repeats;
  }

  #noteLatency(load: WorkerLoad, last: WorkerLoad | undefined): void {
    const { forwardLatencyNs, forwardLatency, forwardJitter } = this.#instruments;
    const counts = load.forwardLatency.map((count, i) => count - (last?.forwardLatency[i] ?? 0));
    const us = load.forwardLatencyUs - (last?.forwardLatencyUs ?? 0);
    forwardLatencyNs.add(counts, 1000 * us);
    const packets = counts.reduce((sum, count) => sum + count, 0);
    this.#window.push({ packets, us, us2: load.forwardLatencyUs2 - (last?.forwardLatencyUs2 ?? 0) });
    if (this.#window.length > WINDOW) this.#window.shift();
    const sum = (of: (interval: Interval) => number) => this.#window.reduce((all, one) => all + of(one), 0);
    const count = Math.max(
      1,
      sum((one) => one.packets),
    );
    const mean = sum((one) => one.us) / count;
    const variance = sum((one) => one.us2) / count - mean * mean;
    forwardLatency.set(Math.round(1000 * mean));
    forwardJitter.set(Math.round(1000 * Math.sqrt(Math.max(0, variance))));
  }

  #noteWorker(worker: string, load: WorkerLoad, last: WorkerLoad | undefined): void {
    const { workerPackets, workerDropped, systemPackets } = this.#instruments;
    const sent = load.packetsOut - (last?.packetsOut ?? 0);
    const droppedOut = load.droppedOut - (last?.droppedOut ?? 0);
    workerPackets.inc({ worker, direction: "incoming" }, load.packetsIn - (last?.packetsIn ?? 0));
    workerPackets.inc({ worker, direction: "outgoing" }, sent);
    workerDropped.inc({ worker, direction: "incoming" }, load.droppedIn - (last?.droppedIn ?? 0));
    workerDropped.inc({ worker, direction: "outgoing" }, droppedOut);
    this.#sent += sent;
    this.#dropped += droppedOut;
    systemPackets.set({ type: "out" }, this.#sent);
    systemPackets.set({ type: "dropped" }, this.#dropped);
  }

  /** All outcomes for each channel (`MessageCounts`). */
  #noteDataMessages(counts: readonly number[]): void {
    const { dataIn, dataOut } = this.#instruments;
    counts.forEach((messages, i) => {
      if (messages === 0) return;
      const channel = DATA_CHANNELS[Math.floor(i / DATA_OUTCOMES.length)]!;
      const outcome = DATA_OUTCOMES[i % DATA_OUTCOMES.length]!;
      (outcome === "relayed" || outcome === "refused" ? dataIn : dataOut).inc({ channel, outcome }, messages);
    });
  }

  /** Counts of both histograms for each kind and MIME type, in the order of the series (`DataStreamCounts`). */
  #noteDataStreams(counts: readonly number[]): void {
    const { dataStreamRecipients, dataStreamBytes } = this.#instruments;
    const sumOfRecipients = STREAM_RECIPIENTS_SLOTS - 1;
    const sumOfBytes = STREAM_RECIPIENTS_SLOTS + STREAM_BYTES_BOUNDS.length + 1;
    for (let at = 0, series = 0; at < counts.length; at += STREAM_SLOTS, series++) {
      const slots = counts.slice(at, at + STREAM_SLOTS);
      dataStreamRecipients.add(slots.slice(0, sumOfRecipients), slots[sumOfRecipients]!, series);
      dataStreamBytes.add(slots.slice(STREAM_RECIPIENTS_SLOTS, sumOfBytes), slots[sumOfBytes]!, series);
    }
  }
}
