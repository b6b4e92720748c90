/** A client that has connected properly and from then on says what it likes, for the tests beside this file. */
import assert from "node:assert/strict";
import { readI32, readU32, writeU16 } from "@stoa/wire/sctp/bytes";
import * as type from "@stoa/wire/sctp/chunk-types";
import { FLAG_BEGIN, FLAG_END, parseData, writeDataHeader } from "@stoa/wire/sctp/data";
import type { DataChunk } from "@stoa/wire/sctp/data";
import { PPID_BINARY, PPID_DCEP, writeDcepOpen } from "@stoa/wire/sctp/dcep";
import type { ChannelTerms } from "@stoa/wire/sctp/dcep";
import { parseForwardTsn, skippedStream, writeForwardTsn } from "@stoa/wire/sctp/forward-tsn";
import { PACKET_HEADER_BYTES, chunkEnd, finishPacket, nextChunk, startPacket } from "@stoa/wire/sctp/packet";
import { RESULT_PERFORMED, parseReConfig, writeReConfig } from "@stoa/wire/sctp/re-config";
import type { ReConfigParam } from "@stoa/wire/sctp/re-config";
import { writeSackHeader } from "@stoa/wire/sctp/sack";
import { Pair } from "./pair.test.ts";

export const BOTH = FLAG_BEGIN | FLAG_END;

/** Chunks that can be taken. */
const KEPT: ReadonlySet<number> = new Set([type.DATA, type.FORWARD_TSN, type.RE_CONFIG]);

interface Chunk {
  readonly kind: number;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
}

type Write = (bytes: Uint8Array, at: number) => number;

export class Rogue {
  readonly pair: Pair;
  /** Tag that the server expects. */
  tag = 0;
  /** TSN of the next DATA; RE-CONFIG sequence numbers start at the same value. */
  tsn = 0;
  requestSeq = 0;
  /** Last TSN of the server that `acknowledgeAll` has acknowledged; before, the last one before its first DATA. */
  serverTsn = 0;
  /** The first chunk type of all that the server said. */
  readonly answers: number[] = [];
  /** Length of the longest packet of the server. */
  longestBytes = 0;
  #chunks: Chunk[] = [];

  constructor(limits = {}) {
    this.pair = new Pair({}, { limits });
    this.pair.filter = (bytes, from) => {
      if (from === this.pair.client && bytes[12] !== type.INIT) this.tag = readU32(bytes, 4);
      if (from === this.pair.client && (bytes[12] === type.INIT || bytes[12] === type.INIT_ACK)) {
        this.tsn = readI32(bytes, 28);
        this.requestSeq = this.tsn;
      }
      if (from === this.pair.server && (bytes[12] === type.INIT || bytes[12] === type.INIT_ACK)) {
        this.serverTsn = (readI32(bytes, 28) - 1) | 0;
      }
      return bytes;
    };
    this.pair.connect();
    this.pair.filter = (bytes, from) => {
      if (from === this.pair.server) {
        this.answers.push(bytes[12]!);
        this.#note(bytes);
      }
      return undefined;
    };
  }

  get server() {
    return this.pair.server.association;
  }

  /** A packet that nobody has sent yet. */
  packet(write: Write, tag = this.tag): Uint8Array {
    const bytes = new Uint8Array(2000);
    const end = write(bytes, startPacket(bytes, 5000, 5000, tag));
    finishPacket(bytes, end);
    return bytes.subarray(0, end);
  }

  send(write: Write, tag = this.tag): void {
    this.pair.inject(this.pair.server, this.packet(write, tag));
    this.pair.run(0);
  }

  data(flags: number, stream: number, ssn: number, payload: Uint8Array, ppid = PPID_BINARY, tsn = this.tsn++): void {
    this.send((bytes, at) => {
      bytes.set(payload, at + 16);
      return writeDataHeader(bytes, at, flags, tsn, stream, ssn, ppid, payload.length);
    });
  }

