/**
 * Everything on one media worker: peers, forwarding and data, driven by datagrams, commands and time. No I/O.
 *
 * The loop (see `io/driver`):
 * 1. `handleBatch` with what arrived, `handleCommand` with what main wants, `handleTimeout` when `nextTimeoutMs` has come;
 * 2. drain `pollEvent`;
 * 3. flush the sink.
 * The answer of `nextTimeoutMs` may change after each call of 1.
 */
import { DEFAULT_LANES, type LaneOptions } from "../data/peer-lanes.ts";
import { earlier } from "../clock.ts";
import type { AudioLevelOptions } from "../media/audio-level.ts";
import { Forwarder } from "../media/forwarder.ts";
import type { MediaTuning } from "../media/tuning.ts";
import { StatsSchedule } from "../media/stream-stats-schedule.ts";
import type { DatagramBatch, Path } from "../paths.ts";
import { KIND_DTLS, KIND_RTCP, KIND_RTP, KIND_STUN, packetKind } from "../peer/demux.ts";
import { Peer, type PeerDeps } from "../peer/peer.ts";
import type { PeerEvent } from "../peer/peer-event.ts";
import { PeerTable } from "../peer/peer-table.ts";
import type { PacketPool, Slab } from "../slab.ts";
import { DataPlane, type Link } from "./data-plane.ts";
import { Deadlines } from "./deadlines.ts";
import type { MediaCommand } from "./commands.ts";
import type { MediaEvent } from "./events.ts";
import type { DataFigures } from "./figures.ts";
import type { PeerId } from "./specs.ts";

/** What a client sent just before it left is heard, if it is not more than so many turns take. */
const LAST_TURNS = 16;

/** What an engine stands on. */
export interface EngineDeps extends PeerDeps {
  readonly slab: Slab;
  readonly pool: PacketPool;
  /** When a microphone counts as speaking; LiveKit's values if it is left out. */
  readonly audioLevel?: AudioLevelOptions;
  /** `audio.active_red_encoding`. */
  readonly activeRed?: boolean;
  /** LiveKit's sizes and times if it is left out. */
  readonly tuning?: MediaTuning;
  /** Main gets a copy of the data messages: `data`. */
  readonly tapData?: boolean;
  /** What happens to receivers of data that are slow; LiveKit's defaults if it is left out. */
  readonly dataLanes?: LaneOptions;
}

