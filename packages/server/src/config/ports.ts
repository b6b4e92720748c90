/**
 * How many media workers there are and which ports each has: worker k gets the k-th UDP and the k-th TCP port.
 * Cores − 1 workers (at least one), unless the ports say less: one explicit `udp_port` is one worker.
 */
import type { Config } from "./schema.ts";

/** Ports of one media worker; a `tcpPort` of 0 is none. */
export interface WorkerPorts {
  readonly udpPort: number;
  readonly tcpPort: number;
}

const DEFAULT_UDP_PORT = 7882;

/** The ports of every worker. */
export function planWorkers(config: Config, cores: number): WorkerPorts[] {
  const { rtc } = config;
  const wished = Math.max(1, cores - 1);
  let first = DEFAULT_UDP_PORT;
  let count = wished;
  if (rtc.udp_port && rtc.udp_port.first > 0) {
    first = rtc.udp_port.first;
    count = Math.min(wished, rtc.udp_port.last - first + 1);
  } else if (rtc.port_range_start > 0) {
    first = rtc.port_range_start;
    count = Math.min(wished, Math.max(rtc.port_range_end, first) - first + 1);
  }
  count = Math.min(count, 65536 - first);
  const tcp = tcpPorts(rtc.tcp_port, count, config.port);
  return Array.from({ length: count }, (_, k) => ({ udpPort: first + k, tcpPort: tcp[k] ?? 0 }));
}

/** `count` ports from `first` upward, around the HTTP port; none when `first` is 0. */
function tcpPorts(first: number, count: number, httpPort: number): number[] {
  const ports: number[] = [];
  if (first === 0) return ports;
  if (count === 1) return [first];
  for (let port = first; ports.length < count && port <= 65535; port++) if (port !== httpPort) ports.push(port);
  return ports;
}
