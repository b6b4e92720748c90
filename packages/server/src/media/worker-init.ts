/** What a media worker thread is told when it starts; plain data for structured clone. */
import type { LaneOptions } from "@stoa/core/data/peer-lanes";
import type { AudioLevelOptions } from "@stoa/core/media/audio-level";
import type { MediaTuning } from "@stoa/core/media/tuning";
import type { Certificate } from "@stoa/io/accel/certificate";
import type { AccelMode } from "@stoa/io/accel/probe";
import type { AnnounceRules } from "./announced.ts";

/** `workerData` of a media worker. */
export interface WorkerInit {
  readonly index: number;
  /** The one certificate of the process. */
  readonly certificate: Certificate;
  readonly accel: AccelMode;
  readonly udpPort: number;
  /** 0 = no ICE-TCP. */
  readonly tcpPort: number;
  readonly announce: AnnounceRules;
  readonly audioLevel: AudioLevelOptions;
  /** Subscribers that take RED get it, of publishers that send plain opus. */
  readonly activeRed: boolean;
  readonly tuning: MediaTuning;
  /** Main gets a copy of the data messages. */
  readonly tapData: boolean;
  /** What happens to receivers of data that are slow. */
  readonly dataLanes: LaneOptions;
}
