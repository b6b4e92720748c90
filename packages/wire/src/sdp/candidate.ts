/** `candidate-attribute` of RFC 8839 for host candidates, UDP and passive TCP (RFC 6544). */

/** A host candidate. */
export interface HostCandidate {
  readonly protocol: "udp" | "tcp";
  readonly address: string;
  readonly port: number;
}

/**
 * Lines "candidate:…" without "a=", in the order given, which is also the order of preference within a protocol;
 * UDP is always preferred to TCP. As they stand in SDP after `a=` and in RTCIceCandidateInit.candidate.
 */
export function writeCandidates(candidates: readonly HostCandidate[]): string[] {
  return candidates.map((candidate, index) => {
    const tcp = candidate.protocol === "tcp";
    // Local preference: for TCP the direction (4 = passive) takes the upper three bits (RFC 6544 section 4.2).
    const local = tcp ? (4 << 13) + (0x1fff - (index & 0x1fff)) : 0xffff - (index & 0xffff);
    const priority = (tcp ? 90 : 126) * 0x100_0000 + local * 0x100 + 255;
    const suffix = tcp ? " tcptype passive" : "";
    return `candidate:${index + 1} 1 ${candidate.protocol} ${priority} ${candidate.address} ${candidate.port} typ host${suffix}`;
  });
}
