/**
 * How an association comes to be: INIT, INIT ACK, COOKIE ECHO, COOKIE ACK (RFC 9260 section 5.1), both sides at once and
 * a peer that starts again (section 5.2).
 *
 * Invariant: until the association is established, every INIT is answered with the same tag and TSN, so that however the
 * chunks of two simultaneous handshakes cross, both sides end with the same pair of tags.
 */
import { COOKIE_ACK, COOKIE_ECHO, INIT, INIT_ACK } from "@stoa/wire/sctp/chunk-types";
import { parseInit } from "@stoa/wire/sctp/init";
import type { InitChunk } from "@stoa/wire/sctp/init";
import { CHUNK_HEADER_BYTES } from "@stoa/wire/sctp/packet";
import type { Random } from "../crypto.ts";
import { NEVER } from "../clock.ts";
import { initChunk, opaqueChunk } from "./control-chunks.ts";
import { COOKIE_MARK_BYTES, parseCookie, peerOf, writeCookie } from "./cookie.ts";
import type { PeerInit } from "./cookie.ts";
import { MAX_INIT_SENDS, STREAM_COUNT } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { Rto } from "./rto.ts";
import type { SctpStats } from "./stats.ts";

/** Outcome of a chunk of the handshake. */
export type HandshakeResult = "none" | "established" | "restarted";

/** What the handshake shares with the rest of the association. */
export interface HandshakeDeps {
  readonly random: Random;
  readonly rto: Rto;
  readonly outbox: Outbox;
  readonly stats: SctpStats;
  readonly windowBytes: number;
}

/** Both roles of the handshake. */
export class Handshake {
  state: "closed" | "cookieWait" | "cookieEchoed" | "established" = "closed";
  /** Tag that the peer's packets carry. */
  localTag: number;
  localTsn: number;
  /** Known once INIT ACK or COOKIE ECHO came. */
  peer: PeerInit | undefined;
  deadlineMs = NEVER;
  readonly #deps: HandshakeDeps;
  readonly #mark: Uint8Array;
  #pending: { readonly tag: number; readonly chunk: Uint8Array } | undefined;
  #sends = 0;
  #sentAtMs = 0;

  constructor(deps: HandshakeDeps) {
    this.#deps = deps;
    this.#mark = deps.random.bytes(COOKIE_MARK_BYTES);
    this.localTag = this.#newTag();
    this.localTsn = deps.random.uint32() | 0;
  }

  connect(nowMs: number): void {
    if (this.state !== "closed") return;
    this.state = "cookieWait";
    this.#sendInit(nowMs);
  }

