/**
 * Ports for the servers of tests. None is one that the system gives to outgoing connections: such a port, free when it
 * was looked at, is often taken before its server has started. And none is handed out twice.
 */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** Where to draw from: the ports from `first` to `last`. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const PREFERRED: PortRange = { first: 10_000, last: 31_999 };
const LAST_PORT = 65_535;
/** Fewer are soon used up. */
const ENOUGH = 2000;
/** `fetch` refuses it, as browsers do. */
const REFUSED = 10_080;

const handedOut = new Set<number>();
let range: PortRange | undefined;

/** A TCP port that nobody uses at the moment, neither for UDP. */
export function freeTcpPort(): Promise<number> {
  return firstFree(draw, 1);
}

/** A UDP port that nobody uses at the moment, neither for TCP. */
export function freeUdpPort(): Promise<number> {
  return firstFree(draw, 1);
}

/** A number such that nobody uses the port, or the next one, for UDP or TCP at the moment. */
export function freePortPair(): Promise<number> {
  return firstFree(draw, 2);
}

/** The first number drawn whose port, with those above it to make `count`, is free; they are not handed out again. */
export async function firstFree(drawPort: () => number, count: number): Promise<number> {
  for (;;) {
    const first = drawPort();
    const ports = Array.from({ length: count }, (_, i) => first + i);
    if (ports.some((port) => port === REFUSED || port > LAST_PORT || handedOut.has(port))) continue;
    for (const port of ports) handedOut.add(port);
    const probes = await Promise.all(ports.flatMap((port) => [isFreeForTcp(port), isFreeForUdp(port)]));
    if (probes.every(Boolean)) return first;
  }
}

/** Ports that are not for outgoing connections, in what Linux says of those ("32768 60999"). */
export function rangeBeside(outgoing: string): PortRange {
  const [from = 0, to = 0] = outgoing.trim().split(/\s+/).map(Number);
  // The port above the last one may be the second of two.
  const below = { first: PREFERRED.first, last: Math.min(PREFERRED.last, from - 2) };
  if (below.last - below.first >= ENOUGH) return below;
  const above = { first: to + 1, last: LAST_PORT - 1 };
  return above.last - above.first >= ENOUGH ? above : PREFERRED;
}

function draw(): number {
  range ??= rangeBeside(outgoingPorts());
  return range.first + Math.floor(Math.random() * (range.last - range.first + 1));
}

function outgoingPorts(): string {
  try {
    return readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  } catch {
    return `49152 ${LAST_PORT}`; // what the IANA gives to them, and systems without this file
  }
}

function isFreeForTcp(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const probe = createServer().once("error", () => answer(false));
    probe.listen(port, "0.0.0.0", () => probe.close(() => answer(true)));
  });
}

function isFreeForUdp(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const probe = createSocket("udp4").once("error", () => answer(false));
    probe.bind(port, "0.0.0.0", () => probe.close(() => answer(true)));
  });
}
