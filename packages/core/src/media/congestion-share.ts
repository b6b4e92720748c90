/**
 * The bandwidth of one subscriber: its congestion controller, and what each of its video streams may have. It turns what the streams
 * measure into the allocator's table, tells them what they are granted, and sends the padding that a probe asks for.
 * It exists only for subscribers with video.
 */
import type { ReportBlock } from "@stoa/wire/rtcp/report";
import { allocate, layerAt, MAX_SPATIAL, MAX_TEMPORAL, newTrackShare, SETTLE_MS } from "../congestion/allocate.ts";
import { PAUSED, SCREEN_SHARE_PRIORITY, VIDEO_PRIORITY } from "../congestion/allocate.ts";
import type { Shared, TrackShare } from "../congestion/allocate.ts";
import { CongestionController } from "../congestion/controller.ts";
import type { Demand } from "../congestion/probe-control.ts";
import type { CongestionSpec } from "../engine/specs.ts";
import type { Downlink } from "./downlink.ts";
import type { PacketWriter } from "./packet-writer.ts";
import type { Subscriber } from "./subscriber.ts";

/** Between two allocations, unless the estimate changed. */
const ALLOCATE_MS = 200;
/** The same where everybody has all anyway: only what is wanted may have changed. */
const UNLIMITED_MS = 1000;
const AUDIO_WINDOW_MS = 1000;
/** With such a queue a layer that is given up is not shown to the end: the link drops most of it, and the next one's key frame with it. */
const CHOKED_MS = 100;
/** The longest time without a picture that is taken for this. */
const MAX_CUT_MS = 400;

/** One video stream that takes part. */
interface Managed {
  readonly downlink: Downlink;
  readonly share: TrackShare;
  /** The client was told that it is paused. */
  paused: boolean;
  /** Packets sent up to the last receiver report. */
  packets: number;
}

export class CongestionShare {
  readonly controller = new CongestionController();
  readonly #downlinks: ReadonlyMap<number, Downlink>;
  readonly #spec: CongestionSpec;
  readonly #managed = new Map<number, Managed>();
  readonly #wanted: TrackShare[] = [];
  readonly #shared: Shared = { allocatedBps: 0, desiredBps: 0, nextStepBps: 0, fell: false };
  /** What probes look for, if it is not the usual. */
  readonly #probeRoom: Pick<Demand, "stepRoom" | "leastRoomBps">;
  #allocatedMs = -1e12;
  #budgetBps = 0;
  #fellMs = -1e12;
  #audioOctets = 0;
  #audioSinceMs = 0;
  #audioBps = 0;

