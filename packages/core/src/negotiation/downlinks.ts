/**
 * Which m-line brings which down track. A track stays on its m-line with its SSRCs while it is wanted. An m-line that
 * carried a track must be negotiated inactive once before it carries another one: clients announce a track when the
 * direction turns to sending, not when the msid changes.
 */
import type { Random } from "../crypto.ts";
import type { MediaKind } from "../engine/protocol.ts";
import type { Downlink } from "./answer-section.ts";
import type { DownTrack } from "./types.ts";

/** What is needed of an m-line. */
export interface DownlinkSection {
  readonly kind: MediaKind;
  /** The client receives on it, in some codec that we take. */
  readonly receiving: boolean;
  /** It carried something according to the last negotiated description. */
  readonly active: boolean;
  /** Whether its codecs can bring the track. */
  carries(track: DownTrack): boolean;
  down: Downlink | undefined;
}

/** Puts wanted tracks on free m-lines. `unplaced`: no m-line is free; `unsupported`: free ones lack the codec. */
export function assignDownlinks(
  sections: readonly DownlinkSection[],
  wanted: ReadonlyMap<string, DownTrack>,
  ssrcs: SsrcSource,
): { unplaced: DownTrack[]; unsupported: DownTrack[] } {
  releaseDownlinks(sections, wanted);
  const placed = new Set<string>();
  for (const { down } of sections) if (down) placed.add(down.track.sid);
  const unplaced: DownTrack[] = [];
  const unsupported: DownTrack[] = [];
  for (const track of wanted.values()) {
    if (placed.has(track.sid)) continue;
    const free = sections.filter(
      ({ kind, receiving, active, down }) => kind === track.kind && receiving && !active && !down,
    );
    const section = free.find((candidate) => candidate.carries(track));
    if (section) section.down = ssrcs.draw(track);
    else (free.length > 0 ? unsupported : unplaced).push(track);
  }
  return { unplaced, unsupported };
}

/** Frees m-lines whose track is not wanted any more, or that cannot bring it; takes over news about the others. */
function releaseDownlinks(sections: readonly DownlinkSection[], wanted: ReadonlyMap<string, DownTrack>): void {
  for (const section of sections) {
    if (!section.down) continue;
    const track = wanted.get(section.down.track.sid);
    const stays = track && track.kind === section.kind && section.receiving && section.carries(track);
    section.down = stays ? { ...section.down, track } : undefined;
  }
}

/** Same for a track as long as its codecs are the same. */
export function trackKey({ sid, mimes }: DownTrack): string {
  return `${sid} ${mimes.join()}`;
}

/** Hands out SSRCs that nobody on the peer uses: consecutive numbers from a random start, so nothing has to be remembered. */
export class SsrcSource {
  #next: number;
  #avoided: ReadonlySet<number> = new Set();

  constructor(random: Random) {
    this.#next = random.uint32();
  }

  /** SSRCs of the client, as its newest description has them. */
  avoid(ssrcs: ReadonlySet<number>): void {
    this.#avoided = ssrcs;
  }

  /** A downlink with fresh SSRCs, for media and RTX. */
  draw(track: DownTrack): Downlink {
    return { track, ssrc: this.#take(), rtxSsrc: this.#take() };
  }

  #take(): number {
    do this.#next = (this.#next + 1) >>> 0;
    while (this.#next === 0 || this.#avoided.has(this.#next));
    return this.#next;
  }
}
