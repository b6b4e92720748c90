/** From the `rtc` section to how the room's peers are connected. */
import type { TransportPolicy } from "@stoa/core/room/options";
import type { Config } from "./schema.ts";

/** What a room needs to know of `rtc`. */
export function transportPolicy({ congestion_control: control, ...rtc }: Config["rtc"]): TransportPolicy {
  const remb = !control.use_send_side_bwe_interceptor && control.use_send_side_bwe === false;
  return {
    bandwidthFeedback: remb ? "remb" : "transport-cc",
    tcpFallback: rtc.allow_tcp_fallback,
    tcpFallbackRttMs: rtc.tcp_fallback_rtt_threshold,
    udpUnstableFallback: rtc.allow_udp_unstable_fallback,
    reconnectOnDataLoss: rtc.reconnect_on_data_channel_error,
  };
}
