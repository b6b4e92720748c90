/**
 * Turns what rooms and media workers do into entries of the timelines. Everything that a participant may later ask
 * "why" about has its sentence here. What the room's own events do not log is logged here.
 */
import {
  ConnectionQuality,
  DisconnectReason,
  TrackType,
  type ParticipantInfo,
  type SignalRequest,
} from "@livekit/protocol";
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { MediaEvent } from "@stoa/core/engine/events";
import type { PeerStats } from "@stoa/core/engine/figures";
import type { PeerId } from "@stoa/core/engine/specs";
import type { Effect, ParticipantEventKind } from "@stoa/core/room/effects";
import type { Log } from "@stoa/io/log";
import { PacedLines } from "../paced-lines.ts";
import type { RoomObserver, SignalTrouble } from "../rooms/effects.ts";
import {
  candidatesOf,
  DATA_WARNINGS,
  ENDS_WITHOUT_DETAIL,
  LAYER_REASONS,
  dataTroubleInWords,
  kbps,
  layersInWords,
  reasonInWords,
  sourceInWords,
  trackInWords,
  trouble,
} from "./words.ts";
import type { EntryKind, Timelines } from "./timelines.ts";

type EffectOf<T extends Effect["type"]> = Extract<Effect, { type: T }>;

type EventOf<T extends MediaEvent["type"]> = Extract<MediaEvent, { type: T }>;

interface Peer {
  readonly participant: string;
  /** By track: what it was last told to get, how far what flows is below it, whether it is paused. */
  readonly wishes: Map<string, string>;
  readonly distances: Map<string, number>;
}

interface Member {
  readonly room: string;
  readonly identity: string;
  readonly candidates: Set<string>;
  readonly peers: Set<PeerId>;
  quality: ConnectionQuality | undefined;
  stats: PeerStats | undefined;
}

export class TimelineObserver implements RoomObserver {
  readonly #timelines: Timelines;
  readonly #log: Log;
  readonly #lines: PacedLines;
  readonly #nowMs: () => number;
  readonly #members = new Map<string, Member>();
  readonly #peers = new Map<PeerId, Peer>();
  /** By room and SID, for a forwarded track has the same SID in two rooms: what a published track is, in words. */
  readonly #tracks = new Map<string, { readonly words: string; readonly layered: boolean }>();

  constructor(timelines: Timelines, log: Log, nowMs: () => number) {
    this.#timelines = timelines;
    this.#log = log;
    this.#lines = new PacedLines(log, nowMs);
    this.#nowMs = nowMs;
  }

