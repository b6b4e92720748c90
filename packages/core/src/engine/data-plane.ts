/**
 * The data of everybody on one worker: messages and data tracks from peer to peer, what waits in the peers' lanes, who has to
 * wait for whom, and what is told to main of all that. Invariant: after anything that may have given a peer something to send
 * or to wait for, its owner hears of it: `onTouched`.
 */
import { earlier, NEVER } from "../clock.ts";
import { DataTracks } from "../data/data-tracks.ts";
import { DATA_TRACK_LABEL, RELIABLE_LABEL } from "../data/labels.ts";
import { type DataOutcome, FULL, MessageCounts, SENT, SLOW, STALE } from "../data/message-counts.ts";
import { type LaneOptions, PeerLanes } from "../data/peer-lanes.ts";
import { PublisherHolds } from "../data/publisher-holds.ts";
import { DataRelay } from "../data/relay.ts";
import type { FrameSource } from "../data/sender/frame-in-parts.ts";
import { DataTap } from "../data/tap.ts";
import { Troubles } from "../data/troubles.ts";
import { deliveryWork, TurnBudgets } from "../data/turn-budgets.ts";
import type { SendOutcome } from "../peer/data-transport.ts";
import type { Peer } from "../peer/peer.ts";
import type { MediaCommand } from "./commands.ts";
import type { DataTrouble, MediaEvent } from "./events.ts";
import type { DataFigures } from "./figures.ts";
import type { MemberSpec, PeerId } from "./specs.ts";

/** How often a participant's highest data sequence number is told to main. */
const SEQUENCE_INTERVAL_MS = 100;

/** A peer with what the engine knows of it. */
export interface Link {
  readonly peer: Peer;
  readonly room: string;
  readonly participant: string;
  readonly lanes: PeerLanes;
}

/** Commands about data. */
export type DataCommand = Extract<
  MediaCommand,
  {
    type:
      | "setMember"
      | "removeMember"
      | "noteReceived"
      | "awaitRpc"
      | "sendData"
      | "setDataTrack"
      | "removeDataTrack"
      | "setDataSubscription";
  }
>;

/** What it works with. */
export interface DataPlaneDeps {
  readonly lanes: LaneOptions;
  /** Main gets a copy of the messages. */
  readonly tap: boolean;
  readonly emit: (event: MediaEvent) => void;
  readonly onTouched: (link: Link) => void;
}

/** What a message that is dropped is a sign of, by its channel. */
const TROUBLES: Readonly<Record<number, readonly (DataTrouble | undefined)[]>> = {
  [FULL]: ["lost", "lossy", "dataTracks"],
  [SLOW]: ["slow", undefined, undefined],
  [STALE]: [undefined, "lossy", "dataTracks"],
};

/** See the file's head. */
export class DataPlane {
  readonly #deps: DataPlaneDeps;
  readonly #links = new Map<PeerId, Link>();
  /** The peers that carry data down to participants. */
  readonly #dataPeers = new Map<string, PeerId>();
  readonly #counts = new MessageCounts();
  readonly #relay: DataRelay;
  readonly #dataTracks: DataTracks;
  readonly #holds = new PublisherHolds<Link>();
  readonly #troubles = new Troubles<Link>();
  readonly #turns = new TurnBudgets<Link>();
  /** What it costs to give the message of now to its receivers (`deliveryWork`). */
  #work = 0;
  /** Whose message is being relayed. */
  #publisher: Link | undefined;
  /** Participants whose data sequence number moved since main was told. */
  readonly #sequences = new Map<string, string>();
  #sequencesDueMs = NEVER;
  #nowMs = 0;

