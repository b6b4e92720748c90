/**
 * Which addresses a media worker announces as host candidates (RFC 8445 section 5.1.1.1): pure rules over the list of
 * interfaces, so that they can be tested. An address that the configuration excludes is never announced.
 */
import type { NetworkInterfaceInfo } from "node:os";
import type { LocalCandidate } from "@stoa/core/engine/events";
import { BlockList } from "node:net";
import { formatIp, parseIp } from "./ip-address.ts";

/** Names or networks to allow and to leave out; an empty list of includes allows all. */
export interface IncludeExclude {
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
}

export interface CandidateOptions {
  /** Address that clients reach this machine at (NAT 1:1); announced instead of the IPv4 addresses of the interfaces. */
  readonly nodeIp: string | undefined;
  /** By interface name: "eth0". */
  readonly interfaces: IncludeExclude;
  /** By network: "10.0.0.0/8". */
  readonly ips: IncludeExclude;
  readonly loopback: boolean;
  /** Addresses that the sockets listen on, if not all. */
  readonly listen: readonly string[] | undefined;
}

/** What `os.networkInterfaces()` gives. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Everything allowed, as without configuration. */
export const DEFAULT_CANDIDATE_OPTIONS: CandidateOptions = {
  nodeIp: undefined,
  interfaces: { includes: [], excludes: [] },
  ips: { includes: [], excludes: [] },
  loopback: false,
  listen: undefined,
};

/** Host candidates, UDP before TCP, `nodeIp` first, one of loopback last; each address once. */
export function localCandidates(
  interfaces: Interfaces,
  options: CandidateOptions,
  ports: { readonly udp: number; readonly tcp: number | undefined },
): LocalCandidate[] {
  const addresses = candidateAddresses(interfaces, options);
  const udp = addresses.map((address): LocalCandidate => ({ protocol: "udp", address, port: ports.udp }));
  const { tcp: port } = ports;
  if (port === undefined) return udp;
  return [...udp, ...addresses.map((address): LocalCandidate => ({ protocol: "tcp", address, port }))];
}

/** More addresses than a machine with a purpose has; each costs a socket. */
const MAX_OWN = 32;

/** Addresses of this machine that something can be sent to from outside it or inside, in the order of the system. */
export function ownAddresses(interfaces: Interfaces): string[] {
  const own = new Set<string>();
  for (const { address: text } of Object.values(interfaces).flatMap((infos = []) => infos)) {
    const address = parseIp(text);
    if (address && !isLinkLocal(address)) own.add(formatIp(address));
  }
  return [...own].slice(0, MAX_OWN);
}

function candidateAddresses(interfaces: Interfaces, options: CandidateOptions): string[] {
  const nodeIp = options.nodeIp === undefined ? undefined : parseIp(options.nodeIp);
  const chosen = new Set<string>();
  const loopback: string[] = [];
  if (nodeIp) chosen.add(formatIp(nodeIp));
  for (const [name, infos = []] of Object.entries(interfaces)) {
    if (!included(options.interfaces, (pattern) => pattern === name)) continue;
    for (const info of infos) {
      const address = parseIp(info.address);
      if (!address) continue;
      // Behind NAT the interface's own address of that family is of no use to clients; loopback still is, for tests.
      if (nodeIp?.length === address.length && !info.internal) continue;
      if (!usable(address, info, options)) continue;
      if (info.internal) loopback.push(formatIp(address));
      else chosen.add(formatIp(address));
    }
  }
  // Browsers send from an interface's address: a check to loopback takes them a round more (Chromium: 130 ms instead of 60).
  // One is enough, and each more costs a client a check from every port that it has.
  const first = loopback.find((address) => !address.includes(":")) ?? loopback[0];
  if (first !== undefined && !(nodeIp && isLoopback(nodeIp))) chosen.add(first);
  return [...chosen];
}

function usable(address: Uint8Array, info: NetworkInterfaceInfo, options: CandidateOptions): boolean {
  if (info.internal && !options.loopback) return false;
  if (isLinkLocal(address)) return false;
  const text = formatIp(address);
  if (!included(options.ips, (network) => inNetwork(text, network))) return false;
  if (!options.listen) return true;
  const any = address.length === 16 ? "::" : "0.0.0.0";
  return options.listen.some((listen) => listen === any || formatIp(parseIp(listen) ?? new Uint8Array(4)) === text);
}

function included(rule: IncludeExclude, matches: (pattern: string) => boolean): boolean {
  if (rule.excludes.some(matches)) return false;
  return rule.includes.length === 0 || rule.includes.some(matches);
}

/** 127.0.0.0/8 and ::1. */
function isLoopback(address: Uint8Array): boolean {
  return address.length === 4 ? address[0] === 127 : formatIp(address) === "::1";
}

/** 169.254.0.0/16 and fe80::/10. */
function isLinkLocal(address: Uint8Array): boolean {
  if (address.length === 4) return address[0] === 169 && address[1] === 254;
  return address[0] === 0xfe && (address[1]! & 0xc0) === 0x80;
}

/** Whether `text` lies in "10.0.0.0/8" (or is the single address); false for what is no network. */
function inNetwork(text: string, network: string): boolean {
  const [base = "", bits] = network.split("/", 2);
  const address = parseIp(base);
  if (!address) return false;
  const family = address.length === 16 ? "ipv6" : "ipv4";
  const list = new BlockList();
  const prefix = bits === undefined ? address.length * 8 : Number(bits);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > address.length * 8) return false;
  list.addSubnet(base, prefix, family);
  return text.includes(":") === (family === "ipv6") && list.check(text, family);
}
