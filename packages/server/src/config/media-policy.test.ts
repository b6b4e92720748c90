import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_TUNING } from "@stoa/core/media/tuning";
import { DEFAULT_MEDIA_POLICY } from "@stoa/core/room/options";
import { testConfig } from "../fixtures.test.ts";
import { mediaPolicy, mediaTuning } from "./media-policy.ts";

const read = (yaml: string) => {
  const { config, warnings } = testConfig(yaml);
  return { ...mediaPolicy(config), tuning: mediaTuning(config), warnings };
};

test("a file that says nothing changes nothing, and so do zeros", () => {
  const room = { stepRoom: 1.2, leastRoomBps: 200_000 };
  const congestion = { ...DEFAULT_MEDIA_POLICY.congestion, ...room };
  assert.deepEqual(read(""), { ...DEFAULT_MEDIA_POLICY, congestion, tuning: DEFAULT_TUNING, warnings: [] });
  const zeros = read(`rtc:
  packet_buffer_size: 0
  packet_buffer_size_video: 0
  packet_buffer_size_audio: 0
  pli_throttle: { low_quality: 0s, mid_quality: 0s, high_quality: 0s }
  congestion_control: { stream_allocator: { probe_overage_pct: 0, probe_min_bps: 0, min_channel_capacity: 0 } }`);
  assert.deepEqual([zeros.tuning, zeros.congestion], [DEFAULT_TUNING, DEFAULT_MEDIA_POLICY.congestion]);
});

test("what it says reaches the engine in its own words; what has no effect yet is named", () => {
  const said = read(`rtc:
  packet_buffer_size: 1000
  packet_buffer_size_video: 0
  packet_buffer_size_audio: 60
  pli_throttle: { low_quality: 250ms, high_quality: 3s }
  congestion_control:
    enabled: false
    allow_pause: true
    stream_allocator: { probe_mode: media, probe_overage_pct: 150, probe_min_bps: 300000, min_channel_capacity: 64000 }`);
  assert.deepEqual(said.tuning, { videoPackets: 1024, audioPackets: 64, keyFrameIntervalsMs: [250, 1000, 3000] });
  assert.deepEqual(said.congestion, {
    enabled: false,
    allowPause: true,
    stepRoom: 1.5,
    leastRoomBps: 300_000,
    leastBudgetBps: 64_000,
  });
  const key = "rtc.congestion_control.stream_allocator.probe_mode";
  assert.deepEqual(said.warnings, [`Accepted but without effect in this version: ${key}.`]);
});
