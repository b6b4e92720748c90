/** One audio or video m-line that the client offered: the newest description of it, and what we hold on it. */
import type { SdpMedia, SdpSession } from "@stoa/wire/sdp/description";
import type { MediaKind } from "../engine/specs.ts";
import type { AnsweredSection, Downlink, SectionPlan } from "./answer-section.ts";
import type { DownlinkSection } from "./downlinks.ts";
import type { Binding, MatchableSection } from "./matching.ts";
import { carriesTrack, type CommonCodec, commonCodecs, mergeCodecs } from "./section-codecs.ts";
import type { DownTrack, EnabledCodecs, Publication } from "./types.ts";

/** Mids of the m-lines that share our one transport: those of the BUNDLE group, or without a group the first one in use. */
export function usableMids(session: SdpSession): Set<string> {
  const used = session.media.filter(({ rejected, mid }) => !rejected && mid !== undefined);
  const bundled = used.filter(({ mid }) => session.bundle.includes(mid!));
  return new Set((session.bundle.length > 0 ? bundled : used.slice(0, 1)).map(({ mid }) => mid!));
}

/** State of one m-line of the client; it lives as long as its mid is offered. */
export class OfferedSection implements MatchableSection, DownlinkSection {
  readonly mid: string;
  readonly kind: MediaKind;
  media!: SdpMedia;
  publish: readonly CommonCodec[] = [];
  subscribe: readonly CommonCodec[] = [];
  mimes: readonly string[] = [];
  binding: Binding | undefined;
  spentTrackId: string | undefined;
  down: Downlink | undefined;
  /** We sent on it according to the last answer. */
  active = false;
  used = false;
  answered: AnsweredSection | undefined;
  #shared = false;

  constructor(mid: string, kind: MediaKind) {
    this.mid = mid;
    this.kind = kind;
  }

  /** Takes a new description. `shared`: it is in use and on our transport. */
  offer(media: SdpMedia, shared: boolean, enabled: EnabledCodecs): void {
    this.media = media;
    this.#shared = shared && /^((UDP|TCP)\/TLS\/)?RTP\/SAVPF$/.test(media.protocol);
    this.publish = this.#shared ? commonCodecs(this.kind, media.codecs, enabled.publish, "publish") : [];
    this.subscribe = this.#shared ? commonCodecs(this.kind, media.codecs, enabled.subscribe, "subscribe") : [];
    this.mimes = mergeCodecs(this.publish, this.subscribe).map(({ mime }) => mime);
  }

  get usable(): boolean {
    return this.mimes.length > 0;
  }

  get sending(): boolean {
    const { direction } = this.media;
    return this.publish.length > 0 && (direction === "sendrecv" || direction === "sendonly");
  }

  get receiving(): boolean {
    const { direction } = this.media;
    return this.subscribe.length > 0 && (direction === "sendrecv" || direction === "recvonly");
  }

  get trackId(): string {
    return this.media.trackId;
  }

  carries(track: DownTrack): boolean {
    return carriesTrack(this.subscribe, track.mimes);
  }

  /** What is to be answered. A track that the server took away is not received any more; an unknown one is: AddTrack may come. */
  planFor(publication: Publication | undefined): SectionPlan {
    return {
      media: this.media,
      mid: this.mid,
      kind: this.kind,
      publish: this.publish,
      subscribe: this.subscribe,
      receive: this.sending && (this.binding !== undefined || this.trackId !== this.spentTrackId),
      publication,
      codecIndex: this.binding?.codecIndex ?? 0,
      down: this.down,
    };
  }
}
