/**
 * Stream resets (RFC 6525), which is how data channels are closed (RFC 8831 section 6.7). One request of ours is out at a
 * time; one of the peer's may wait for the data that was sent before it.
 */
import { padded } from "@stoa/wire/sctp/bytes";
import {
  RESULT_ALREADY_IN_PROGRESS,
  RESULT_BAD_SEQUENCE,
  RESULT_DENIED,
  RESULT_IN_PROGRESS,
  RESULT_NOTHING_TO_DO,
  RESULT_PERFORMED,
  writeReConfig,
} from "@stoa/wire/sctp/re-config";
import type { ReConfigParam } from "@stoa/wire/sctp/re-config";
import { tsnAdd, tsnDiff } from "@stoa/wire/sctp/serial";
import { NEVER } from "../clock.ts";
import { Fifo } from "./fifo.ts";
import type { PacketWriter } from "./packet-writer.ts";
import { RTO_MAX_MS } from "./rto.ts";
import type { Rto } from "./rto.ts";
import type { SctpStats } from "./stats.ts";

/** Streams in one request; keeps it well inside a packet. */
const MAX_STREAMS = 256;
const MAX_RESPONSES = 8;
const REQUEST_BYTES = 20;
const RESPONSE_BYTES = 16;

type OutgoingReset = Extract<ReConfigParam, { type: "outgoingReset" }>;
type Response = Extract<ReConfigParam, { type: "response" }>;

/** Who has to know of resets. */
export interface ResetListener {
  /** The peer starts these streams again at SSN 0; empty = all. All data from before has been delivered. */
  incomingReset(streams: readonly number[]): void;
  /** Our side of the stream starts again at SSN 0; not `ok` when the peer refused. */
  outgoingReset(stream: number, ok: boolean): void;
  /** The peer wants us to reset these streams. */
  resetWanted(streams: readonly number[]): void;
}

/** Both directions of resetting. */
export class StreamResets {
  /** When the request is due again. */
  deadlineMs = NEVER;
  /** Requests in a row that nobody answered. */
  timeouts = 0;
  readonly #rto: Rto;
  readonly #stats: SctpStats;
  readonly #listener: ResetListener;
  /** Streams to reset with the next request; bounded by the tables of `Channels`, in one of which each of them is until it is reset. */
  readonly #wanted = new Set<number>();
  #request: OutgoingReset | undefined;
  #requestDue = false;
  #nextSeq: number;
  #peerSeq: number;
  readonly #responses = new Fifo<Response>();
  #lastResult = RESULT_NOTHING_TO_DO;
  /** A request of the peer that is ahead of its data. */
  #deferred: OutgoingReset | undefined;

  constructor(deps: { rto: Rto; stats: SctpStats; listener: ResetListener }, localTsn: number, peerTsn: number) {
    this.#rto = deps.rto;
    this.#stats = deps.stats;
    this.#listener = deps.listener;
    this.#nextSeq = localTsn;
    this.#peerSeq = peerTsn;
  }

  /** Resets our side of a stream all of whose data has been acknowledged. */
  want(stream: number): void {
    this.#wanted.add(stream);
  }

  /** Takes in the parameters of a RE-CONFIG. `cumulativeTsn`: what has arrived of the peer's data. */
  handle(params: readonly ReConfigParam[], cumulativeTsn: number, nowMs: number): void {
    for (const param of params) {
      if (param.type === "response") this.#handleResponse(param, nowMs);
      else this.#handleRequest(param, cumulativeTsn);
    }
  }

  /** Data arrived: a request that waited for it may be due. */
  dataCame(cumulativeTsn: number): void {
    const request = this.#deferred;
    if (!request || tsnDiff(request.lastTsn, cumulativeTsn) > 0) return;
    this.#deferred = undefined;
    this.#listener.incomingReset(request.streams);
    this.#respond(request.requestSeq, RESULT_PERFORMED);
  }

  handleTimeout(nowMs: number): void {
    if (nowMs < this.deadlineMs) return;
    this.deadlineMs = NEVER;
    this.#requestDue = true;
    this.timeouts++;
  }

