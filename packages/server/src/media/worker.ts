/** Entry of a media worker thread. */
import { parentPort, workerData } from "node:worker_threads";
import { MediaEngine } from "@stoa/core/engine/engine";
import { SctpAssociation } from "@stoa/core/sctp/association";
import { runMediaWorker } from "./worker-loop.ts";
import type { WorkerInit } from "./worker-init.ts";

await runMediaWorker(
  workerData as WorkerInit,
  parentPort!,
  (parts) => new MediaEngine({ ...parts, slab: parts.crypto.slab, sctp: (options) => new SctpAssociation(options) }),
);
