/**
 * How well one stream does, as a number (livekit.md 3.17): a simple E-model of loss, delay and missing layers, smoothed
 * so that it falls fast and recovers slowly. Pure: figures of an interval in, the next score out.
 */
import { ConnectionQuality } from "@livekit/protocol";
import type { StreamStats } from "../engine/figures.ts";

const BEST = 100;
/** However bad a lossy stream is: lower ones would take too long to recover. */
const WORST_FLOWING = 30;
/** Nothing comes although it should. */
const DRY = 40;
const LOST = 20;
const EXCELLENT_ABOVE = 80;
const GOOD_ABOVE = 40;
const POOR_ABOVE = 20;

const RISE = 0.4;
const FALL = 0.8;
/** A missing layer costs one step of quality. */
const LAYER_WEIGHT = 35;

/** Upstream: neither packets nor reports for this long. */
const PUBLISHER_LOST_MS = 10_000;
/** Downstream: no report for this long although something is sent. */
const SUBSCRIBER_LOST_MS = 30_000;
/** How much of the usual number of packets is forgotten with each interval. */
const USUAL_DECAY = 0.95;

/** What the score depends on beside the figures. */
export interface StreamContext {
  readonly direction: "up" | "down";
  /** Lower case. */
  readonly mime: string;
  /** Nothing is expected to flow: muted, switched off, or nobody wants it. */
  readonly idle: boolean;
  /** It may send nothing for a while: a screen that stands still. */
  readonly sparse: boolean;
  /** Milliseconds, 0 = unknown. */
  readonly rttMs: number;
}

/** What is remembered of one stream. */
export interface StreamScore {
  readonly score: number;
  /** Packets of an interval when it is busy. */
  readonly usualPackets: number;
  /** Nothing was expected in the last interval, so that the next one is not whole. */
  readonly wasIdle: boolean;
}

/** Before anything is known. */
export const FRESH_SCORE: StreamScore = { score: BEST, usualPackets: 0, wasIdle: false };

/** The score after one more interval. */
export function nextScore(before: StreamScore, stats: StreamStats, context: StreamContext): StreamScore {
  const usualPackets = Math.max(stats.packets, before.usualPackets * USUAL_DECAY);
  if (context.idle) return { score: BEST, usualPackets, wasIdle: true };
  if (stats.paused) return { score: WORST_FLOWING, usualPackets, wasIdle: false };
  if (before.wasIdle) return { score: before.score, usualPackets, wasIdle: false };
  const score =
    stats.packets === 0 ? silentScore(before, stats, context) : smooth(before, flowing(stats, usualPackets, context));
  return { score, usualPackets, wasIdle: false };
}

/** Nothing came, or no receiver has reported. */
function silentScore(before: StreamScore, { silentMs }: StreamStats, context: StreamContext): number {
  if (context.direction === "down") return silentMs > SUBSCRIBER_LOST_MS ? LOST : before.score;
  if (silentMs > PUBLISHER_LOST_MS) return LOST;
  return context.sparse ? before.score : DRY;
}

function flowing(stats: StreamStats, usualPackets: number, context: StreamContext): number {
  // Few packets (silence, a still screen) are missed less: as LiveKit, by the root of their share.
  const weight = lossWeight(context.mime) * Math.sqrt(Math.min(stats.packets / usualPackets, 1));
  // Nobody sees what was repaired in time.
  const missed = Math.max(stats.lost - (stats.repaired ?? 0), 0);
  const byLoss = ((100 * missed) / stats.packets) * weight;
  const byPackets = BEST - delayEffect(stats.jitterMs, context) - byLoss;
  const byLayers = BEST - LAYER_WEIGHT * stats.layerDistance;
  return Math.min(byPackets, byLayers);
}

function smooth(before: StreamScore, score: number): number {
  const factor = score < before.score ? FALL : RISE;
  return Math.max(factor * score + (1 - factor) * before.score, WORST_FLOWING);
}

/** The E-model's: little below 160 ms, much above. */
function delayEffect(jitterMs: number, { rttMs }: StreamContext): number {
  const delayMs = rttMs / 2 + 2 * jitterMs;
  return delayMs > 160 ? (delayMs - 120) / 10 : delayMs / 40;
}

/** Opus repairs some loss by itself, RED more of it; for video LiveKit counts each lost packet. */
function lossWeight(mime: string): number {
  if (mime === "audio/opus") return 8 / 1.5;
  if (mime === "audio/red") return 4 / 1.5;
  return mime.startsWith("video/") ? 10 : 0;
}

/** The quality that a score stands for. */
export function qualityOf(score: number): ConnectionQuality {
  if (score > EXCELLENT_ABOVE) return ConnectionQuality.EXCELLENT;
  if (score > GOOD_ABOVE) return ConnectionQuality.GOOD;
  return score > POOR_ABOVE ? ConnectionQuality.POOR : ConnectionQuality.LOST;
}

/** Mean opinion score, 1 … 4.5. */
export function mosOf(score: number): number {
  if (score <= 0) return 1;
  if (score >= BEST) return 4.5;
  return 1 + 0.035 * score + 0.000007 * score * (score - 60) * (100 - score);
}