  onParticipant(room: string, { kind, participant, track, detail, atMs }: EffectOf<"participantEvent">): void {
    const { sid, identity } = participant;
    if (kind === "joined") {
      this.#timelines.begin(room, identity, sid, atMs);
      const fresh = { room, identity, candidates: new Set<string>(), peers: new Set<PeerId>() };
      this.#members.set(sid, { ...fresh, quality: undefined, stats: undefined });
    }
    if (track && kind === "trackPublished") {
      const words = `${sourceInWords(track)} of ${identity} (${track.sid})`;
      this.#tracks.set(keyOf(room, track.sid), { words, layered: track.type === TrackType.VIDEO });
    }
    if (track && kind === "trackUnpublished") this.#tracks.delete(keyOf(room, track.sid));
    const [entry, text] = describe(kind, participant, detail);
    const about = track ? ` ${trackInWords(track)}` : "";
    this.#timelines.note(sid, { atMs, kind: entry, text: text + about, track: track?.sid ?? "" });
    if (kind !== "left") return;
    this.#timelines.end(sid, DisconnectReason[participant.disconnectReason] ?? "", atMs);
    for (const peer of this.#members.get(sid)?.peers ?? []) this.#peers.delete(peer);
    this.#members.delete(sid);
    this.#lines.end(sid, { room, participant: identity, sid });
  }

  onRequest(_: string, from: string, { message }: SignalRequest): void {
    const offered =
      message.case === "trickle"
        ? message.value.candidateInit
        : message.case === "offer" || message.case === "answer"
          ? message.value.sdp
          : undefined;
    if (offered === undefined) return;
    const member = this.#members.get(from);
    for (const candidate of candidatesOf(offered)) {
      if (!member || member.candidates.has(candidate)) continue;
      member.candidates.add(candidate);
      this.#note(from, "candidates", `the client offers a ${candidate} candidate`);
    }
  }

  onCommand(room: string, command: MediaCommand): void {
    switch (command.type) {
      case "openPeer": {
        this.#members.get(command.participant)?.peers.add(command.peer);
        const { participant } = command;
        this.#peers.set(command.peer, { participant, wishes: new Map(), distances: new Map() });
        return;
      }
      case "restartIce":
        this.#noteOfPeer(command.peer, "transport", "looking for a network path anew (ICE restart)");
        return;
      case "setDownlink": {
        const peer = this.#peers.get(command.peer);
        const { disabled, maxSpatial, fps } = command.settings;
        const layers = `up to layer ${maxSpatial}${fps > 0 ? ` at ${fps} fps` : ""}`;
        const wish = disabled
          ? "not to be sent"
          : this.#tracks.get(keyOf(room, command.track))?.layered === false
            ? ""
            : layers;
        const before = peer?.wishes.get(command.track) ?? "";
        if (!peer || before === wish) return;
        peer.wishes.set(command.track, wish);
        const text = `the client wants ${this.#words(room, command.track)} ${wish || "again"}`;
        this.#noteOfPeer(command.peer, "layer", text, command.track);
        return;
      }
      case "setSenders":
        this.#forgetOthers(command.peer, new Set(command.senders.map(({ track }) => track)));
        return;
      case "limitBandwidth":
        this.#noteOfPeer(
          command.peer,
          "layer",
          command.bps > 0 ? `held to ${kbps(command.bps)}` : "not held back any more",
        );
        return;
      case "closePeer":
        this.#peers.delete(command.peer);
        return;
      default:
    }
  }

