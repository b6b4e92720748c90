/**
 * When to ask the client of a single peer for another offer, and for how many more m-lines (MediaSectionsRequirement).
 * Nothing is asked before the first offer; nothing is asked twice before the next one.
 */
import type { MediaKind } from "../engine/specs.ts";
import { type DownlinkSection, isFree, isFreed } from "./downlinks.ts";
import type { DownTrack, SectionsRequirement } from "./types.ts";

/** Remembers what was asked for since the last offer. */
export class SectionsRequest {
  #offered = false;
  /** A request is out, and no offer came since. */
  #asked = false;
  #dirty = false;
  #unplaced: readonly DownTrack[] = [];
  #askedAudios = 0;
  #askedVideos = 0;

  /** An offer was answered; these tracks found no m-line. */
  offerAnswered(unplaced: readonly DownTrack[]): void {
    this.#offered = true;
    this.#asked = false;
    this.#dirty = false;
    this.#askedAudios = 0;
    this.#askedVideos = 0;
    this.#unplaced = unplaced;
  }

  /** A track left its m-line: the client is to hear it. */
  freed(): void {
    this.#dirty = true;
  }

  /** Tracks that are wanted and have no m-line. */
  wants(unplaced: readonly DownTrack[]): void {
    this.#unplaced = unplaced;
  }

  /** What to ask for now; an m-line that was freed is there for the next offer but one. `reuse`: see `reusesSections`. */
  take(sections: readonly DownlinkSection[], reuse: boolean): SectionsRequirement | undefined {
    if (!this.#offered || (!this.#dirty && this.#unplaced.length === 0)) return undefined;
    const audios = Math.max(this.#lacking("audio", sections, reuse) - this.#askedAudios, 0);
    const videos = Math.max(this.#lacking("video", sections, reuse) - this.#askedVideos, 0);
    if (this.#asked && audios === 0 && videos === 0) return undefined;
    this.#asked = true;
    this.#askedAudios += audios;
    this.#askedVideos += videos;
    return { audios, videos };
  }

  #lacking(kind: MediaKind, sections: readonly DownlinkSection[], reuse: boolean): number {
    const wanted = this.#unplaced.filter((track) => track.kind === kind).length;
    const free = sections.filter(
      (section) => section.kind === kind && (isFree(section, reuse) || isFreed(section, reuse)),
    );
    return Math.max(wanted - free.length, 0);
  }
}
