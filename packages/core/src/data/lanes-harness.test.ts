/** A peer's lanes on channels that drain by hand, for the tests beside this file. */
import { DATA_CHANNELS, DATA_OUTCOMES } from "./message-counts.ts";
import { DEFAULT_LANES, type LaneOptions, PeerLanes } from "./peer-lanes.ts";
import { ManualPort } from "./sender/manual-port.test.ts";

export const message = (mark: number, length = 1000) => new Uint8Array(length).fill(mark);

/** Lanes on channels that drain by hand; what became of the messages, "channel outcome" by number. */
export function setup(options: Partial<LaneOptions> = {}) {
  const ports = new Map<number, ManualPort>();
  const port = (channel: number) => {
    if (!ports.has(channel)) ports.set(channel, new ManualPort());
    return ports.get(channel)!;
  };
  const fates: Record<string, number> = {};
  const lanes = new PeerLanes(
    {
      sendData: (channel, data) => port(channel).send(data),
      bufferedAmount: (channel) => port(channel).buffered,
      setLowWater: (channel, bytes) => port(channel).setLowWater(bytes),
    },
    { ...DEFAULT_LANES, ...options },
    (channel, outcome) => {
      const name = `${DATA_CHANNELS[channel]} ${DATA_OUTCOMES[outcome]}`;
      fates[name] = (fates[name] ?? 0) + 1;
    },
  );
  return { lanes, port, fates };
}