  onMedia(room: string, event: MediaEvent): void {
    switch (event.type) {
      case "trackStarted": {
        const text = `first packet of ${this.#words(room, event.track)}, layer ${event.layer} (${event.mime}), came in`;
        return this.#noteOfPeer(event.peer, "firstPacket", text, event.track);
      }
      case "downlinkStarted":
        return this.#noteOfPeer(
          event.peer,
          "firstPacket",
          `first packet of ${this.#words(room, event.track)} went out`,
          event.track,
        );
      case "layerSwitched": {
        const { peer, track, from, to, reason } = event;
        const why = reason === "bandwidth" ? this.#estimate(peer) : "";
        const text = `${this.#words(room, track)} goes on in layer ${to} instead of ${from}: ${LAYER_REASONS[reason]}${why}`;
        return this.#noteOfPeer(peer, "layer", text, track);
      }
      case "streamState": {
        const what = this.#words(room, event.track);
        const text = event.paused ? `${what} is paused for want of bandwidth` : `${what} goes on`;
        return this.#noteOfPeer(event.peer, "paused", text + this.#estimate(event.peer), event.track);
      }
      case "dataTrouble":
        return this.#noteDataTrouble(event);
      case "channelOpen":
        if (event.sentAgain === 0) return;
        return this.#noteOfPeer(event.peer, "data", `replaced a data channel; messages sent again: ${event.sentAgain}`);
      case "stats":
        return this.#noteStats(room, event.peer, event.stats);
      default:
    }
  }

  onSend(_: string, { to, message: { message } }: EffectOf<"send">): void {
    if (message.case !== "connectionQuality") return;
    const member = this.#members.get(to);
    const own = message.value.updates.find(({ participantSid }) => participantSid === to);
    if (!member || !own || own.quality === member.quality) return;
    member.quality = own.quality;
    const word = ConnectionQuality[own.quality].toLowerCase();
    const why = own.quality === ConnectionQuality.EXCELLENT ? "" : trouble(member.stats);
    this.#note(to, "quality", `connection quality is ${word} (${own.score.toFixed(1)} of 5)${why}`);
  }

  onSignalTrouble(_: string, sid: string, { kind, text }: SignalTrouble): void {
    // Of one that was cut off the room says so itself.
    if (kind === "slowed") this.#timelines.note(sid, { atMs: this.#nowMs(), kind: "signal", text, track: "" });
  }

  #noteDataTrouble(event: EventOf<"dataTrouble">): void {
    const peer = this.#peers.get(event.peer);
    const member = peer && this.#members.get(peer.participant);
    if (!member) return;
    const slow = this.#peers.get(event.receiver ?? 0)?.participant ?? "";
    this.#note(peer.participant, "data", dataTroubleInWords(event, this.#members.get(slow)?.identity));
    const warning = DATA_WARNINGS[event.trouble];
    if (warning === undefined || !event.begins) return;
    this.#log.warn(warning, { room: member.room, participant: member.identity, sid: peer.participant });
  }

  #noteStats(room: string, id: PeerId, stats: PeerStats): void {
    const peer = this.#peers.get(id);
    const member = peer && this.#members.get(peer.participant);
    if (!member) return;
    member.stats = stats;
    const { rttMs, estimateBps } = stats;
    this.#timelines.measure(peer.participant, { rttMs, estimateBps, atMs: this.#nowMs() });
    for (const { track, layerDistance } of stats.senders) {
      const before = peer.distances.get(track) ?? 0;
      if (before === layerDistance) continue;
      peer.distances.set(track, layerDistance);
      const what = this.#words(room, track);
      const short = `${what} flows ${layersInWords(layerDistance)} below what is wanted`;
      const text = layerDistance === 0 ? `${what} flows as wanted` : short;
      this.#noteOfPeer(id, "layer", text + this.#estimate(id), track);
    }
  }

  /** Tracks that are not sent on the peer any more. */
  #forgetOthers(id: PeerId, sent: ReadonlySet<string>): void {
    const peer = this.#peers.get(id);
    for (const known of peer ? [peer.wishes, peer.distances] : []) {
      for (const track of known.keys()) if (!sent.has(track)) known.delete(track);
    }
  }

  #words(room: string, track: string): string {
    return this.#tracks.get(keyOf(room, track))?.words ?? track;
  }

  #estimate(id: PeerId): string {
    const peer = this.#peers.get(id);
    const bps = (peer && this.#members.get(peer.participant)?.stats?.estimateBps) ?? 0;
    return bps > 0 ? ` (the link carries about ${kbps(bps)})` : "";
  }

  #noteOfPeer(id: PeerId, kind: EntryKind, text: string, track = ""): void {
    const peer = this.#peers.get(id);
    if (peer) this.#note(peer.participant, kind, text, track);
  }

  #note(sid: string, kind: EntryKind, text: string, track = ""): void {
    const member = this.#members.get(sid);
    if (!member) return;
    this.#timelines.note(sid, { atMs: this.#nowMs(), kind, text, track });
    const who = { room: member.room, participant: member.identity, sid };
    this.#lines.debug(sid, `participant ${kind}: ${text}`, who);
  }
}

function keyOf(room: string, track: string): string {
  return `${room} ${track}`;
}

const KINDS: Readonly<Record<ParticipantEventKind, readonly [EntryKind, string]>> = {
  joined: ["joined", "joined"],
  active: ["active", "media is connected; the others see the participant"],
  updated: ["updated", "name, metadata, attributes or permissions changed"],
  signalLost: ["signalLost", "the signal connection was lost"],
  resumed: ["resumed", "came back with a new signal connection"],
  mediaConnected: ["transport", "media connected"],
  mediaDisconnected: ["transport", "media interrupted"],
  mediaFailed: ["transport", "media failed"],
  transportChosen: ["transport", "media is to travel another way"],
  negotiationFailed: ["negotiationFailed", "an SDP could not be negotiated"],
  trackPublished: ["trackPublished", "published"],
  trackUnpublished: ["trackUnpublished", "unpublished"],
  dataTrackPublished: ["trackPublished", "published"],
  dataTrackUnpublished: ["trackUnpublished", "unpublished"],
  left: ["left", "left"],
};

function describe(kind: ParticipantEventKind, info: ParticipantInfo, detail: string): readonly [EntryKind, string] {
  const [entry, text] = KINDS[kind];
  const more = ENDS_WITHOUT_DETAIL.has(detail) ? "" : `: ${detail}`;
  const why = kind === "left" ? reasonInWords(info.disconnectReason) + more : detail;
  return [entry, why ? `${text} (${why})` : text];
}