  /** Appends one RE-CONFIG if one is due. `lastTsn`: the last TSN we gave out. */
  write(packet: PacketWriter, lastTsn: number, nowMs: number): void {
    const response = this.#responses.peek();
    if (response) {
      if (!packet.fits(RESPONSE_BYTES)) return;
      this.#responses.shift();
      packet.end = writeReConfig(packet.bytes, packet.end, response);
      return;
    }
    if (!this.#request && this.#wanted.size > 0) this.#makeRequest(lastTsn);
    if (!this.#request || !this.#requestDue) return;
    if (!packet.fits(REQUEST_BYTES + padded(2 * this.#request.streams.length))) return;
    packet.end = writeReConfig(packet.bytes, packet.end, this.#request);
    this.#requestDue = false;
    this.deadlineMs = nowMs + Math.min(this.#rto.valueMs * 2 ** Math.min(this.timeouts, 8), RTO_MAX_MS);
  }

  #makeRequest(lastTsn: number): void {
    const streams = [...this.#wanted].slice(0, MAX_STREAMS);
    for (const stream of streams) this.#wanted.delete(stream);
    const responseSeq = tsnAdd(this.#peerSeq, -1);
    this.#request = { type: "outgoingReset", requestSeq: this.#nextSeq, responseSeq, lastTsn, streams };
    this.#nextSeq = tsnAdd(this.#nextSeq, 1);
    this.#requestDue = true;
    this.timeouts = 0;
  }

  #handleResponse(response: Response, nowMs: number): void {
    const request = this.#request;
    if (!request || response.responseSeq !== request.requestSeq) return;
    this.timeouts = 0;
    if (response.result === RESULT_IN_PROGRESS) {
      // The peer waits for data; it may tell us of the end, or want to be asked again.
      this.deadlineMs = nowMs + this.#rto.valueMs;
      return;
    }
    this.#request = undefined;
    this.deadlineMs = NEVER;
    if (response.result === RESULT_ALREADY_IN_PROGRESS) {
      for (const stream of request.streams) this.#wanted.add(stream);
      return;
    }
    const ok = response.result === RESULT_PERFORMED || response.result === RESULT_NOTHING_TO_DO;
    for (const stream of request.streams) this.#listener.outgoingReset(stream, ok);
  }

  #handleRequest(request: Exclude<ReConfigParam, Response>, cumulativeTsn: number): void {
    const ahead = tsnDiff(request.requestSeq, this.#peerSeq);
    if (ahead === -1) {
      // The answer was lost, or the peer asks whether we are done by now.
      if (this.#deferred) this.dataCame(cumulativeTsn);
      else this.#respond(request.requestSeq, this.#lastResult);
      if (this.#deferred) this.#respond(request.requestSeq, RESULT_IN_PROGRESS);
      return;
    }
    if (ahead !== 0) {
      this.#stats.badChunks++;
      this.#respond(request.requestSeq, RESULT_BAD_SEQUENCE);
      return;
    }
    this.#peerSeq = tsnAdd(this.#peerSeq, 1);
    this.#deferred = undefined;
    this.#perform(request, cumulativeTsn);
  }

  #perform(request: Exclude<ReConfigParam, Response>, cumulativeTsn: number): void {
    if (request.type === "outgoingReset") {
      this.#deferred = request;
      this.dataCame(cumulativeTsn);
      if (this.#deferred) this.#respond(request.requestSeq, RESULT_IN_PROGRESS);
    } else if (request.type === "incomingReset") {
      this.#listener.resetWanted(request.streams);
      this.#respond(request.requestSeq, RESULT_PERFORMED);
    } else {
      // More outgoing streams of the peer cost nothing: all 65,535 ids are read anyway.
      const granted = request.type === "addStreams" && request.outgoing;
      this.#respond(request.requestSeq, granted ? RESULT_PERFORMED : RESULT_DENIED);
    }
  }

  #respond(responseSeq: number, result: number): void {
    if (result !== RESULT_BAD_SEQUENCE) this.#lastResult = result;
    if (this.#responses.size < MAX_RESPONSES) this.#responses.push({ type: "response", responseSeq, result });
  }
}
