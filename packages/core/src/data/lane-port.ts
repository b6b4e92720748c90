/** One channel of a peer, as its sender sees it. */
import type { SendOutcome } from "../peer/data-transport.ts";
import type { SendPort } from "./sender/send-port.ts";

/** What a peer has to offer; `Peer` does. */
export interface LanePeer {
  sendData(channel: number, data: Uint8Array, binary: boolean, nowMs: number): SendOutcome;
  bufferedAmount(channel: number): number;
  setLowWater(channel: number, bytes: number): void;
}

/** See the file's head. */
export class LanePort implements SendPort {
  readonly channel: number;
  readonly #peer: LanePeer;

  constructor(peer: LanePeer, channel: number) {
    this.#peer = peer;
    this.channel = channel;
  }

  send(payload: Uint8Array, nowMs: number): SendOutcome {
    return this.#peer.sendData(this.channel, payload, true, nowMs);
  }

  bufferedAmount(): number {
    return this.#peer.bufferedAmount(this.channel);
  }

  setLowWater(bytes: number): void {
    this.#peer.setLowWater(this.channel, bytes);
  }
}