/** The media side of the server on one worker. */
export class MediaEngine {
  readonly #deps: EngineDeps;
  readonly #peers: PeerTable;
  readonly #links = new Map<PeerId, Link>();
  readonly #forwarder: Forwarder;
  readonly #data: DataPlane;
  readonly #deadlines = new Deadlines<Link>();
  readonly #events: MediaEvent[] = [];
  readonly #stats = new StatsSchedule();
  #nowMs = 0;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
    this.#peers = new PeerTable(deps.slab);
    this.#forwarder = new Forwarder(deps);
    this.#data = new DataPlane({
      lanes: deps.dataLanes ?? DEFAULT_LANES,
      tap: deps.tapData ?? false,
      emit: (event) => this.#events.push(event),
      onTouched: (link) => this.#schedule(link),
    });
  }

  /** A batch of datagrams; slots that the engine keeps are marked in `batch.taken`. */
  handleBatch(batch: DatagramBatch, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#data.beginTurn();
    for (let i = 0; i < batch.count; i++) {
      batch.taken[i] = this.#handleDatagram(batch.path[i]!, batch.at[i]!, batch.length[i]!, nowMs) ? 1 : 0;
    }
    this.#releaseHolds();
    this.#forwarder.endBatch(nowMs);
    this.#drainForwarder();
  }

  handleTimeout(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#data.beginTurn();
    for (const link of this.#data.takeLate(nowMs)) this.#settle(link);
    for (let link = this.#deadlines.takeDue(nowMs); link; link = this.#deadlines.takeDue(nowMs)) {
      link.peer.handleTimeout(nowMs);
      this.#settle(link);
    }
    if (this.#forwarder.nextTimeoutMs() <= nowMs) this.#forwarder.handleTimeout(nowMs);
    this.#drainForwarder();
    this.#releaseHolds();
    if (this.#data.nextTimeoutMs() <= nowMs) this.#data.handleTimeout(nowMs);
    this.#stats.handleTimeout(nowMs, this.#events);
  }

  /** When `handleTimeout` is due, or `NEVER`. */
  nextTimeoutMs(): number {
    const mediaMs = earlier(this.#deadlines.nextMs(), this.#forwarder.nextTimeoutMs());
    return earlier(mediaMs, earlier(this.#data.nextTimeoutMs(), this.#stats.nextTimeoutMs()));
  }

  /** What was counted of data since the last call. */
  takeDataFigures(): DataFigures | undefined {
    return this.#data.takeFigures();
  }

  /** The next thing to tell the main thread. */
  pollEvent(): MediaEvent | undefined {
    return this.#events.shift();
  }

  /** Total over `MediaCommand`; one that names something gone is ignored. */
  handleCommand(command: MediaCommand, nowMs: number): void {
    this.#nowMs = nowMs;
    switch (command.type) {
      case "setMember":
      case "removeMember":
      case "noteReceived":
      case "awaitRpc":
      case "sendData":
      case "setDataTrack":
      case "removeDataTrack":
      case "setDataSubscription":
        return this.#data.handleCommand(command, nowMs);
      case "openPeer":
        return this.#openPeer(command);
      case "closePeer":
        return this.#closePeer(command.peer);
      case "muteTrack":
        return this.#forwarder.muteTrack(command.track, command.muted);
      case "setTrack":
        return this.#forwarder.setTrack(command.track, command.spec);
      case "removeTrack":
        return this.#forwarder.removeTrack(command.track);
      case "shutdown":
        for (const id of this.#links.keys()) this.#closePeer(id);
        return;
      default:
        this.#handlePeerCommand(command, nowMs);
    }
  }

  #handlePeerCommand(
    command: Extract<
      MediaCommand,
      {
        type:
          | "setRemote"
          | "restartIce"
          | "setReceivers"
          | "setSenders"
          | "setRelay"
          | "setDownlink"
          | "limitBandwidth";
      }
    >,
    nowMs: number,
  ): void {
    const link = this.#links.get(command.peer);
    if (!link) return;
    switch (command.type) {
      case "setRemote":
        link.peer.setRemote(command.remote, nowMs);
        break;
      case "restartIce":
        link.peer.restartIce(command.ufrag, command.pwd, nowMs, command.tcpOnly ?? false);
        break;
      case "setReceivers":
        this.#forwarder.setReceivers(command.peer, command.receivers);
        break;
      case "setSenders":
        this.#forwarder.setSenders(command.peer, command.senders);
        break;
      case "setRelay":
        this.#forwarder.setRelay(command.peer, command.publisher);
        break;
      case "setDownlink":
        this.#forwarder.setDownlink(command.peer, command.track, command.settings);
        break;
      case "limitBandwidth":
        this.#forwarder.limitBandwidth(command.peer, command.bps);
        break;
    }
    this.#settle(link);
  }

  #handleDatagram(path: Path, at: number, length: number, nowMs: number): boolean {
    const peer = this.#peers.find(path, at, length);
    if (!peer) return false;
    switch (packetKind(this.#deps.slab.u8, at, length)) {
      case KIND_RTP: {
        const plain = peer.unprotectRtp(at, length);
        return plain > 0 && this.#forwarder.handleRtp(peer.id, at, plain, nowMs);
      }
      case KIND_RTCP: {
        const plain = peer.unprotectRtcp(at, length);
        if (plain > 0) this.#forwarder.handleRtcp(peer.id, at, plain, nowMs);
        return false;
      }
      case KIND_STUN:
        peer.handleStun(path, at, length, nowMs);
        break;
      case KIND_DTLS:
        peer.handleDtls(path, at, length, nowMs);
        break;
      default:
        return false;
    }
    const link = this.#links.get(peer.id);
    if (link) this.#settle(link);
    return false;
  }

  #openPeer(command: Extract<MediaCommand, { type: "openPeer" }>): void {
    if (this.#links.has(command.peer)) return;
    const { peer: id, ufrag, pwd, room, participant, dial, tcpOnly = false } = command;
    const peer = new Peer(this.#deps, { id, ufrag, pwd, mode: dial ? "controlling" : "lite", tcpOnly });
    const link = this.#data.add(peer, room, participant);
    this.#links.set(id, link);
    this.#peers.add(peer);
    const { congestion, playoutDelay, stripsTrailers = false } = command;
    this.#forwarder.addPeer(id, peer, { congestion, playoutDelay, stripsTrailers, owner: { room, participant } });
    for (const channel of command.channels) peer.openChannel(channel);
    if (dial) peer.addRemoteCandidate(dial, this.#nowMs);
    this.#settle(link);
  }

  #closePeer(id: PeerId): void {
    const link = this.#links.get(id);
    if (!link) return;
    for (let turn = 0; turn < LAST_TURNS && this.#data.beginExtraTurn(link); turn++) this.#settle(link);
    this.#links.delete(id);
    this.#peers.remove(id);
    this.#deadlines.remove(link);
    this.#forwarder.removePeer(id);
    this.#stats.remove(id);
    this.#data.remove(link);
    link.peer.close();
    this.#events.push({ type: "peerState", peer: id, state: "closed", detail: "closed by the server" });
  }

  /** After anything that touched a peer: its data and its events out, its next deadline noted. */
  #settle(link: Link): void {
    this.#data.advance(link, this.#nowMs);
    for (let event = this.#poll(link); event; event = this.#poll(link)) this.#handlePeerEvent(link, event);
    if (this.#links.has(link.peer.id)) this.#schedule(link);
  }

  #poll(link: Link): PeerEvent | undefined {
    return this.#data.isHeld(link) ? link.peer.pollState() : link.peer.pollEvent();
  }

  #schedule(link: Link): void {
    this.#deadlines.schedule(link, earlier(link.peer.nextTimeoutMs(), link.lanes.nextTimeoutMs()));
  }

  #releaseHolds(): void {
    for (const link of this.#data.releaseHolds(this.#nowMs)) this.#settle(link);
  }

  #handlePeerEvent(link: Link, event: PeerEvent): void {
    const peer = link.peer.id;
    switch (event.type) {
      case "state":
        if (event.state === "connected") this.#connected(peer);
        this.#events.push({ ...event, type: "peerState", peer });
        return;
      case "channelOpen":
        return this.#data.handleChannelOpen(link, event.label, event.channel, this.#nowMs);
      case "channelClosed":
        link.lanes.closed(event.channel);
        return;
      case "message":
        return this.#data.handleMessage(link, event.channel, event.data, this.#nowMs);
      case "path":
        this.#events.push({ ...event, type: "peerState", peer, state: "connected" });
        return;
      case "bufferedLow":
        // `settle` has seen to it.
        return;
    }
  }

  #connected(id: PeerId): void {
    this.#forwarder.peerConnected(id, this.#nowMs);
    const meter = this.#stats.has(id) ? undefined : this.#forwarder.meter(id);
    if (meter) this.#stats.add(id, meter, this.#nowMs);
  }

  #drainForwarder(): void {
    for (let event = this.#forwarder.pollEvent(); event; event = this.#forwarder.pollEvent()) this.#events.push(event);
  }
}
