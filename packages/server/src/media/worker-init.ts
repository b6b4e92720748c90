/** What a media worker thread is told when it starts; plain data for structured clone. */
import type { Certificate } from "@stoa/io/accel/certificate";
import type { LogLevel } from "../log.ts";

/** `workerData` of a media worker. */
export interface WorkerInit {
  readonly index: number;
  /** The one certificate of the process. */
  readonly certificate: Certificate;
  readonly udpPort: number;
  /** 0 = no ICE-TCP. */
  readonly tcpPort: number;
  /** Addresses for host candidates, best first. */
  readonly addresses: readonly string[];
  readonly logLevel: LogLevel;
}