  constructor(deps: DataPlaneDeps) {
    this.#deps = deps;
    const { emit } = deps;
    const tap = deps.tap ? new DataTap(emit) : undefined;
    this.#relay = new DataRelay(
      (peer, label, bytes, addressed, from) => this.#sendMessage(this.#links.get(peer), label, bytes, addressed, from),
      (participant, packet) => emit({ type: "rpcReply", participant, packet }),
      tap && ((participant, reliable, packet) => tap.take(participant, reliable, packet, this.#nowMs)),
      this.#counts,
      () => this.#publisher && this.#noteTrouble(this.#publisher, "unknown"),
    );
    this.#dataTracks = new DataTracks(
      (peer, label, packet, source) => this.#send(this.#links.get(peer), label, packet, source),
      this.#counts,
    );
  }

  /** A peer is there; its channels are still to come. */
  add(peer: Peer, room: string, participant: string): Link {
    const lanes = new PeerLanes(peer, this.#deps.lanes, (channel, outcome) => this.#noteFate(link, channel, outcome));
    const link: Link = { peer, room, participant, lanes };
    this.#links.set(peer.id, link);
    return link;
  }

  remove(link: Link): void {
    this.#links.delete(link.peer.id);
    this.#holds.remove(link);
    this.#turns.remove(link);
    link.lanes.close();
    this.#troubles.remove(link);
  }

  /** Total; one that names something gone is ignored. */
  handleCommand(command: DataCommand, nowMs: number): void {
    this.#nowMs = nowMs;
    switch (command.type) {
      case "setMember":
        return this.#setMember(command.room, command.participant, command.member);
      case "removeMember":
        this.#dataPeers.delete(command.participant);
        this.#dataTracks.removeMember(command.participant);
        return this.#relay.removeMember(command.room, command.participant);
      case "noteReceived":
        return this.#relay.noteReceived(command.room, command.participant, command.sequences, nowMs);
      case "awaitRpc":
        return this.#relay.awaitRpc(command.id, command.awaited);
      case "sendData":
        return this.#relay.send(command.room, command.to, command.reliable, command.packet);
      case "setDataTrack":
        return this.#dataTracks.setTrack(command.participant, command.track, command.handle);
      case "removeDataTrack":
        return this.#dataTracks.removeTrack(command.track);
      case "setDataSubscription":
        return this.#dataTracks.setSubscription(command.participant, command.track, command.handle);
    }
  }

  handleChannelOpen(link: Link, label: string, channel: number, nowMs: number): void {
    this.#nowMs = nowMs;
    const { room, participant, peer } = link;
    const isReliable = label === RELIABLE_LABEL;
    const missing = isReliable ? this.#relay.missingTest(room, participant, nowMs) : undefined;
    const sentAgain = link.lanes.open(label, channel, nowMs, missing);
    this.#deps.emit({ type: "channelOpen", peer: peer.id, label, sentAgain });
    if (isReliable && this.#dataPeers.get(participant) === peer.id) this.#relay.handleReliableOpen(room, participant);
  }

  /** A message that came in on a channel. */
  handleMessage(link: Link, channel: number, data: Uint8Array, nowMs: number): void {
    this.#nowMs = nowMs;
    const label = link.lanes.label(channel);
    if (label === undefined) return;
    this.#work = 0;
    if (label === DATA_TRACK_LABEL) {
      this.#dataTracks.handlePacket(link.participant, data);
      return this.#turns.spend(link, this.#work, nowMs);
    }
    this.#publisher = link;
    const parts = this.#relay.handleMessage(link.room, link.participant, label, data);
    this.#publisher = undefined;
    this.#turns.spend(link, parts + this.#work, nowMs);
    this.#sequences.set(link.participant, link.room);
    if (this.#sequencesDueMs === NEVER) this.#sequencesDueMs = nowMs + SEQUENCE_INTERVAL_MS;
  }

  /** A turn of the worker begins. */
  beginTurn(): void {
    this.#turns.begin();
  }

  /** A turn of a peer's own, if messages of it wait for one. */
  beginExtraTurn(link: Link): boolean {
    return this.#turns.beginExtra(link);
  }

  /** Whether messages of a peer are not to be taken now. */
  isHeld(link: Link): boolean {
    return this.#holds.isHeld(link) || this.#turns.isSpent(link);
  }

  /** Peers that had more messages than one turn was good for. */
  takeLate(nowMs: number): readonly Link[] {
    return this.#turns.takeLate(nowMs);
  }

  /** Peers whose messages may be taken again. */
  releaseHolds(nowMs: number): readonly Link[] {
    return this.#holds.release(nowMs);
  }

  /** What waits for this peer goes out if there is room now. */
  advance(link: Link, nowMs: number): void {
    this.#nowMs = nowMs;
    link.lanes.advance(nowMs);
  }

  handleTimeout(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#sequencesDueMs <= nowMs) this.#reportSequences();
    this.#troubles.handleTimeout(nowMs, ({ peer }, trouble, times) =>
      this.#deps.emit({ type: "dataTrouble", peer: peer.id, trouble, begins: false, times }),
    );
  }

  nextTimeoutMs(): number {
    const waitingMs = earlier(this.#holds.nextTimeoutMs(), this.#turns.nextTimeoutMs());
    return earlier(earlier(waitingMs, this.#troubles.nextTimeoutMs()), this.#sequencesDueMs);
  }

  /** What was counted since the last call; undefined = nothing. */
  takeFigures(): DataFigures | undefined {
    const streams = this.#relay.streams.take();
    const messages = this.#counts.take();
    return streams || messages ? { ...(streams && { streams }), ...(messages && { messages }) } : undefined;
  }

  #setMember(room: string, participant: string, spec: MemberSpec): void {
    this.#dataPeers.set(participant, spec.dataPeer);
    this.#relay.setMember(room, participant, spec);
    this.#dataTracks.setMember(participant, spec);
    if (this.#links.get(spec.dataPeer)?.lanes.isOpen(RELIABLE_LABEL)) this.#relay.handleReliableOpen(room, participant);
  }

  /** Where more waits for the receiver than should, a publisher of reliable messages that fills it waits too. */
  #sendMessage(
    link: Link | undefined,
    label: string,
    bytes: Uint8Array,
    addressed: boolean,
    from: FrameSource | undefined,
  ): SendOutcome {
    const outcome = this.#send(link, label, bytes, from);
    const publisher = this.#publisher;
    if (link && publisher && label === RELIABLE_LABEL && link.lanes.isCongested(addressed, this.#nowMs, from)) {
      this.#holds.hold(publisher, link.lanes, addressed, this.#nowMs, from);
      this.#noteTrouble(publisher, "held", link.peer.id);
    }
    return outcome;
  }

  #send(link: Link | undefined, label: string, bytes: Uint8Array, source?: FrameSource): SendOutcome {
    if (!link) return "closed";
    this.#work += deliveryWork(bytes.length);
    const outcome = link.lanes.send(label, bytes, this.#nowMs, source);
    if (outcome === "closed" && link.lanes.isLost(label)) this.#noteTrouble(link, "closed");
    this.#deps.onTouched(link);
    return outcome;
  }

  #noteFate(link: Link, channel: 0 | 1 | 2, outcome: DataOutcome): void {
    this.#counts.note(channel, outcome);
    if (outcome === SENT) return;
    const trouble = TROUBLES[outcome]?.[channel];
    if (trouble) this.#noteTrouble(link, trouble);
  }

  #noteTrouble(link: Link, trouble: DataTrouble, receiver?: PeerId): void {
    if (!this.#troubles.note(link, trouble, this.#nowMs)) return;
    const event = { type: "dataTrouble" as const, peer: link.peer.id, trouble, begins: true, times: 1 };
    this.#deps.emit(receiver === undefined ? event : { ...event, receiver });
  }

  #reportSequences(): void {
    for (const [participant, room] of this.#sequences) {
      const sequence = this.#relay.lastSequence(room, participant);
      if (sequence > 0) this.#deps.emit({ type: "dataSequence", participant, sequence });
    }
    this.#sequences.clear();
    this.#sequencesDueMs = NEVER;
  }
}
