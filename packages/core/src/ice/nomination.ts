/** Which pair the controlling side nominates (RFC 8445 section 8.1.1 leaves that to it). Pure. */
import type { CandidatePair } from "./pair.ts";

/** Silence of a pair after which it does not count as working: two keep-alives and their retransmissions. */
const WORKS_WITHIN_MS = 5000;
/** Checks of a UDP pair that are lost before TCP may win. */
const TCP_WAITS_FOR_SENDS = 3;

/**
 * The pair to nominate: the one that is nominated, as long as it works; else the best one that works; undefined if there is none, or
 * if it is a TCP pair and UDP may still come up.
 */
export function pairToNominate(
  pairs: readonly CandidatePair[],
  nominated: CandidatePair | undefined,
  nowMs: number,
): CandidatePair | undefined {
  if (nominated && works(nominated, nowMs)) return nominated;
  let best: CandidatePair | undefined;
  for (const pair of pairs) {
    if (works(pair, nowMs) && (!best || pair.priority > best.priority)) best = pair;
  }
  return best?.info.protocol === "tcp" && udpMayStillWin(pairs) ? undefined : best;
}

function works(pair: CandidatePair, nowMs: number): boolean {
  return pair.valid && nowMs - pair.lastResponseMs < WORKS_WITHIN_MS;
}

function udpMayStillWin(pairs: readonly CandidatePair[]): boolean {
  return pairs.some(
    (pair) => pair.info.protocol === "udp" && !pair.settled && (pair.check?.sends ?? 0) < TCP_WAITS_FOR_SENDS,
  );
}
