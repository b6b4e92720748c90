/**
 * Carries what one room tells about a forwarded participant to the room that shows it, and back that it is not shown any more.
 * Invariant: in the order of telling, and never inside of another input of either room.
 */
import { Refusal } from "@stoa/core/room/admin/action";
import type { Effect } from "@stoa/core/room/effects";
import { receiveForwarded, stopForwarding, wantForwarded } from "@stoa/core/room/admin/forward";
import type { Forwarded } from "@stoa/core/room/forwards";
import type { ForwardSource } from "@stoa/core/room/participant";
import type { RoomRunner } from "./runner.ts";

type ForwardWanted = Extract<Effect, { type: "forwardWanted" }>;

export class Forwards {
  readonly #find: (room: string) => RoomRunner | undefined;

  constructor(find: (room: string) => RoomRunner | undefined) {
    this.#find = find;
  }

  /** A participant of `from` has changed. */
  tell(from: RoomRunner, destination: string, forwarded: Forwarded): void {
    queueMicrotask(() => {
      const to = this.#find(destination);
      const shown = to?.worker === from.worker && !(to.act(receiveForwarded(forwarded)) instanceof Refusal);
      if (!shown) from.act(stopForwarding(forwarded.source.participant, destination));
    });
  }

  /** What the subscribers of `from` want of a track. */
  want(from: RoomRunner, { source, track, levels }: ForwardWanted): void {
    queueMicrotask(() => {
      this.#find(source.room)?.act(wantForwarded(source.participant, from.name, track, levels));
    });
  }

  /** `from` does not show it any more. */
  end(from: RoomRunner, source: ForwardSource): void {
    queueMicrotask(() => this.#find(source.room)?.act(stopForwarding(source.participant, from.name)));
  }
}
