/** `rtc.congestion_control` and `video.stream_tracker_manager`: LiveKit's tuning knobs, known by name so that its files load. */
import { z } from "zod";
import { decimal, duration, flag, mapping, pending, section, text, whole, word } from "./leaves.ts";

const count = () => whole(0).optional();
const ratio = () => decimal().optional();
const time = () => duration().optional();
const part = <S extends z.ZodRawShape>(shape: S) => mapping(shape).optional();

const trend = () =>
  part({
    required_samples: count(),
    required_samples_min: count(),
    downward_trend_threshold: ratio(),
    downward_trend_max_wait: time(),
    collapse_threshold: time(),
    validity_window: time(),
  });

const nackTracker = () => part({ window_min_duration: time(), window_max_duration: time(), ratio_threshold: ratio() });

const channelObserver = () => part({ estimate: trend(), nack: nackTracker() });

const probeRegulator = () =>
  part({
    base_interval: time(),
    backoff_factor: ratio(),
    max_interval: time(),
    min_duration: time(),
    max_duration: time(),
    duration_increase_factor: ratio(),
  });

const settle = { settle_wait_num_rtt: count(), settle_wait_min: time(), settle_wait_max: time() };
const packetGroup = () => part({ min_packets: count(), max_window_duration: time() });
const signal = () => part({ min_number_of_groups: count(), min_duration: time() });

const weightedLoss = () =>
  part({
    min_duration_for_loss_validity: time(),
    base_duration: time(),
    base_pps: count(),
    loss_penalty_factor: ratio(),
  });

const remoteBwe = part({
  nack_ratio_attenuator: ratio(),
  expected_usage_threshold: ratio(),
  channel_observer_probe: channelObserver(),
  channel_observer_non_probe: channelObserver(),
  probe_controller: part({ probe_regulator: probeRegulator(), ...settle }),
});

const congestionDetector = part({
  packet_group: packetGroup(),
  packet_group_max_age: time(),
  probe_packet_group: part({ packet_group: packetGroup(), ...settle }),
  probe_regulator: probeRegulator(),
  probe_signal: part({
    min_bytes_ratio: ratio(),
    min_duration_ratio: ratio(),
    jqr_min_delay: time(),
    dqr_max_delay: time(),
    weighted_loss: weightedLoss(),
    jqr_min_weighted_loss: ratio(),
    dqr_max_weighted_loss: ratio(),
  }),
  jqr_min_delay: time(),
  jqr_min_trend_coefficient: ratio(),
  dqr_max_delay: time(),
  weighted_loss: weightedLoss(),
  jqr_min_weighted_loss: ratio(),
  dqr_max_weighted_loss: ratio(),
  queuing_delay_early_warning_jqr: signal(),
  queuing_delay_early_warning_dqr: signal(),
  loss_early_warning_jqr: signal(),
  loss_early_warning_dqr: signal(),
  queuing_delay_congested_jqr: signal(),
  queuing_delay_congested_dqr: signal(),
  loss_congested_jqr: signal(),
  loss_congested_dqr: signal(),
  congested_ctr_trend: trend(),
  congested_ctr_epsilon: ratio(),
  congested_packet_group: packetGroup(),
  // both spellings without the second "i" are LiveKit's own
  estimaton_window_duration: time(),
});

/** `rtc.congestion_control`. */
export const congestionControl = () =>
  section({
    enabled: flag().default(true),
    allow_pause: flag().default(false),
    stream_allocator: section({
      /** Bits per second that every link is taken to carry. */
      min_channel_capacity: whole(0).default(0),
      disable_etimation_unmanaged_tracks: pending(flag().optional()),
      probe_mode: pending(word("padding", "media").default("padding")),
      /** A probe asks for so much more than the next step, in percent, or at least so many bits per second. */
      probe_overage_pct: whole(0).default(120),
      probe_min_bps: whole(0).default(200_000),
      paused_min_wait: pending(duration().default(5000)),
    }),
    remote_bwe: pending(remoteBwe),
    /** LiveKit's two ways to estimate by transport-wide feedback are one here: either key set to true asks for it. */
    use_send_side_bwe_interceptor: flag().optional(),
    /**
     * Unset: the server estimates by transport-wide feedback, and a client that does not send that estimates itself (REMB).
     * False: REMB, LiveKit's default. The file says nothing in both cases there, so only a written `false` means it.
     */
    use_send_side_bwe: flag().optional(),
    send_side_bwe_pacer: pending(word("", "pass-through", "no-queue", "leaky-bucket").default("no-queue")),
    send_side_bwe: pending(part({ congestion_detector: congestionDetector })),
  });

const streamTracker = () =>
  part({
    stream_tracker_type: text().optional(),
    bitrate_report_interval: z.record(z.string(), duration()).optional(),
    packet_tracker: z
      .record(z.string(), mapping({ samples_required: count(), cycles_required: count(), cycle_duration: time() }))
      .optional(),
    frame_tracker: z.record(z.string(), mapping({ min_fps: ratio() })).optional(),
  });

/** `video.stream_tracker_manager`. */
export const streamTrackerManager = () => part({ video: streamTracker(), screenshare: streamTracker() });
