/**
 * By which transports one participant's media may come, and what we tell it of our addresses because of that.
 * `fallback.ts` decides; a way outlasts its session for some minutes.
 */
import { ICEServer } from "@livekit/protocol";
import type { LocalCandidate } from "../engine/events.ts";
import type { LocalTransport } from "../negotiation/types.ts";

const REMEMBERED_MS = 300_000;
const MAX_REMEMBERED = 1000;

/** `any`: UDP and TCP; `tcp`: TCP candidates alone; `tls`: relayed by a TURN server over TLS. */
export type Transports = "any" | "tcp" | "tls";

/** What is known of one participant's way. */
export interface Way {
  transports: Transports;
  /** Chosen anew and not yet tried: further failures are of the old way. */
  changed: boolean;
  failures: number;
  lastFailureMs: number;
  /** One bit for each of the last 32 receiver reports: too much was lost. */
  lossBits: number;
  /** Round trip of signalling as the client measured it, 0 = unknown. */
  signalRttMs: number;
}

/** The ways of identities that were here. */
export type RememberedWays = Map<string, { readonly transports: Transports; readonly untilMs: number }>;

/** Nothing has failed. */
export function newWay(): Way {
  return { transports: "any", changed: false, failures: 0, lastFailureMs: -1e12, lossBits: 0, signalRttMs: 0 };
}

/** Keeps it for the next session of the identity. */
export function rememberWay(ways: RememberedWays, identity: string, transports: Transports, nowMs: number): void {
  ways.delete(identity);
  const [oldest] = ways.keys();
  if (oldest !== undefined && ways.size >= MAX_REMEMBERED) ways.delete(oldest);
  ways.set(identity, { transports, untilMs: nowMs + REMEMBERED_MS });
}

/** What the last session of the identity came to, if that was lately. */
export function rememberedTransports(ways: RememberedWays, identity: string, nowMs: number): Transports {
  const known = ways.get(identity);
  return known && nowMs < known.untilMs ? known.transports : "any";
}

/** Our end as the descriptions for this participant list it: read anew for each. */
export function localTransport(media: LocalTransport, way: Way): LocalTransport {
  return {
    get fingerprint() {
      return media.fingerprint;
    },
    get candidates(): readonly LocalCandidate[] {
      return way.transports === "tcp" ? media.candidates.filter(isTcp) : media.candidates;
    },
  };
}

/** Of the STUN and TURN servers those that this way may use: when all else fails, the ones over TLS alone. */
export function usableIceServers(servers: ICEServer[], way: Way): ICEServer[] {
  if (way.transports !== "tls") return servers;
  return servers.flatMap((server) => {
    const urls = server.urls.filter(isTls);
    return urls.length > 0 ? [new ICEServer({ urls, username: server.username, credential: server.credential })] : [];
  });
}

export function isTcp({ protocol }: LocalCandidate): boolean {
  return protocol === "tcp";
}

/** Of a URL of an ICE server. */
export function isTls(url: string): boolean {
  return url.startsWith("turns:");
}
