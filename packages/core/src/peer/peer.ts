/**
 * One RTCPeerConnection without I/O: ICE finds the path, DTLS runs over it, SRTP takes its keys from DTLS, SCTP its records.
 *
 * Invariants:
 * 1. DTLS and media are taken only from paths that ICE has validated.
 * 2. Keys are used only after the certificate has matched the SDP (`DtlsTransport`).
 * 3. After every input, what DTLS wants to send is handed to the sink, on the selected path.
 * 4. Whatever arrives, nothing throws; after "failed" by DTLS and after "closed" the peer is inert and holds nothing.
 */
import { earlier, NEVER } from "../clock.ts";
import type { DtlsFactory, Hashes, PacketCrypto, Random } from "../crypto.ts";
import { DtlsTransport } from "../dtls/dtls-transport.ts";
import type { PeerState } from "../engine/events.ts";
import type { ChannelSpec, PeerId, RemoteTransport } from "../engine/specs.ts";
import { formatPath, type IceAgent, type IceDrops } from "../ice/agent.ts";
import { ControllingAgent } from "../ice/controlling-agent.ts";
import { LiteAgent } from "../ice/lite-agent.ts";
import { NO_PATH, type PacketSink, type Path, type PathInfo, type Paths } from "../paths.ts";
import { SrtpSession } from "../srtp/session.ts";
import { DataChannels } from "./data-channels.ts";
import type { DataTransportFactory, SendOutcome } from "./data-transport.ts";
import type { PathOwner, PathOwners } from "./path-owners.ts";
import type { PeerEvent, StateEvent } from "./peer-event.ts";

/** Without a packet of the client's for this long a peer counts as silent. */
const SILENT_MS = 5000;

/** Injected; shared by all peers of a worker. */
export interface PeerDeps {
  readonly dtls: DtlsFactory;
  readonly crypto: PacketCrypto;
  readonly hashes: Hashes;
  readonly random: Random;
  readonly sink: PacketSink;
  readonly paths: Paths;
  /** `(options) => new SctpAssociation(options)`. */
  readonly sctp: DataTransportFactory;
}

/** What makes one peer different from another. */
export interface PeerOptions {
  readonly id: PeerId;
  /** Our ICE credentials. */
  readonly ufrag: string;
  readonly pwd: string;
  /** "lite" at the server, "controlling" in clients. */
  readonly mode: "lite" | "controlling";
  /** Lite: checks over UDP are not answered (`MediaCommand` openPeer). */
  readonly tcpOnly?: boolean;
}

/** See the file's head. */
export class Peer implements PathOwner {
  readonly id: PeerId;
  readonly #deps: PeerDeps;
  readonly #ice: IceAgent;
  readonly #dtls: DtlsTransport;
  #owners: PathOwners<Peer> | undefined;
  #srtp: SrtpSession | undefined;
  readonly #channels: DataChannels;
  #state: PeerState | "new" = "new";
  #path: Path = NO_PATH;
  #events: PeerEvent[] = [];
  #strayDatagrams = 0;
  #keyed = false;
  #released = false;
  #lastInputMs = 0;
  /** Packets that came, and how many of them had come when `#silentAtMs` was reached the last time. */
  #arrived = 0;
  #sampled = -1;
  #silentAtMs = NEVER;

  constructor(deps: PeerDeps, options: PeerOptions) {
    this.id = options.id;
    this.#deps = deps;
    this.#dtls = new DtlsTransport(deps.dtls);
    this.#channels = new DataChannels(deps.sctp, deps.random);
    const ice = {
      slab: deps.crypto.slab,
      hashes: deps.hashes,
      random: deps.random,
      sink: deps.sink,
      paths: deps.paths,
      claims: {
        claim: (path: Path, nowMs: number) => this.#owners?.claim(path, this, nowMs) ?? true,
        unclaim: (path: Path) => this.#owners?.unclaim(path, this),
      },
    };
    const { mode, ufrag, pwd, tcpOnly = false } = options;
    this.#ice = mode === "lite" ? new LiteAgent(ice, ufrag, pwd, tcpOnly) : new ControllingAgent(ice, ufrag, pwd);
  }

  /** The selected path; `NO_PATH` until one is validated. */
  get path(): Path {
    return this.#path;
  }

  /** ICE and DTLS are up, so that media can be sent. Stays true while "disconnected": the path may come back any moment. */
  get connected(): boolean {
    return this.#state === "connected" || this.#state === "disconnected";
  }

  get ufrags(): readonly string[] {
    return this.#ice.ufrags;
  }

  /** Round trip of the last ICE check that we sent, 0 when unknown. */
  get rttMs(): number {
    return this.#ice.rttMs;
  }

  /** Dropped STUN messages. */
  get iceDrops(): Readonly<IceDrops> {
    return this.#ice.drops;
  }

