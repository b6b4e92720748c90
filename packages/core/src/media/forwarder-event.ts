/** What the parts of the forwarder tell main, through its queue of events. */
import type { MediaEvent } from "../engine/events.ts";

export type ForwarderEvent = Extract<
  MediaEvent,
  { type: "trackStarted" | "downlinkStarted" | "layerSwitched" | "speakers" | "streamState" | "relayedStreams" }
>;
