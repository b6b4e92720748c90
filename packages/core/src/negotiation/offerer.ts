/**
 * `Offerer`: SDP of the subscriber peer in dual mode, JSEP offerer side. M-lines are only ever added, and used again by tracks
 * of the same kind, so that forty subscriptions after each other leave the description no longer. The state that an answer
 * is judged by is the newest offer; an offer that supersedes an unanswered one takes its place.
 */
import { parseSdp } from "@stoa/wire/sdp/parse";
import type { OwnSection as WrittenSection } from "@stoa/wire/sdp/write";
import { assignDownlinks, reusesSections, SsrcSource, trackKey } from "./downlinks.ts";
import { drawIceCredentials } from "./ice-credentials.ts";
import { MAX_MESSAGE_SIZE_BYTES, OwnDescriptions, SCTP_PORT } from "./own-description.ts";
import { OwnSection } from "./own-section.ts";
import { offeredRole, remoteTransport } from "./remote-transport.ts";
import type {
  AnswerResult,
  DownTrack,
  IceCredentials,
  MediaPlan,
  NegotiationFailure,
  OffererApi,
  OffererOptions,
  ServerOffer,
} from "./types.ts";

/** See the head of the file and `OffererApi`. */
export class Offerer implements OffererApi {
  readonly #options: OffererOptions;
  readonly #descriptions: OwnDescriptions;
  readonly #ssrcs: SsrcSource;
  /** In the order of the m-lines, the application section left out. */
  readonly #sections: OwnSection[] = [];
  readonly #dataMid: string | undefined;
  #nextMid = 0;
  #offering = false;
  #wanted = new Map<string, DownTrack>();
  /** `trackKey` of what the client refused. */
  #unsupported = new Set<string>();
  #remoteCredentials: string | undefined;

  constructor(options: OffererOptions) {
    this.#options = options;
    this.#descriptions = new OwnDescriptions(options.local, options.credentials, options.random);
    this.#ssrcs = new SsrcSource(options.random);
    this.#dataMid = options.dataChannels ? this.#takeMid() : undefined;
  }

  get offering(): boolean {
    return this.#offering;
  }

  get plan(): MediaPlan {
    const senders = [];
    for (const { sender, down } of this.#sections) if (sender && sender.track === down?.track.sid) senders.push(sender);
    return { receivers: [], senders };
  }

  setDownTracks(tracks: readonly DownTrack[]): boolean {
    this.#wanted = new Map(tracks.map((track) => [track.sid, track]));
    const keys = new Set(tracks.map(trackKey));
    for (const key of this.#unsupported) if (!keys.has(key)) this.#unsupported.delete(key);
    for (const section of this.#sections) {
      const track = section.down && this.#wanted.get(section.down.track.sid);
      section.down = section.down && track && { ...section.down, track };
    }
    return this.#needsOffer();
  }

  createOffer(): ServerOffer {
    this.#place();
    this.#offering = true;
    const written: WrittenSection[] = [];
    if (this.#dataMid !== undefined) {
      written.push({
        type: "application",
        protocol: "UDP/DTLS/SCTP",
        mid: this.#dataMid,
        sctpPort: SCTP_PORT,
        maxMessageSize: MAX_MESSAGE_SIZE_BYTES,
      });
    }
    const midToTrackId: [string, string][] = [];
    for (const section of this.#sections) {
      written.push(section.offer(this.#options));
      if (section.down) midToTrackId.push([section.mid, section.down.track.sid]);
    }
    const mids = written.map(({ mid }) => mid!);
    const { sdp: offer, candidateSection } = this.#descriptions.write(written, mids, "actpass", true);
    return { ...this.plan, offer, candidateSection, midToTrackId: Object.fromEntries(midToTrackId) };
  }

  handleAnswer(sdp: string): AnswerResult | NegotiationFailure {
    if (!this.#offering) return { failure: "an SDP answer came, but no offer is outstanding" };
    const session = parseSdp(sdp);
    if ("failure" in session) return session;
    const offset = this.#dataMid === undefined ? 0 : 1;
    const expected = this.#sections.length + offset;
    if (session.media.length !== expected) {
      return { failure: `the SDP answer has ${session.media.length} media sections, the offer had ${expected}` };
    }
    const kinds = [...(offset === 1 ? ["application"] : []), ...this.#sections.map(({ kind }) => kind)];
    const wrong = session.media.findIndex(({ type }, index) => type !== kinds[index]);
    if (wrong >= 0) return { failure: `media section ${wrong} of the SDP answer is not of the kind that was offered` };
    this.#offering = false;
    const unsupported: string[] = [];
    for (const [index, section] of this.#sections.entries()) {
      const { down } = section;
      if (section.answer(session.media[index + offset]!, this.#options).unsupported && down) {
        this.#unsupported.add(trackKey(down.track));
        unsupported.push(down.track.sid);
      }
    }
    const data = session.media.find(({ type, rejected }) => type === "application" && !rejected);
    const credentials = `${session.transport.ufrag} ${session.transport.pwd}`;
    const iceRestarted = this.#remoteCredentials !== undefined && this.#remoteCredentials !== credentials;
    this.#remoteCredentials = credentials;
    return {
      ...this.plan,
      remote: remoteTransport(session, offeredRole(session), data),
      iceRestarted,
      unsupported,
      renegotiate: this.#needsOffer(),
    };
  }

  restartIce(): IceCredentials {
    this.#descriptions.credentials = drawIceCredentials(this.#options.random);
    return this.#descriptions.credentials;
  }

  #takeMid(): string {
    return String(this.#nextMid++);
  }

  /** Tracks to be placed, or m-lines whose newest offer says something else than what is wanted now. */
  #needsOffer(): boolean {
    const placed = new Set<string>();
    for (const { down, offeredSid } of this.#sections) {
      if (down?.track.sid !== offeredSid) return true;
      if (down) placed.add(down.track.sid);
    }
    return [...this.#wanted.values()].some(
      (track) => !placed.has(track.sid) && !this.#unsupported.has(trackKey(track)),
    );
  }

  #place(): void {
    const wanted = new Map([...this.#wanted].filter(([, track]) => !this.#unsupported.has(trackKey(track))));
    const reuse = reusesSections(this.#sections, this.#options.client.reusesTransceivers);
    // What waits for an m-line is offered as soon as this offer is answered.
    const { unplaced } = assignDownlinks(this.#sections, wanted, this.#ssrcs, reuse);
    for (const track of unplaced) {
      const section = new OwnSection(this.#takeMid(), track.kind);
      section.down = this.#ssrcs.draw(track);
      this.#add(section);
    }
  }

  /** In the place of a refused m-line of the kind, else at the end. */
  #add(section: OwnSection): void {
    const refused = this.#sections.findIndex((one) => one.refused && one.kind === section.kind);
    if (refused < 0) this.#sections.push(section);
    else this.#sections[refused] = section;
  }
}
