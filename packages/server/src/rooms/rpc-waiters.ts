/** Who waits for the outcome of a call that a room makes to a participant (PerformRpc). Every wait ends: the room sees to it. */
import type { RpcOutcome } from "@stoa/core/room/rpc";

export class RpcWaiters {
  readonly #waiting = new Map<string, (outcome: RpcOutcome) => void>();

  /** The outcome of the call with this id, which was started a moment ago. */
  wait(id: string): Promise<RpcOutcome> {
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
    });
  }

  /** The call has ended. */
  settle(id: string, outcome: RpcOutcome): void {
    this.#waiting.get(id)?.(outcome);
    this.#waiting.delete(id);
  }
}