  /** DTLS datagrams that came from paths without a valid check. */
  get strayDatagrams(): number {
    return this.#strayDatagrams;
  }

  /** Paths and ufrags are registered there from now on; `PeerTable.add` calls it. */
  registerAt(owners: PathOwners<Peer>): void {
    this.#owners = owners;
  }

  yieldPath(path: Path, nowMs: number): boolean {
    const yielded = this.#ice.yieldPath(path, nowMs);
    this.#path = this.#ice.selected;
    return yielded;
  }

  /** The other side's description. Again with other ICE credentials: an ICE restart; with an SCTP part for the first time: SCTP starts. */
  setRemote(remote: RemoteTransport, nowMs: number): void {
    if (this.#ended) return;
    this.#ice.setRemote(remote.ufrag, remote.pwd, nowMs);
    this.#dtls.setRemote(remote.dtlsRole, remote.fingerprints);
    this.#channels.setRemote(remote.sctp, this.#dtls.role ?? remote.dtlsRole);
    this.#advance(nowMs);
  }

  /**
   * New ICE credentials of ours; the old ones stay valid until a check with the new ones has succeeded. `tcpOnly`: as in
   * the options, for checks with the new ones.
   */
  restartIce(ufrag: string, pwd: string, nowMs: number, tcpOnly = false): void {
    if (this.#ended) return;
    this.#ice.restart(ufrag, pwd, nowMs, tcpOnly);
    this.#owners?.rekey(this);
    this.#advance(nowMs);
  }

  /** Controlling mode: an address of the other side's. */
  addRemoteCandidate(info: PathInfo, nowMs: number): void {
    if (this.#ended) return;
    this.#ice.addRemoteCandidate(info, nowMs);
    this.#advance(nowMs);
  }

  handleStun(path: Path, at: number, length: number, nowMs: number): void {
    if (this.#ended) return;
    this.#ice.handleStun(path, at, length, nowMs);
    this.#sampled = -1;
    this.#silentAtMs = nowMs + SILENT_MS;
    this.#advance(nowMs);
  }

  handleDtls(path: Path, at: number, length: number, nowMs: number): void {
    if (this.#ended) return;
    if (!this.#ice.isValid(path)) {
      this.#strayDatagrams++;
      return;
    }
    this.#ice.noteTraffic(path);
    this.#arrived = (this.#arrived + 1) | 0;
    this.#path = this.#ice.selected;
    this.#dtls.receive(this.#deps.crypto.slab.u8.subarray(at, at + length), nowMs);
    this.#advance(nowMs);
  }

  /** Authenticates and decrypts in place: length of the plain packet, or -1 (not authentic, replayed, no keys yet). */
  unprotectRtp(at: number, length: number): number {
    if (this.#srtp === undefined) return -1;
    this.#arrived = (this.#arrived + 1) | 0;
    return this.#srtp.unprotectRtp(at, length);
  }

  /** Like `unprotectRtp`, for RTCP. */
  unprotectRtcp(at: number, length: number): number {
    if (this.#srtp === undefined) return -1;
    this.#arrived = (this.#arrived + 1) | 0;
    return this.#srtp.unprotectRtcp(at, length);
  }

  /** See `SrtpSession.protectRtp`: header at `at`, payload at `from`; total length at `at`, or -1. */
  protectRtp(at: number, headerLength: number, from: number, payloadLength: number): number {
    return this.#srtp === undefined ? -1 : this.#srtp.protectRtp(at, headerLength, from, payloadLength);
  }

  /** In place: total length, or -1. */
  protectRtcp(at: number, length: number): number {
    return this.#srtp === undefined ? -1 : this.#srtp.protectRtcp(at, length);
  }

  /** Stream id; -1 while the DTLS role is unknown (before `setRemote`), then the "channelOpen" event tells it. */
  openChannel(spec: ChannelSpec): number {
    return this.#ended ? -1 : this.#channels.openChannel(spec);
  }

  closeChannel(channel: number): void {
    if (!this.#ended) this.#channels.closeChannel(channel);
  }

  /** "full": the queue's bound is reached, try again after "bufferedLow". */
  sendData(channel: number, data: Uint8Array, binary: boolean, nowMs: number): SendOutcome {
    if (this.#ended) return "closed";
    const outcome = this.#channels.send(channel, data, binary, nowMs);
    this.#pump(nowMs);
    return outcome;
  }

  bufferedAmount(channel: number): number {
    return this.#channels.bufferedAmount(channel);
  }

  /** "bufferedLow" comes when `bufferedAmount` falls to this many bytes. */
  setLowWater(channel: number, bytes: number): void {
    this.#channels.setLowWater(channel, bytes);
  }

  /** A time in the past means: call `handleTimeout` at once. */
  nextTimeoutMs(): number {
    if (this.#ended) return NEVER;
    const dueMs = earlier(
      earlier(this.#ice.nextTimeoutMs(), this.#dtls.nextTimeoutMs()),
      this.#channels.nextTimeoutMs(),
    );
    return earlier(dueMs, this.#silentAtMs);
  }

  handleTimeout(nowMs: number): void {
    if (this.#ended) return;
    if (nowMs >= this.#silentAtMs) {
      this.#sampled = this.#arrived;
      this.#silentAtMs = NEVER;
    }
    if (nowMs >= this.#ice.nextTimeoutMs()) this.#ice.handleTimeout(nowMs);
    if (nowMs >= this.#dtls.nextTimeoutMs()) this.#dtls.handleTimeout(nowMs);
    this.#channels.handleTimeout(nowMs);
    this.#advance(nowMs);
  }

  /** The next event; messages wait in SCTP's receive window until they are taken. */
  pollEvent(): PeerEvent | undefined {
    return this.#events.shift() ?? this.#channels.pollEvent();
  }

  /** Like `pollEvent`, but leaves data channels alone: their messages go on filling the receive window. */
  pollState(): PeerEvent | undefined {
    return this.#events.shift();
  }

  /** Says goodbye on SCTP and DTLS and gives back paths and native memory. */
  close(): void {
    this.#end("closed", "closed");
  }

  get #ended(): boolean {
    return this.#dtls.state === "closed" || this.#dtls.state === "failed";
  }

  /** Moves everything on after an input: path, handshake, keys, records, state. */
  #advance(nowMs: number): void {
    this.#lastInputMs = nowMs;
    const former = this.#path;
    this.#path = this.#ice.selected;
    if (this.#path !== NO_PATH) this.#dtls.begin(nowMs);
    if (this.#dtls.state === "open") {
      if (!this.#keyed) this.#useKeys();
      this.#channels.connect(nowMs);
    }
    this.#pump(nowMs);
    if (this.#dtls.state === "failed") this.#end("failed", this.#dtls.detail);
    else if (this.#dtls.state === "closed") this.#end("closed", this.#dtls.detail);
    else this.#followIce(former);
  }

  #useKeys(): void {
    this.#keyed = true;
    const keys = this.#dtls.exportSrtpKeys();
    const role = this.#dtls.role;
    if (keys && role) this.#srtp = new SrtpSession(this.#deps.crypto, this.#deps.hashes, keys, role);
  }

  /** Records in, packets out, datagrams to the sink. */
  #pump(nowMs: number): void {
    const dtls = this.#dtls;
    const channels = this.#channels;
    for (let data = dtls.pollData(); data; data = dtls.pollData()) channels.handlePacket(data, nowMs);
    if (dtls.state === "open") {
      for (let packet = channels.pollPacket(nowMs); packet; packet = channels.pollPacket(nowMs)) {
        dtls.send(packet);
        this.#drain();
      }
    }
    this.#drain();
  }

  #drain(): void {
    for (let datagram = this.#dtls.pollDatagram(); datagram; datagram = this.#dtls.pollDatagram()) {
      if (this.#path !== NO_PATH) this.#deps.sink.send(this.#path, datagram);
    }
  }

  /** What ICE and DTLS together mean for the connection. */
  #followIce(formerPath: Path): void {
    const ice = this.#ice.state;
    if (ice === "failed") {
      if (this.#state !== "failed")
        this.#setState("failed", this.#path === NO_PATH ? "no path was found" : "consent expired");
    } else if (ice === "disconnected") {
      if (this.#state !== "connected") return;
      const silent = this.#sampled === this.#arrived;
      this.#setState("disconnected", `no connectivity check for 10 s${silent ? ", nor anything else" : ""}`, {
        silent,
      });
    } else if (ice === "connected" && this.#dtls.state === "open") {
      const info = this.#deps.paths.describe(this.#path);
      const detail = info ? formatPath(info) : "";
      if (this.#state !== "connected") this.#setState("connected", detail, { protocol: info?.protocol });
      else if (this.#path !== formerPath) this.#events.push({ type: "path", detail, protocol: info?.protocol });
    }
  }

  #setState(state: PeerState, detail: string, more?: Pick<StateEvent, "protocol" | "silent">): void {
    this.#state = state;
    this.#events.push({ type: "state", state, detail, ...more });
  }

  #end(state: "failed" | "closed", detail: string): void {
    if (this.#state === "closed" || (this.#released && state === "failed")) return;
    if (!this.#released) this.#release();
    this.#setState(state, detail);
  }

  #release(): void {
    this.#released = true;
    this.#channels.abort();
    this.#pump(this.#lastInputMs);
    this.#dtls.close();
    this.#drain();
    this.#path = NO_PATH;
    this.#ice.close();
    this.#srtp?.close();
    this.#srtp = undefined;
  }
}
