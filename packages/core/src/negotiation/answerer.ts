/**
 * `Answerer`: SDP of a peer on which the client offers, JSEP answerer side: the publisher peer of the dual mode, and the single
 * peer of protocol v1 where down tracks ride on m-lines that the client offered. An offer is answered at once and as a
 * whole; an offer that cannot be used changes nothing. M-lines are known by their mid; one that vanishes is forgotten.
 */
import type { SdpMedia, SdpSession } from "@stoa/wire/sdp/description";
import { parseSdp } from "@stoa/wire/sdp/parse";
import type { OwnSection } from "@stoa/wire/sdp/write";
import type { DtlsRole } from "../crypto.ts";
import { type AnsweredSection, answerSection, receivedSsrcs } from "./answer-section.ts";
import { assignDownlinks, reusesSections, SsrcSource, trackKey } from "./downlinks.ts";
import { drawIceCredentials } from "./ice-credentials.ts";
import { bindSections } from "./matching.ts";
import { MAX_MESSAGE_SIZE_BYTES, OwnDescriptions, SCTP_PORT } from "./own-description.ts";
import { OfferedSection, usableMids } from "./offered-section.ts";
import { answeredRole, remoteTransport } from "./remote-transport.ts";
import { SectionsRequest } from "./sections-request.ts";
import type {
  AnswererApi,
  AnswererOptions,
  DownTrack,
  IceCredentials,
  MediaPlan,
  NegotiationFailure,
  OfferResult,
  Publication,
  PublicationChanges,
  PublishedMedia,
  SectionsRequirement,
} from "./types.ts";

/** See the head of the file and `AnswererApi`. */
export class Answerer implements AnswererApi {
  readonly #options: AnswererOptions;
  readonly #descriptions: OwnDescriptions;
  readonly #ssrcs: SsrcSource;
  /** By mid, in the order of the newest offer. */
  #sections = new Map<string, OfferedSection>();
  /** SIDs that ever had an m-line; pruned to what the caller still lists. */
  #known = new Set<string>();
  #wanted: ReadonlyMap<string, DownTrack> = new Map();
  /** What the newest offer had no codec for; a track that gets other codecs is tried again. */
  #unsupported = new Set<string>();
  readonly #request = new SectionsRequest();
  #remoteCredentials: string | undefined;
  #dtlsRole: DtlsRole | undefined;

  constructor(options: AnswererOptions) {
    this.#options = options;
    this.#descriptions = new OwnDescriptions(options.local, options.credentials, options.random);
    this.#ssrcs = new SsrcSource(options.random);
  }

  get plan(): MediaPlan {
    const receivers = [];
    const senders = [];
    for (const section of this.#sections.values()) {
      const { receiver, sender } = section.answered ?? {};
      if (receiver && section.binding) receivers.push({ ...receiver, track: section.binding.sid });
      if (sender && section.down) senders.push(sender);
    }
    return { receivers, senders };
  }

