/** The host candidates of a worker: `io/candidates` with LiveKit's `rtc` section. */
import { isIPv4 } from "node:net";
import type { LocalCandidate } from "@stoa/core/engine/events";
import { localCandidates, type IncludeExclude, type Interfaces } from "@stoa/io/candidates";

/** What the configuration says about addresses. */
export interface AnnounceRules {
  /** `rtc.node_ip`: at most one per family. */
  readonly nodeIps: readonly string[];
  readonly interfaces: IncludeExclude;
  readonly ips: IncludeExclude;
  readonly loopback: boolean;
}

/** UDP before TCP, `node_ip` first. Loopback addresses are the last resort of a machine that has no others. */
export function announcedCandidates(
  interfaces: Interfaces,
  rules: AnnounceRules,
  ports: { readonly udp: number; readonly tcp: number | undefined },
): LocalCandidate[] {
  const [nodeIp, other] = rules.nodeIps;
  const base = { nodeIp, interfaces: rules.interfaces, ips: rules.ips, listen: undefined };
  const found = localCandidates(interfaces, { ...base, loopback: rules.loopback }, ports);
  const candidates = found.length > 0 ? found : localCandidates(interfaces, { ...base, loopback: true }, ports);
  if (other === undefined) return candidates;
  // the second node_ip stands in for the addresses of its family
  const rest = candidates.filter(({ address }) => isIPv4(address) !== isIPv4(other));
  const added = [...new Map(rest.map(({ protocol, port }) => [protocol, port]))].map(
    ([protocol, port]): LocalCandidate => ({ protocol, address: other, port }),
  );
  return [...rest, ...added].sort((a, b) => Number(a.protocol === "tcp") - Number(b.protocol === "tcp"));
}
