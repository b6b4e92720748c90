/**
 * Whom the streams of one sender are for. Some clients name the recipients in the header alone: without this, every chunk of a file for
 * one would go to everybody, who would throw it away. Invariant: what is kept takes no more than `MAX_BYTES`, names and streams counted
 * for what they take beside their letters; of too many open streams the oldest are forgotten, and what follows of them goes to all, as
 * LiveKit sends it.
 */
import type { DataPacket } from "@livekit/protocol";

const MAX_STREAMS = 256;
/** Two streams for all others in a room of three thousand. */
const MAX_BYTES = 1 << 20;
/** What a stream and a name in a set take in V8's heap, at the most, and a letter. */
const STREAM_BYTES = 512;
const NAME_BYTES = 96;
const LETTER_BYTES = 2;

/** Identities, each once; as they are needed for every packet, they are put together for the first alone. */
export type Recipients = ReadonlySet<string>;

interface Route {
  readonly to: Recipients;
  readonly bytes: number;
}

export class StreamRoutes {
  readonly #routes = new Map<string, Route>();
  #bytes = 0;

  /** The identities that a packet is for, also if only the header of its stream named them; undefined = everybody. */
  follow({ value, destinationIdentities }: DataPacket): Recipients | undefined {
    const named = destinationIdentities.length > 0 ? new Set(destinationIdentities) : undefined;
    if (value.case === "streamHeader") {
      this.#forget(value.value.streamId);
      if (named) this.#remember(value.value.streamId, named);
      return named;
    }
    if (value.case !== "streamChunk" && value.case !== "streamTrailer") return named;
    const { streamId } = value.value;
    const route = this.#routes.get(streamId);
    if (value.case === "streamTrailer") this.#forget(streamId);
    return named ?? route?.to;
  }

  #remember(id: string, to: Recipients): void {
    let bytes = STREAM_BYTES + LETTER_BYTES * id.length;
    for (const identity of to) bytes += NAME_BYTES + LETTER_BYTES * identity.length;
    if (bytes > MAX_BYTES) return;
    this.#routes.set(id, { to, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#routes.keys()) {
      if (this.#routes.size <= MAX_STREAMS && this.#bytes <= MAX_BYTES) return;
      this.#forget(oldest);
    }
  }

  #forget(id: string): void {
    const route = this.#routes.get(id);
    if (!route) return;
    this.#routes.delete(id);
    this.#bytes -= route.bytes;
  }
}
