/**
 * Which codecs are made out of which, track by track: opus of RED as soon as a subscriber does not take RED, RED of opus if
 * that is configured. Nothing is made of an encrypted track, nothing that nobody needs (decision 0004).
 */
import type { PacketPool } from "../slab.ts";
import { OPUS_MIME, OpusToRed, RED_MIME, RedToOpus, takes } from "./derived-red.ts";
import type { AudioDerivation } from "./derived-red.ts";
import type { Downlink } from "./downlink.ts";
import type { Track } from "./track.ts";
import type { Uplink } from "./uplink.ts";

export class DerivedUplinks {
  readonly #pool: PacketPool;
  readonly #activeRed: boolean;
  readonly #byTrack = new Map<Track, readonly AudioDerivation[]>();

  /** `activeRed`: RED is made for those who take it (`audio.active_red_encoding`). */
  constructor(pool: PacketPool, activeRed: boolean) {
    this.#pool = pool;
    this.#activeRed = activeRed;
  }

  /** What is published, known, or subscribed to of a track has changed. */
  follow(track: Track): void {
    const former = this.#byTrack.get(track) ?? [];
    const wanted = this.#wanted(track, former);
    const isSame = wanted.length === former.length && wanted.every((derivation, i) => derivation === former[i]);
    for (const derivation of wanted) derivation.stream.update();
    if (isSame) return;
    track.setDerivations(wanted);
    for (const derivation of former) if (!wanted.includes(derivation)) derivation.uplink.close();
    if (wanted.length > 0) this.#byTrack.set(track, wanted);
    else this.#byTrack.delete(track);
  }

  #wanted(track: Track, former: readonly AudioDerivation[]): AudioDerivation[] {
    const wanted: AudioDerivation[] = [];
    if (track.spec?.encrypted) return wanted;
    for (const uplink of track.uplinks) {
      if (uplink.isVideo || track.uplinkOf(uplink.codecIndex) !== uplink) continue;
      const mime = this.#derivedMime(track, uplink);
      if (mime === "") continue;
      // One that was needed once is kept: whoever needed it may come back.
      const known = former.find((derivation) => derivation.stream.source === uplink && derivation.mime === mime);
      if (known) wanted.push(known);
      else if (mime === OPUS_MIME) {
        if (!track.downlinks.every(takesRed)) wanted.push(new RedToOpus(uplink, this.#pool));
      } else if (track.downlinks.some(takesRed)) wanted.push(new OpusToRed(uplink, this.#pool));
    }
    return wanted;
  }

  /** What can be made of an uplink; "" = nothing. */
  #derivedMime(track: Track, { codecs }: Uplink): string {
    if (track.downlinks.length === 0) return "";
    if (codecs.some(({ mime }) => mime === RED_MIME)) return OPUS_MIME;
    return this.#activeRed && codecs.some(({ mime }) => mime === OPUS_MIME) ? RED_MIME : "";
  }
}

function takesRed({ spec }: Downlink): boolean {
  return takes(spec, RED_MIME);
}
