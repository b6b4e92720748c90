/** Entry of a media worker thread. */
import { parentPort, workerData } from "node:worker_threads";
import { MediaEngine } from "@stoa/core/engine/engine";
import { SctpAssociation } from "@stoa/core/sctp/association";
import { runMediaWorker } from "./worker-loop.ts";
import type { WorkerInit } from "./worker-init.ts";

const init = workerData as WorkerInit;
const { audioLevel, activeRed, tuning, tapData, dataLanes } = init;
await runMediaWorker(init, parentPort!, (parts) => {
  const { slab } = parts.crypto;
  return new MediaEngine({
    ...parts,
    slab,
    audioLevel,
    activeRed,
    tuning,
    tapData,
    dataLanes,
    sctp: (options) => new SctpAssociation(options),
  });
});