  /** Answers an INIT; its packet had tag 0. */
  handleInit(bytes: Uint8Array, at: number, end: number): void {
    const init = parseInit(bytes, at, end);
    if (!init) {
      this.#deps.stats.badChunks++;
      return;
    }
    const peer = peerOf(init);
    const fresh = this.state === "established";
    const localTag = fresh ? this.#newTag() : this.localTag;
    const localTsn = fresh ? this.#deps.random.uint32() | 0 : this.localTsn;
    const tieLocalTag = fresh ? this.localTag : 0;
    const tiePeerTag = fresh && this.peer ? this.peer.tag : 0;
    const answer: InitChunk = {
      ...this.#init(localTag, localTsn),
      cookie: writeCookie(this.#mark, { localTag, localTsn, peer, tieLocalTag, tiePeerTag }),
      ...(init.unrecognized && { unrecognized: init.unrecognized }),
    };
    this.#deps.outbox.sendAlone(init.initiateTag, initChunk(INIT_ACK, answer));
  }

  handleInitAck(bytes: Uint8Array, at: number, end: number, nowMs: number): void {
    if (this.state !== "cookieWait") return;
    const init = parseInit(bytes, at, end);
    if (!init?.cookie) {
      this.#deps.stats.badChunks++;
      return;
    }
    this.#measure(nowMs);
    this.peer = peerOf(init);
    this.state = "cookieEchoed";
    this.#start(init.initiateTag, opaqueChunk(COOKIE_ECHO, init.cookie), nowMs);
  }

  /** `tag`: verification tag of the packet. RFC 9260 section 5.2.4, table 12. */
  handleCookieEcho(bytes: Uint8Array, at: number, end: number, tag: number): HandshakeResult {
    const cookie = parseCookie(this.#mark, bytes, at + CHUNK_HEADER_BYTES, end);
    if (!cookie || cookie.localTag !== tag) {
      this.#deps.stats.strayPackets++;
      return "none";
    }
    const established = this.state === "established";
    const samePeer = cookie.peer.tag === this.peer?.tag;
    if (established && samePeer && cookie.localTag === this.localTag) {
      this.#acknowledge();
      return "none";
    }
    const restarts =
      established && !samePeer && cookie.tieLocalTag === this.localTag && cookie.tiePeerTag === this.peer?.tag;
    if (established ? !restarts : cookie.localTag !== this.localTag) {
      this.#deps.stats.strayPackets++;
      return "none";
    }
    this.localTag = cookie.localTag;
    this.localTsn = cookie.localTsn;
    this.peer = cookie.peer;
    this.#establish();
    this.#acknowledge();
    return established ? "restarted" : "established";
  }

  handleCookieAck(nowMs: number): HandshakeResult {
    if (this.state !== "cookieEchoed") return "none";
    this.#measure(nowMs);
    this.#establish();
    return "established";
  }

  /** DATA or a SACK under our tags: the peer has our cookie, only its COOKIE ACK is late or lost. */
  handleImplicitAck(): HandshakeResult {
    if (this.state !== "cookieEchoed") return "none";
    this.#establish();
    return "established";
  }

  /** The peer no longer takes our cookie: once more from the start. */
  handleStaleCookie(nowMs: number): void {
    if (this.state !== "cookieEchoed" || this.#sends >= MAX_INIT_SENDS) return;
    this.state = "cookieWait";
    this.#sendInit(nowMs);
  }

  /** False when the peer does not answer and it is time to give up. */
  handleTimeout(nowMs: number): boolean {
    if (nowMs < this.deadlineMs || !this.#pending) return true;
    if (this.#sends >= MAX_INIT_SENDS) return false;
    this.#deps.rto.backOff();
    this.#send(nowMs);
    return true;
  }

  #sendInit(nowMs: number): void {
    this.#start(0, initChunk(INIT, this.#init(this.localTag, this.localTsn)), nowMs);
  }

  #start(tag: number, chunk: Uint8Array, nowMs: number): void {
    this.#pending = { tag, chunk };
    this.#sends = 0;
    this.#send(nowMs);
  }

  #send(nowMs: number): void {
    this.#deps.outbox.sendAlone(this.#pending!.tag, this.#pending!.chunk);
    this.#sends++;
    this.#sentAtMs = nowMs;
    this.deadlineMs = nowMs + this.#deps.rto.valueMs;
  }

  #measure(nowMs: number): void {
    if (this.#sends === 1) this.#deps.rto.sample(nowMs - this.#sentAtMs);
  }

  #establish(): void {
    this.state = "established";
    this.#pending = undefined;
    this.deadlineMs = NEVER;
  }

  #acknowledge(): void {
    this.#deps.outbox.bundle(opaqueChunk(COOKIE_ACK));
  }

  #init(initiateTag: number, initialTsn: number): InitChunk {
    return {
      initiateTag,
      window: this.#deps.windowBytes,
      outboundStreams: STREAM_COUNT,
      inboundStreams: STREAM_COUNT,
      initialTsn,
      forwardTsn: true,
      reConfig: true,
      zeroChecksum: true,
    };
  }

  #newTag(): number {
    return this.#deps.random.uint32() || 1;
  }
}
