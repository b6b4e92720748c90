/**
 * The way a participant's media travels when UDP does not work for it (livekit.md 3.18): any transport, then TCP alone,
 * then TURN over TLS. It is chosen when media fails although signalling works, and takes effect with the next descriptions,
 * those of the ICE restart. It outlasts the session (`way.ts`): an identity that comes back starts with it.
 * Invariant: the network as a whole being away (signalling too) is no reason.
 */
import { CandidateProtocol, ReconnectReason } from "@livekit/protocol";
import type { PeerStats } from "../engine/figures.ts";
import { restartIce } from "./negotiate.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink } from "./peer-link.ts";
import type { RoomState } from "./state.ts";
import { isTcp, isTls, rememberWay, type Transports } from "./way.ts";

/** A connection that fails sooner after it came up was a bad one. */
const SHORT_LIVED_MS = 90_000;
/** A longer one is given up when it fails for the second time within this. */
const FAILURE_WINDOW_MS = 60_000;
const FAILURES = 2;
/** A client pings every 5 s: one that was not heard for so long is away altogether. */
const SIGNAL_AWAY_MS = 15_000;
/** Of a ping that must have come since media fell silent. */
const SIGNAL_FRESH_MS = 6000;
/** One receiver report in a second; UDP is unstable when this many of 32 say that so much was lost. */
const UNSTABLE_REPORTS = 20;
const UNSTABLE_LOSS = 0.25;
/** Statistics come every five seconds and stand for so many reports. */
const REPORTS_PER_STATS = 5;
/** TCP may be this much slower than UDP and still be better than losses. */
const TCP_RTT_RATIO = 1.3;

/** A connection of the participant failed: the next way may be due. */
export function mediaFailed(room: RoomState, participant: Participant, link: PeerLink): void {
  const { way } = participant;
  if (!room.options.server.transport.tcpFallback || way.changed) return;
  if (participant.connection === undefined || room.nowMs - participant.lastHeardMs >= SIGNAL_AWAY_MS) {
    way.failures = 0;
    return;
  }
  if (!isShortLived(room, link)) {
    const again = room.nowMs - way.lastFailureMs <= FAILURE_WINDOW_MS;
    way.failures = again ? way.failures + 1 : 1;
    way.lastFailureMs = room.nowMs;
    if (way.failures < FAILURES) return;
  }
  choose(room, participant, nextWay(room, participant, link), true);
}

/** Media is silent although signalling is not: the way is broken, not the network. */
export function isCutOff(room: RoomState, participant: Participant): boolean {
  const fresh = participant.connection !== undefined && room.nowMs - participant.lastHeardMs < SIGNAL_FRESH_MS;
  return fresh && room.options.server.transport.tcpFallback;
}

/** The client resumes and says why; what was chosen meanwhile is tried from here on. */
export function wayResumed(room: RoomState, participant: Participant, reason: ReconnectReason | undefined): void {
  const { way } = participant;
  const failed =
    reason === ReconnectReason.RR_PUBLISHER_FAILED
      ? participant.publisher
      : reason === ReconnectReason.RR_SUBSCRIBER_FAILED
        ? participant.downLink
        : undefined;
  if (failed?.opened && isShortLived(room, failed)) mediaFailed(room, participant, failed);
  Object.assign(way, { changed: false, failures: 0, lastFailureMs: -1e12, lossBits: 0 });
}

/** Statistics of five seconds came: true if UDP loses so much that TCP was chosen. */
export function isUdpUnstable(room: RoomState, participant: Participant, link: PeerLink, stats: PeerStats): boolean {
  const { udpUnstableFallback, tcpFallbackRttMs } = room.options.server.transport;
  const { way } = participant;
  if (!udpUnstableFallback || tcpFallbackRttMs === 0 || link.protocol !== "udp") return false;
  let loss = -1;
  for (const { packets, lost } of stats.senders) if (packets > 0) loss = Math.max(loss, lost / packets);
  if (loss < 0) return false;
  for (let i = 0; i < REPORTS_PER_STATS; i++) way.lossBits = (way.lossBits << 1) | (loss >= UNSTABLE_LOSS ? 1 : 0);
  const { signalRttMs } = way;
  const tcpIsFast = signalRttMs > 0 && stats.rttMs > 0 && signalRttMs < TCP_RTT_RATIO * stats.rttMs;
  if (!tcpIsFast || countBits(way.lossBits) < UNSTABLE_REPORTS) return false;
  way.lossBits = 0;
  // Were it an old connection, two failures would be wanted; it has failed for twenty seconds.
  link.connectedMs = undefined;
  mediaFailed(room, participant, link);
  return way.changed;
}

/**
 * SimulateScenario: from now on this protocol. ICE is restarted where we are the one to do it (the subscriber peer); clients
 * that simulate this come back by themselves elsewhere.
 */
export function switchCandidateProtocol(room: RoomState, participant: Participant, protocol: CandidateProtocol): void {
  const transports = protocol === CandidateProtocol.TCP ? "tcp" : protocol === CandidateProtocol.TLS ? "tls" : "any";
  choose(room, participant, transports, false);
  restartIce(room, participant);
}

function choose(room: RoomState, participant: Participant, transports: Transports, afterFailure: boolean): void {
  const { way } = participant;
  way.changed = afterFailure && transports !== way.transports;
  if (transports === way.transports) return;
  way.transports = transports;
  rememberWay(room.ways, participant.identity, transports, room.nowMs);
  room.event("transportChosen", participant, transports);
}

/** Never up since the last (re)start, or not for long. */
function isShortLived(room: RoomState, link: PeerLink): boolean {
  return link.connectedMs === undefined || room.nowMs - link.connectedMs < SHORT_LIVED_MS;
}

function nextWay(room: RoomState, participant: Participant, link: PeerLink): Transports {
  const { transports } = participant.way;
  const hasTls = room.options.server.iceServers(participant.sid).some(({ urls }) => urls.some(isTls));
  if (transports === "tls") return "tls";
  if (transports === "any" && link.protocol !== "tcp" && mayUseTcp(room, participant)) return "tcp";
  if (hasTls) return "tls";
  // Over TCP alone it does not even come up: what else there is may be tried again.
  return transports === "tcp" && link.protocol === undefined ? "any" : transports;
}

function mayUseTcp(room: RoomState, participant: Participant): boolean {
  const { tcpFallbackRttMs } = room.options.server.transport;
  const near = tcpFallbackRttMs === 0 || participant.way.signalRttMs < tcpFallbackRttMs;
  return near && participant.features.iceTcp && room.options.media.candidates.some(isTcp);
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits >>> 0; rest !== 0; rest >>>= 1) count += rest & 1;
  return count;
}
