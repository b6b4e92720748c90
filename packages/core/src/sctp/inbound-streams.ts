/** The order of messages within a stream (RFC 9260 section 6.6): ordered ones by SSN, unordered ones as they come. */
import { nextSsn, ssnDiff } from "@stoa/wire/sctp/serial";
import { ITEM_OVERHEAD_BYTES } from "./options.ts";
import type { InboundMessage } from "./reassembly.ts";
import type { ReceiveBuffer } from "./receive-buffer.ts";
import type { SctpStats } from "./stats.ts";

/** Streams with ordered messages, open or not: twice the channels, against a peer that touches all 65,535. */
const MAX_STREAMS = 2048;

interface InboundStream {
  nextSsn: number;
  /** Messages that came too early, by SSN; made when the first one comes. */
  early: Map<number, InboundMessage> | undefined;
}

/** All inbound streams of an association. */
export class InboundStreams {
  readonly #memory: ReceiveBuffer;
  readonly #stats: SctpStats;
  readonly #deliver: (message: InboundMessage) => void;
  readonly #streams = new Map<number, InboundStream>();

  /** `deliver` gets every message once, in the order of its stream. */
  constructor(memory: ReceiveBuffer, stats: SctpStats, deliver: (message: InboundMessage) => void) {
    this.#memory = memory;
    this.#stats = stats;
    this.#deliver = deliver;
  }

  /** A whole message arrived. */
  add(message: InboundMessage): void {
    if (message.unordered) {
      this.#deliver(message);
      return;
    }
    const stream = this.#stream(message.streamId);
    const ahead = stream ? ssnDiff(message.ssn, stream.nextSsn) : -1;
    if (!stream || ahead < 0 || stream.early?.has(message.ssn)) {
      this.#stats.droppedMessages++;
      return;
    }
    if (ahead > 0) {
      this.#memory.add(heldBytes(message));
      stream.early ??= new Map();
      stream.early.set(message.ssn, message);
      return;
    }
    stream.nextSsn = nextSsn(message.ssn);
    this.#deliver(message);
    this.#drain(stream);
  }

  /** The peer gave up messages up to `ssn`: what came before it is delivered, what is missing is not waited for. */
  skipTo(streamId: number, ssn: number): void {
    const stream = this.#stream(streamId);
    if (!stream || ssnDiff(ssn, stream.nextSsn) < 0) return;
    const from = stream.nextSsn;
    const skipped = [...(stream.early?.keys() ?? [])]
      .filter((early) => ssnDiff(early, ssn) <= 0)
      .sort((a, b) => ssnDiff(a, from) - ssnDiff(b, from));
    for (const early of skipped) this.#take(stream, early);
    stream.nextSsn = nextSsn(ssn);
    this.#drain(stream);
  }

  /** The peer starts the stream again from SSN 0 (RFC 6525). */
  reset(streamId: number): void {
    const stream = this.#streams.get(streamId);
    for (const message of stream?.early?.values() ?? []) {
      this.#memory.remove(heldBytes(message));
      this.#stats.droppedMessages++;
    }
    this.#streams.delete(streamId);
  }

  /** The peer starts all streams again. */
  resetAll(): void {
    for (const streamId of this.#streams.keys()) this.reset(streamId);
  }

  #stream(streamId: number): InboundStream | undefined {
    let stream = this.#streams.get(streamId);
    if (!stream && this.#streams.size < MAX_STREAMS) {
      stream = { nextSsn: 0, early: undefined };
      this.#streams.set(streamId, stream);
    }
    return stream;
  }

  #drain(stream: InboundStream): void {
    while (stream.early?.has(stream.nextSsn)) {
      const ssn = stream.nextSsn;
      stream.nextSsn = nextSsn(ssn);
      this.#take(stream, ssn);
    }
  }

  #take(stream: InboundStream, ssn: number): void {
    const message = stream.early!.get(ssn)!;
    stream.early!.delete(ssn);
    if (stream.early!.size === 0) stream.early = undefined;
    this.#memory.remove(heldBytes(message));
    this.#deliver(message);
  }
}

function heldBytes(message: InboundMessage): number {
  return (message.data?.length ?? 0) + ITEM_OVERHEAD_BYTES;
}