  /** `downlinks`: all streams of the subscriber, by SSRC. */
  constructor(subscriber: Subscriber, downlinks: ReadonlyMap<number, Downlink>, spec: CongestionSpec) {
    this.#downlinks = downlinks;
    this.#spec = spec;
    const { stepRoom, leastRoomBps } = spec;
    this.#probeRoom = {
      ...(stepRoom !== undefined && { stepRoom }),
      ...(leastRoomBps !== undefined && { leastRoomBps }),
    };
    subscriber.sent = this.controller.sent;
  }

  /** A receiver report of one stream came. */
  handleReport(downlink: Downlink, block: ReportBlock, rttMs: number, nowMs: number): void {
    const managed = this.#managed.get(downlink.ssrc);
    if (!managed) return;
    const packets = (downlink.stream.packets - managed.packets) | 0;
    managed.packets = downlink.stream.packets;
    const heldMs = (block.delaySinceLastReport * 1000) / 65_536;
    this.controller.handleReport(block.fractionLost / 256, packets, rttMs, heldMs, nowMs);
  }

  /** Lets time pass; shares anew when it is due. `onState`: a stream was paused, or flows again. */
  handleTimeout(nowMs: number, onState: (downlink: Downlink, paused: boolean) => void): void {
    const { controller } = this;
    if (nowMs >= controller.nextTimeoutMs()) controller.handleTimeout(nowMs);
    const { budgetBps } = controller;
    const dueMs = this.#allocatedMs + (budgetBps === 0 ? UNLIMITED_MS : ALLOCATE_MS);
    if (budgetBps !== this.#budgetBps || nowMs >= dueMs) this.#allocate(nowMs);
    for (const managed of this.#managed.values()) {
      const { downlink } = managed;
      const paused = managed.share.spatial === PAUSED && downlink.wantedSpatial >= 0;
      // It flows again when something has been forwarded.
      if (paused === managed.paused || (!paused && downlink.currentSpatial < 0)) continue;
      managed.paused = paused;
      onState(downlink, paused);
    }
  }

  /** Sends the padding that is due, on the first stream that has RTX and has begun. */
  pad(nowMs: number, writer: PacketWriter): void {
    const bytes = this.controller.paddingBytes(nowMs);
    if (bytes <= 0) return;
    for (const { downlink } of this.#managed.values()) if (downlink.stream.pad(bytes, writer)) return;
  }

  #allocate(nowMs: number): void {
    this.#allocatedMs = nowMs;
    this.#budgetBps = this.controller.budgetBps;
    this.#measureAudio(nowMs);
    this.#follow();
    const shared = this.#shared;
    const options = {
      budgetBps: this.#besideAudio(this.#budgetBps),
      holdBps: this.#besideAudio(this.controller.holdBps),
      allowPause: this.#spec.allowPause,
      mayRaise: nowMs - this.#fellMs >= SETTLE_MS,
    };
    allocate(this.#wanted, options, shared);
    if (shared.fell) this.#fellMs = nowMs;
    const { queueMs } = this.controller;
    const choked = shared.fell && queueMs > CHOKED_MS;
    for (const { downlink, share } of this.#managed.values()) {
      downlink.allocate(share.spatial, share.temporal);
      if (choked && share.spatial >= 0 && share.spatial < downlink.currentSpatial) {
        downlink.cut(Math.min(queueMs, MAX_CUT_MS), nowMs);
      }
    }
    this.controller.setDemand(
      {
        allocatedBps: shared.allocatedBps + this.#audioBps,
        nextStepBps: shared.nextStepBps,
        desiredBps: shared.desiredBps === 0 ? 0 : shared.desiredBps + this.#audioBps,
        ...this.#probeRoom,
      },
      nowMs,
    );
  }

  /** Takes in who came and went, and what each stream wants and costs. Who wants nothing keeps what it had. */
  #follow(): void {
    for (const ssrc of this.#managed.keys()) if (!this.#downlinks.has(ssrc)) this.#managed.delete(ssrc);
    this.#wanted.length = 0;
    for (const downlink of this.#downlinks.values()) {
      if (!downlink.isVideo) continue;
      let managed = this.#managed.get(downlink.ssrc);
      if (managed?.downlink !== downlink) {
        managed = { downlink, share: newTrackShare(), paused: false, packets: downlink.stream.packets };
        this.#managed.set(downlink.ssrc, managed);
      }
      if (downlink.wantedSpatial < 0) continue;
      describe(downlink, managed.share);
      this.#wanted.push(managed.share);
    }
  }

  /** What is left for video; 0 = no limit is known. */
  #besideAudio(bps: number): number {
    return bps === 0 ? 0 : Math.max(Math.max(bps, this.#spec.leastBudgetBps ?? 0) - this.#audioBps, 1);
  }

  /** What the audio of the subscriber takes out of the same estimate. */
  #measureAudio(nowMs: number): void {
    const elapsedMs = nowMs - this.#audioSinceMs;
    if (elapsedMs < AUDIO_WINDOW_MS) return;
    let octets = 0;
    for (const downlink of this.#downlinks.values())
      if (!downlink.isVideo && downlink.stream.stamped) octets += downlink.stream.octets;
    const sent = (octets - this.#audioOctets) | 0;
    this.#audioOctets = octets;
    const measured = elapsedMs < 2 * AUDIO_WINDOW_MS && sent > 0;
    this.#audioBps = measured ? (sent * 8000) / elapsedMs : 0;
    this.#audioSinceMs = nowMs;
  }
}

/** Fewer frames a second stutter: a smaller picture with all of them looks better. What is shown on a screen is to be read. */
const SMOOTH_FPS = 14;

/** Fills the allocator's table for one stream. */
function describe(downlink: Downlink, share: TrackShare): void {
  const { uplink, isScreenShare } = downlink;
  let spatials = 0;
  for (let spatial = 0; spatial < MAX_SPATIAL; spatial++) {
    const flows = uplink !== undefined && uplink.rates.bps(spatial, 0) > 0;
    if (flows) spatials++;
    share.entry[spatial] = flows && !isScreenShare ? Math.max(1, uplink.rates.temporalFor(spatial, SMOOTH_FPS)) : 0;
    for (let temporal = 0; temporal < MAX_TEMPORAL; temporal++) {
      share.bps[layerAt(spatial, temporal)] = flows ? uplink.rates.bps(spatial, temporal) : 0;
    }
  }
  share.maxSpatial = downlink.wantedSpatial;
  share.maxTemporal = Math.max(0, downlink.wantedTemporal);
  share.priority = downlink.settings.priority || (isScreenShare ? SCREEN_SHARE_PRIORITY : VIDEO_PRIORITY);
  share.unmanaged = isScreenShare && spatials <= 1;
}
