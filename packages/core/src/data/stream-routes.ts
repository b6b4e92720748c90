/**
 * Whom the streams of one sender are for. Some clients name the recipients in the header alone: without this, every chunk of a file for
 * one would go to everybody, who would throw it away. Bounded: of too many open streams the oldest are forgotten, and what
 * follows of them goes to all, as LiveKit sends it.
 */
import type { DataPacket } from "@livekit/protocol";

const MAX_STREAMS = 256;
/** Characters of all names and ids. */
const MAX_CHARS = 256 << 10;

interface Route {
  readonly to: readonly string[];
  readonly chars: number;
}

export class StreamRoutes {
  readonly #routes = new Map<string, Route>();
  #chars = 0;

  /** The identities that a packet is for, also if only the header of its stream named them; none = everybody. */
  follow({ value, destinationIdentities }: DataPacket): readonly string[] {
    if (value.case === "streamHeader") {
      this.#forget(value.value.streamId);
      if (destinationIdentities.length > 0) this.#remember(value.value.streamId, destinationIdentities);
      return destinationIdentities;
    }
    if (value.case !== "streamChunk" && value.case !== "streamTrailer") return destinationIdentities;
    const { streamId } = value.value;
    const route = this.#routes.get(streamId);
    if (value.case === "streamTrailer") this.#forget(streamId);
    return destinationIdentities.length > 0 || !route ? destinationIdentities : route.to;
  }

  #remember(id: string, to: readonly string[]): void {
    const chars = to.reduce((sum, identity) => sum + identity.length, id.length);
    if (chars > MAX_CHARS) return;
    this.#routes.set(id, { to, chars });
    this.#chars += chars;
    for (const oldest of this.#routes.keys()) {
      if (this.#routes.size <= MAX_STREAMS && this.#chars <= MAX_CHARS) return;
      this.#forget(oldest);
    }
  }

  #forget(id: string): void {
    const route = this.#routes.get(id);
    if (!route) return;
    this.#routes.delete(id);
    this.#chars -= route.chars;
  }
}
