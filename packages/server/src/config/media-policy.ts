/** What the configuration says of the media engine, in the engine's own words. 0 means LiveKit's value, as it does there. */
import { DEFAULT_TUNING, packetsFor, type MediaTuning } from "@stoa/core/media/tuning";
import type { MediaPolicy } from "@stoa/core/room/options";
import type { Config } from "./schema.ts";

/** How bandwidth is shared out, and how publishers are asked for layers and codecs. */
export function mediaPolicy({ rtc, video }: Config): MediaPolicy {
  const { enabled, allow_pause: allowPause, stream_allocator: allocator } = rtc.congestion_control;
  const { probe_overage_pct: overage, probe_min_bps: leastRoomBps, min_channel_capacity: leastBudgetBps } = allocator;
  return {
    congestion: {
      enabled,
      allowPause,
      ...(overage > 0 && { stepRoom: overage / 100 }),
      ...(leastRoomBps > 0 && { leastRoomBps }),
      ...(leastBudgetBps > 0 && { leastBudgetBps }),
    },
    dynacastPauseDelayMs: video.dynacast_pause_delay,
    codecRegressionThreshold: video.codec_regression_threshold,
  };
}

/** Sizes and times of the workers. */
export function mediaTuning({ rtc }: Pick<Config, "rtc">): MediaTuning {
  const { pli_throttle: pli, packet_buffer_size: packets } = rtc;
  const { videoPackets, audioPackets, keyFrameIntervalsMs } = DEFAULT_TUNING;
  const [low, mid, high] = keyFrameIntervalsMs;
  return {
    videoPackets: packetsFor(rtc.packet_buffer_size_video || packets || videoPackets),
    audioPackets: packetsFor(rtc.packet_buffer_size_audio || packets || audioPackets),
    keyFrameIntervalsMs: [pli.low_quality || low, pli.mid_quality || mid, pli.high_quality || high],
  };
}
