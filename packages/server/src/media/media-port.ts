/** The media workers as the rooms see them. */
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { MediaEvent } from "@stoa/core/engine/events";
import type { LocalTransport } from "@stoa/core/negotiation/types";

/** What rooms ask of the workers. */
export interface MediaPort {
  /** The worker with the least to do, or undefined while none is up. */
  choose(): number | undefined;
  /** What SDP says about this worker; its candidates are read anew for each description. */
  address(worker: number): LocalTransport;
  /** Sends a command of this room to its worker. */
  post(worker: number, room: string, command: MediaCommand): void;
  /** This room is gone. */
  release(worker: number, room: string): void;
  /** Events for one room, and the loss of a worker with all of its peers. */
  listen(listener: MediaListener): void;
}

/** Who hears of the workers. */
export interface MediaListener {
  onMedia(room: string, event: MediaEvent): void;
  onWorkerLost(worker: number): void;
}
