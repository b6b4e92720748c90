/**
 * Carries what one room tells about a forwarded participant to the room that shows it, and back that it is not shown any
 * more; where the two are on different workers, its media too.
 * Invariant: in the order of telling, and never inside of another input of either room.
 */
import { ParticipantInfo_State } from "@livekit/protocol";
import type { MediaEvent } from "@stoa/core/engine/events";
import { Refusal } from "@stoa/core/room/admin/action";
import type { Effect } from "@stoa/core/room/effects";
import { readShown, receiveForwarded, stopForwarding, wantForwarded } from "@stoa/core/room/admin/forward";
import type { Forwarded, ForwardSource } from "@stoa/core/room/forwards";
import { Relay, type RelayDeps } from "./relay.ts";
import type { RoomRunner } from "./runner.ts";

type ForwardWanted = Extract<Effect, { type: "forwardWanted" }>;

export class Forwards {
  readonly #find: (room: string) => RoomRunner | undefined;
  readonly #relayDeps: RelayDeps;
  /** By SID of the participant in its own room, and name of the other room. */
  readonly #relays = new Map<string, Relay>();

  constructor(find: (room: string) => RoomRunner | undefined, relayDeps: RelayDeps) {
    this.#find = find;
    this.#relayDeps = relayDeps;
  }

  /** A participant of `from` has changed. */
  tell(from: RoomRunner, destination: string, forwarded: Forwarded): void {
    queueMicrotask(() => {
      const to = this.#find(destination);
      const shown = to !== undefined && !(to.act(receiveForwarded(forwarded)) instanceof Refusal);
      if (!shown) from.act(stopForwarding(forwarded.source.participant, destination));
      if (shown && to.worker !== from.worker) this.#relay(from, to, forwarded);
      else this.#endRelay(forwarded.source, destination);
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
    queueMicrotask(() => {
      this.#endRelay(source, from.name);
      this.#find(source.room)?.act(stopForwarding(source.participant, from.name));
    });
  }

  /** What a worker says; true when it is about an end of a relay, which is nobody's connection. */
  handleMedia(event: MediaEvent): boolean {
    if (!("peer" in event)) return false;
    for (const relay of this.#relays.values()) if (relay.handleMedia(event)) return true;
    return false;
  }

  #relay(from: RoomRunner, to: RoomRunner, { source, info, media }: Forwarded): void {
    const shownAs = to.act(readShown(source));
    if (info.state === ParticipantInfo_State.DISCONNECTED || typeof shownAs !== "string") {
      this.#endRelay(source, to.name);
      return;
    }
    const key = keyOf(source, to.name);
    let relay = this.#relays.get(key);
    if (relay?.to !== to) {
      relay?.close(); // that of a former room of the same name
      relay = new Relay(from, to, this.#relayDeps);
      this.#relays.set(key, relay);
    }
    const muted = new Set(info.tracks.filter((track) => track.muted).map(({ sid }) => sid));
    relay.update({ media, shownAs, muted });
  }

  #endRelay(source: ForwardSource, destination: string): void {
    const key = keyOf(source, destination);
    this.#relays.get(key)?.close();
    this.#relays.delete(key);
  }
}

function keyOf(source: ForwardSource, destination: string): string {
  return `${source.participant} ${destination}`;
}
