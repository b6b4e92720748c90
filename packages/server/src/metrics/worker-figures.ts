/** What the media workers report every second, as figures. Invariant: counters only grow, also when a worker starts anew. */
import type { WorkerLoad } from "@stoa/core/engine/protocol";
import type { Instruments } from "./instruments.ts";

export class WorkerFigures {
  readonly #instruments: Instruments;
  readonly #last = new Map<number, WorkerLoad>();
  /** Of all workers that ever were. */
  #sent = 0;
  #dropped = 0;

  constructor(instruments: Instruments) {
    this.#instruments = instruments;
  }

  /** One report; undefined: the worker is gone, its counters start anew. */
  note(index: number, load: WorkerLoad | undefined): void {
    const { workerUtilization, workerLagMs, packets, packetBytes, forwardLatencyNs, forwardLatency } =
      this.#instruments;
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
    const labels = { transmission: "", country: "" };
    packets.inc({ direction: "incoming", ...labels }, load.packetsIn - (last?.packetsIn ?? 0));
    packets.inc({ direction: "outgoing", ...labels }, load.packetsOut - (last?.packetsOut ?? 0));
    packetBytes.inc({ direction: "incoming", ...labels }, load.bytesIn - (last?.bytesIn ?? 0));
    packetBytes.inc({ direction: "outgoing", ...labels }, load.bytesOut - (last?.bytesOut ?? 0));
    const counts = load.forwardLatency.map((count, i) => count - (last?.forwardLatency[i] ?? 0));
    forwardLatencyNs.add(counts, 1000 * (load.forwardLatencyUs - (last?.forwardLatencyUs ?? 0)));
    forwardLatency.set(Math.round(forwardLatencyNs.mean));
    this.#noteWorker(worker, load, last);
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
}
