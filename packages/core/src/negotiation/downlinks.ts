/**
 * Which m-line brings which down track. A track stays on its m-line with its SSRCs while it is wanted. An m-line that
 * carried a track must be negotiated inactive once before it carries another one: clients announce a track when the
 * direction turns to sending, not when the msid changes. A new track waits for that rather than have an m-line of its own,
 * so there are never more m-lines of a kind than tracks were wanted at once (unless the client wants none to be used again).
 */
import type { Random } from "../crypto.ts";
import type { MediaKind } from "../engine/specs.ts";
import type { Downlink } from "./answer-section.ts";
import type { DownTrack } from "./types.ts";

/** What is needed of an m-line. */
export interface DownlinkSection {
  readonly kind: MediaKind;
  /** The client receives on it, in some codec that we take. */
  readonly receiving: boolean;
  /** It carried something according to the last negotiated description. */
  readonly active: boolean;
  /** It carried something at some time. */
  readonly used: boolean;
  /** Whether its codecs can bring the track. */
  carries(track: DownTrack): boolean;
  down: Downlink | undefined;
}

/** From here on m-lines are used again even by clients that do not like it: a description must stay bounded. */
const MAX_UNSHARED_SECTIONS = 200;

/** Whether an m-line that carried a track may carry another one; `reusesTransceivers`: the client likes it. */
export function reusesSections(sections: readonly DownlinkSection[], reusesTransceivers: boolean): boolean {
  return reusesTransceivers || sections.length >= MAX_UNSHARED_SECTIONS;
}

/** Can carry a track now. */
export function isFree(section: DownlinkSection, reuse: boolean): boolean {
  return section.receiving && !section.active && !section.down && (reuse || !section.used);
}

/** Can carry a track once the next description has said that it carries nothing. */
export function isFreed(section: DownlinkSection, reuse: boolean): boolean {
  return reuse && section.receiving && section.active && !section.down;
}

/** Where the wanted tracks are that have no m-line. */
export interface Assignment {
  /** They wait for an m-line that was just freed. */
  readonly waiting: DownTrack[];
  /** There is no m-line for them. */
  readonly unplaced: DownTrack[];
  /** There are free ones, but they lack the codec. */
  readonly unsupported: DownTrack[];
}

/** Puts wanted tracks on free m-lines. `reuse`: see `reusesSections`. */
export function assignDownlinks(
  sections: readonly DownlinkSection[],
  wanted: ReadonlyMap<string, DownTrack>,
  ssrcs: SsrcSource,
  reuse: boolean,
): Assignment {
  releaseDownlinks(sections, wanted);
  const freed = { audio: 0, video: 0 };
  for (const section of sections) if (isFreed(section, reuse)) freed[section.kind]++;
  const placed = new Set<string>();
  for (const { down } of sections) if (down) placed.add(down.track.sid);
  const waiting: DownTrack[] = [];
  const unplaced: DownTrack[] = [];
  const unsupported: DownTrack[] = [];
  for (const track of wanted.values()) {
    if (placed.has(track.sid)) continue;
    const free = sections.filter((section) => section.kind === track.kind && isFree(section, reuse));
    const section = free.find((candidate) => candidate.carries(track));
    if (section) section.down = ssrcs.draw(track);
    else if (free.length > 0) unsupported.push(track);
    else (freed[track.kind]-- > 0 ? waiting : unplaced).push(track);
  }
  return { waiting, unplaced, unsupported };
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