  handleOffer(sdp: string, publications: readonly Publication[]): OfferResult | NegotiationFailure {
    const session = parseSdp(sdp);
    if ("failure" in session) return session;
    const bound = this.#boundSids();
    this.#takeSections(session);
    const sections = [...this.#sections.values()];
    const { published: fresh, closed } = this.#bind(publications, bound);
    const reuse = reusesSections(sections, this.#options.client.reusesTransceivers);
    const { waiting, unplaced, unsupported } = assignDownlinks(sections, this.#wanted, this.#ssrcs, reuse);
    this.#unsupported = new Set(unsupported.map(trackKey));
    const { own, data } = this.#answerSections(session, publications);
    this.#request.offerAnswered([...waiting, ...unplaced]);
    const iceRestart = this.#noteCredentials(session);
    this.#dtlsRole = answeredRole(session, this.#dtlsRole);
    const setup = this.#dtlsRole === "server" ? "passive" : "active";
    const mixed = session.extmapAllowMixed || session.media.some(({ extmapAllowMixed }) => extmapAllowMixed);
    const { sdp: answer, candidateSection } = this.#descriptions.write(own, session.bundle, setup, mixed);
    const midToTrackId: [string, string][] = [];
    for (const { mid, down } of sections) if (down) midToTrackId.push([mid, down.track.sid]);
    return {
      ...this.plan,
      answer,
      candidateSection,
      midToTrackId: Object.fromEntries(midToTrackId),
      remote: remoteTransport(session, this.#dtlsRole, data),
      iceRestart,
      published: fresh.map((media) => this.#withAnswer(media)),
      closed,
      unsupported: unsupported.map(({ sid }) => sid),
      dataChannels: data !== undefined,
    };
  }

  bindPublications(publications: readonly Publication[]): PublicationChanges {
    const { published, closed } = this.#bind(publications, this.#boundSids());
    for (const { sid, mid } of published)
      this.#learnSsrcs(
        mid,
        publications.find((one) => one.sid === sid),
      );
    return { published: published.map((media) => this.#withAnswer(media)), closed };
  }

  setDownTracks(tracks: readonly DownTrack[]): boolean {
    this.#wanted = new Map(tracks.map((track) => [track.sid, track]));
    const placed = new Set<string>();
    let freed = false;
    for (const section of this.#sections.values()) {
      if (!section.down) continue;
      const track = this.#wanted.get(section.down.track.sid);
      if (track) placed.add(track.sid);
      section.down = track && { ...section.down, track };
      freed ||= !track;
    }
    if (freed) this.#request.freed();
    const unplaced = tracks.filter((track) => !placed.has(track.sid) && !this.#unsupported.has(trackKey(track)));
    this.#request.wants(unplaced);
    return freed || unplaced.length > 0;
  }

  takeRequirement(): SectionsRequirement | undefined {
    const sections = [...this.#sections.values()];
    return this.#request.take(sections, reusesSections(sections, this.#options.client.reusesTransceivers));
  }

  #boundSids(): Set<string> {
    const sids = new Set<string>();
    for (const { binding } of this.#sections.values()) if (binding) sids.add(binding.sid);
    return sids;
  }

  /** Replaces the m-lines by those of the offer; what has the same mid and kind keeps its state. */
  #takeSections(session: SdpSession): void {
    const mids = usableMids(session);
    const sections = new Map<string, OfferedSection>();
    for (const media of session.media) {
      if (media.mid === undefined || (media.type !== "audio" && media.type !== "video")) continue;
      const former = this.#sections.get(media.mid);
      const section = former?.kind === media.type ? former : new OfferedSection(media.mid, media.type);
      section.offer(media, mids.has(media.mid), this.#options.codecs);
      sections.set(media.mid, section);
    }
    this.#sections = sections;
    this.#ssrcs.avoid(new Set(session.media.flatMap(({ ssrcs }) => ssrcs)));
  }

  #bind(publications: readonly Publication[], before: ReadonlySet<string>): PublicationChanges {
    const sections = [...this.#sections.values()];
    const former = new Map(sections.map((section) => [section, section.binding]));
    const sids = new Set(publications.map(({ sid }) => sid));
    for (const sid of this.#known) if (!sids.has(sid)) this.#known.delete(sid);
    bindSections(sections, publications, this.#known);
    const published: PublishedMedia[] = [];
    for (const section of sections) {
      const { binding, mid } = section;
      const old = former.get(section);
      if (!binding || (old?.sid === binding.sid && old.codecIndex === binding.codecIndex)) continue;
      published.push({ ...binding, mid, mime: "", rids: [] });
    }
    const after = this.#boundSids();
    return { published, closed: [...before].filter((sid) => !after.has(sid) && sids.has(sid)) };
  }

  #withAnswer(media: PublishedMedia): PublishedMedia {
    const receiver = this.#sections.get(media.mid)?.answered?.receiver;
    return { ...media, mime: receiver?.codecs[0]?.mime ?? "", rids: receiver?.rids ?? [] };
  }

  /** SSRCs that AddTrack declared count also when it comes after the answer. */
  #learnSsrcs(mid: string, publication: Publication | undefined): void {
    const section = this.#sections.get(mid);
    const answered = section?.answered;
    if (!section || !answered?.receiver || answered.receiver.rids.length > 0) return;
    const receiver = { ...answered.receiver, ssrcs: receivedSsrcs(section.media, publication) };
    section.answered = { ...answered, receiver };
  }

  #answerSections(
    session: SdpSession,
    publications: readonly Publication[],
  ): { own: OwnSection[]; data: SdpMedia | undefined } {
    const mids = usableMids(session);
    let data: SdpMedia | undefined;
    const own = session.media.map((media): OwnSection => {
      const { mid, protocol } = media;
      if (mid !== undefined && mids.has(mid)) {
        if (!data && media.type === "application" && isDataProtocol(media)) {
          data = media;
          return { type: "application", protocol, mid, sctpPort: SCTP_PORT, maxMessageSize: MAX_MESSAGE_SIZE_BYTES };
        }
        const answered = this.#answerSection(this.#sections.get(mid), publications);
        if (answered) return answered.section;
      }
      return { type: "rejected", media: media.type, protocol, formats: media.formats, mid };
    });
    return { own, data };
  }

  #answerSection(
    section: OfferedSection | undefined,
    publications: readonly Publication[],
  ): AnsweredSection | undefined {
    if (!section) return undefined;
    const publication = publications.find(({ sid }) => sid === section.binding?.sid);
    section.answered = section.usable ? answerSection(section.planFor(publication), this.#options) : undefined;
    section.active = section.down !== undefined;
    section.used ||= section.active;
    return section.answered;
  }

  /** Our own credentials change with the client's (RFC 8839 section 4.4.3). */
  #noteCredentials(session: SdpSession): IceCredentials | undefined {
    const credentials = `${session.transport.ufrag} ${session.transport.pwd}`;
    const restarted = this.#remoteCredentials !== undefined && this.#remoteCredentials !== credentials;
    this.#remoteCredentials = credentials;
    if (!restarted) return undefined;
    this.#descriptions.credentials = drawIceCredentials(this.#options.random);
    return this.#descriptions.credentials;
  }
}

function isDataProtocol(media: SdpMedia): boolean {
  return /^(UDP|TCP)\/DTLS\/SCTP$/.test(media.protocol) && media.formats === "webrtc-datachannel";
}