  /** `gaps`: distances from `cumulative`. */
  sack(cumulative: number, gaps: readonly (readonly [number, number])[] = [], windowBytes = 100_000): void {
    this.send((bytes, at) => {
      gaps.forEach(([from, to], i) => {
        writeU16(bytes, at + 16 + 4 * i, from);
        writeU16(bytes, at + 18 + 4 * i, to);
      });
      return writeSackHeader(bytes, at, cumulative, windowBytes, gaps.length, 0);
    });
  }

  forward(tsn: number, streams: readonly number[]): void {
    this.send((bytes, at) => writeForwardTsn(bytes, at, tsn, streams));
  }

  reConfig(param: ReConfigParam): void {
    this.send((bytes, at) => writeReConfig(bytes, at, param));
  }

  /** Resets streams of ours, all whose data has arrived; empty = all. */
  reset(...streams: number[]): void {
    const lastTsn = (this.tsn - 1) | 0;
    this.reConfig({ type: "outgoingReset", requestSeq: this.requestSeq++, responseSeq: 0, lastTsn, streams });
  }

  /** Does what the server asks for until it asks no more; gives the streams that it wanted reset. */
  grantResets(): number[] {
    const granted: number[] = [];
    for (let asked = this.takeResets(); asked.length > 0; asked = this.takeResets()) {
      for (const { requestSeq, streams } of asked) {
        granted.push(...streams);
        this.reConfig({ type: "response", responseSeq: requestSeq, result: RESULT_PERFORMED });
      }
    }
    return granted;
  }

  open(stream: number, terms: Partial<ChannelTerms> = {}, ssn = 0): void {
    const open = { label: "x", protocol: "", ordered: true, priority: 256, ...terms };
    const payload = writeDcepOpen({ maxRetransmits: undefined, maxPacketLifeTimeMs: undefined, ...open })!;
    this.data(BOTH, stream, ssn, payload, PPID_DCEP);
  }

  messages(): Uint8Array[] {
    return this.pair.server.messages();
  }

  /** The DATA of the server since the last `take…`. */
  takeData(): DataChunk[] {
    return this.#take(type.DATA, parseData);
  }

  /** Takes all that the server has to send; gives it. */
  acknowledgeAll(): DataChunk[] {
    const all: DataChunk[] = [];
    for (let data = this.takeData(); data.length > 0; data = this.takeData()) {
      all.push(...data);
      this.serverTsn = data.at(-1)!.tsn;
      this.sack(this.serverTsn);
      this.pair.run(20);
    }
    return all;
  }

  /** The requests of the server since the last `take…`. */
  takeResets(): Extract<ReConfigParam, { type: "outgoingReset" }>[] {
    const params = this.#take(type.RE_CONFIG, parseReConfig).flat();
    return params.flatMap((param) => (param.type === "outgoingReset" ? [param] : []));
  }

  /** The FORWARD TSNs of the server since the last `take…`. */
  takeForwards(): { tsn: number; streams: number[] }[] {
    return this.#take(type.FORWARD_TSN, (bytes, at, end) => {
      const chunk = parseForwardTsn(bytes, at, end);
      const streams = Array.from({ length: chunk?.streamCount ?? 0 }, (_, i) => skippedStream(bytes, chunk!, i));
      return chunk && { tsn: chunk.newCumulativeTsn, streams };
    });
  }

  #note(bytes: Uint8Array): void {
    this.longestBytes = Math.max(this.longestBytes, bytes.length);
    for (let at = PACKET_HEADER_BYTES; at < bytes.length;) {
      const kind = bytes[at]!;
      const end = chunkEnd(bytes, at);
      assert.ok(end >= 0, "the server's chunks are whole");
      if (KEPT.has(kind)) this.#chunks.push({ kind, bytes, at, end });
      at = nextChunk(at, end);
    }
  }

  #take<T>(kind: number, parse: (bytes: Uint8Array, at: number, end: number) => T | undefined): T[] {
    const taken = this.#chunks.filter((chunk) => chunk.kind === kind);
    this.#chunks = this.#chunks.filter((chunk) => chunk.kind !== kind);
    return taken.map(({ bytes, at, end }) => parse(bytes, at, end)).filter((parsed) => parsed !== undefined);
  }
}
