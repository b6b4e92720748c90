/**
 * The way of one forwarded participant's media from the worker of its own room to that of the room that shows it
 * (decision 0005): a peer connection between the two workers, over which everything goes as it came. Here is main's part:
 * both ends are opened, and told what goes in at one and comes out at the other.
 * Invariant: each end is closed once, and no event of a closed one is heeded.
 */
import type { Random } from "@stoa/core/crypto";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { MediaEvent, RelayedStream } from "@stoa/core/engine/events";
import type { PeerId, ReceiverSpec } from "@stoa/core/engine/specs";
import { drawIceCredentials } from "@stoa/core/negotiation/ice-credentials";
import type { ForwardedMedia } from "@stoa/core/room/forwards";
import type { MediaPort } from "../media/media-port.ts";
import type { RoomRunner } from "./runner.ts";

/** It fails when a worker stands still for half a minute; then it is opened again, so often. */
const MAX_REOPENINGS = 20;
const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

/** What a relay works with. */
export interface RelayDeps {
  readonly media: MediaPort;
  readonly random: Random;
  readonly nextPeer: () => PeerId;
}

/** What is to be relayed: where it comes in, and as whom the other room knows its publisher. */
export interface Relayed {
  readonly media: ForwardedMedia | undefined;
  readonly shownAs: string;
  /** SIDs of tracks that are muted. */
  readonly muted: ReadonlySet<string>;
}

/** Whether media can go from one worker to the other: over ICE-TCP, where every connection is a path of its own. */
export function canRelay(media: MediaPort, toWorker: number): boolean {
  return tcpPortOf(media, toWorker) !== undefined;
}

export class Relay {
  readonly from: RoomRunner;
  readonly to: RoomRunner;
  readonly #deps: RelayDeps;
  #relayed: Relayed = { media: undefined, shownAs: "", muted: new Set() };
  /** The ends; undefined while nothing is to be relayed. */
  #ends: { readonly near: PeerId; readonly far: PeerId } | undefined;
  /** Whose packets go to the near end at the moment. */
  #publisher: PeerId | undefined;
  #streams: readonly RelayedStream[] = [];
  /** What the other worker was last told of each track, and of where it comes in. */
  readonly #specs = new Map<string, string>();
  readonly #muted = new Set<string>();
  #receivers = "";
  #reopenings = 0;

  constructor(from: RoomRunner, to: RoomRunner, deps: RelayDeps) {
    this.from = from;
    this.to = to;
    this.#deps = deps;
  }

  /** Follows what has changed. */
  update(relayed: Relayed): void {
    this.#relayed = relayed;
    if (!relayed.media) return;
    if (!this.#ends) this.#open();
    this.#tell(relayed.media);
  }

  /** What a worker says; false when it is not about one of the ends. */
  handleMedia(event: MediaEvent & { readonly peer: PeerId }): boolean {
    if (!this.#ends || (event.peer !== this.#ends.near && event.peer !== this.#ends.far)) return false;
    if (event.type === "relayedStreams") {
      this.#streams = event.streams;
      if (this.#relayed.media) this.#tell(this.#relayed.media);
    }
    const gone = event.type === "peerState" && (event.state === "failed" || event.state === "closed");
    if (!gone || this.#reopenings === MAX_REOPENINGS) return true;
    this.#reopenings++;
    this.#closeEnds();
    this.update(this.#relayed);
    return true;
  }

  /** Ends it. */
  close(): void {
    this.#closeEnds();
    for (const track of this.#specs.keys()) this.#postFar({ type: "removeTrack", track });
    this.#specs.clear();
  }

  #open(): void {
    const { media, random, nextPeer } = this.#deps;
    const port = tcpPortOf(media, this.to.worker);
    if (port === undefined) return;
    const { fingerprint } = media.address(this.to.worker); // of the process
    const [near, far] = [nextPeer(), nextPeer()];
    this.#ends = { near, far };
    const [caller, called] = [drawIceCredentials(random), drawIceCredentials(random)];
    const common = {
      type: "openPeer" as const,
      channels: [],
      congestion: { enabled: false, allowPause: false },
      playoutDelay: undefined,
    };
    const remote = { fingerprints: [fingerprint], sctp: undefined };
    const { shownAs } = this.#relayed;
    this.#postFar({ ...common, peer: far, room: this.to.sid, participant: shownAs, ...called });
    this.#postFar({ type: "setRemote", peer: far, remote: { ...remote, ...caller, dtlsRole: "server" } });
    const dial = { protocol: "tcp" as const, address: LOOPBACK, port };
    this.#postNear({ ...common, peer: near, room: this.from.sid, participant: "", ...caller, dial });
    this.#postNear({ type: "setRemote", peer: near, remote: { ...remote, ...called, dtlsRole: "client" } });
  }

  /** Lists are told whole, and only when they have changed. */
  #tell(media: ForwardedMedia): void {
    if (!this.#ends) return;
    const { near, far } = this.#ends;
    const { shownAs, muted } = this.#relayed;
    for (const [track, told] of media.specs) {
      const spec = { ...told, room: this.to.sid, participant: shownAs };
      const text = JSON.stringify(spec);
      if (this.#specs.get(track) !== text) this.#postFar({ type: "setTrack", track, spec });
      this.#specs.set(track, text);
    }
    const receivers = media.receivers.map((spec) => receiverOf(spec, this.#streams));
    const text = JSON.stringify(receivers);
    if (text !== this.#receivers) this.#postFar({ type: "setReceivers", peer: far, receivers });
    this.#receivers = text;
    for (const track of this.#specs.keys()) {
      if (media.specs.has(track)) this.#mute(track, muted.has(track));
      else this.#forget(track);
    }
    if (this.#publisher === media.peer) return;
    this.#publisher = media.peer;
    this.#postNear({ type: "setRelay", peer: near, publisher: media.peer });
  }

  #mute(track: string, muted: boolean): void {
    if (this.#muted.has(track) === muted) return;
    if (muted) this.#muted.add(track);
    else this.#muted.delete(track);
    this.#postFar({ type: "muteTrack", track, muted });
  }

  #forget(track: string): void {
    this.#specs.delete(track);
    this.#muted.delete(track);
    this.#postFar({ type: "removeTrack", track });
  }

  #closeEnds(): void {
    if (!this.#ends) return;
    const { near, far } = this.#ends;
    this.#ends = undefined;
    this.#publisher = undefined;
    this.#streams = [];
    this.#receivers = "";
    this.#postNear({ type: "closePeer", peer: near });
    this.#postFar({ type: "closePeer", peer: far });
  }

  #postNear(command: MediaCommand): void {
    this.#deps.media.post(this.from.worker, this.from.name, command);
  }

  #postFar(command: MediaCommand): void {
    this.#deps.media.post(this.to.worker, this.to.name, command);
  }
}

/**
 * The same as the publisher's own, by the SSRCs that are known by now. What came when is of no interest to the sender at the
 * near end, which is not the one that is to be slowed down.
 */
function receiverOf(spec: ReceiverSpec, streams: readonly RelayedStream[]): ReceiverSpec {
  const { transportCc: _, ...extensions } = spec.extensions;
  const ssrcs = streams.find(({ mid }) => mid === spec.mid)?.ssrcs ?? spec.ssrcs;
  return { ...spec, extensions, ssrcs };
}

function tcpPortOf(media: MediaPort, worker: number): number | undefined {
  return media.address(worker).candidates.find(({ protocol }) => protocol === "tcp")?.port;
}
