/** Addresses that media workers announce: `node_ip`, or those of the interfaces that the configuration allows. */
import { BlockList, isIP, isIPv4 } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";
import type { Config } from "./schema.ts";

/** Whether the text is an IPv4 or IPv6 address. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** As `os.networkInterfaces()` gives it. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * The addresses for host candidates, best first. A loopback address is among them when it is asked for, when the server only
 * listens on loopback, or when there is nothing else.
 */
export function announcedAddresses(config: Config, interfaces: Interfaces): string[] {
  const { rtc } = config;
  if (rtc.node_ip !== "") return rtc.node_ip.split(",").map((part) => part.trim());
  const allowed = addressFilter(rtc.ips);
  const outside: string[] = [];
  const loopback: string[] = [];
  for (const [name, addresses] of Object.entries(interfaces)) {
    if (!nameAllowed(name, rtc.interfaces)) continue;
    for (const { address, internal } of addresses ?? []) {
      if (isLinkLocal(address) || !allowed(address)) continue;
      (internal ? loopback : outside).push(address);
    }
  }
  outside.sort(ipv4First);
  loopback.sort(ipv4First);
  if (listensOnLoopbackOnly(config)) return [...loopback, ...outside];
  return rtc.enable_loopback_candidate || outside.length === 0 ? [...outside, ...loopback] : outside;
}

/** Whether only this machine can reach the HTTP port. */
export function listensOnLoopbackOnly(config: Config): boolean {
  const bind = config.bind_addresses ?? [];
  return (
    bind.length > 0 &&
    bind.every((address) => address === "::1" || address === "localhost" || address.startsWith("127."))
  );
}

function nameAllowed(name: string, filter: { includes: string[]; excludes: string[] }): boolean {
  if (filter.includes.length > 0) return filter.includes.includes(name);
  return !filter.excludes.includes(name);
}

/** Only the includes count when there are any, as in LiveKit. */
function addressFilter(filter: { includes: string[]; excludes: string[] }): (address: string) => boolean {
  if (filter.includes.length > 0) {
    const list = blockList(filter.includes);
    return (address) => list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
  }
  const list = blockList(filter.excludes);
  return (address) => !list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const { address, prefix } = parseCidr(range)!;
    list.addSubnet(address, prefix, isIPv4(address) ? "ipv4" : "ipv6");
  }
  return list;
}

/** "10.0.0.0/8", or one address; undefined when it is neither. */
export function parseCidr(text: string): { address: string; prefix: number } | undefined {
  const [address = "", bits] = text.split("/", 2);
  const most = isIP(address) === 4 ? 32 : 128;
  if (!isAddress(address)) return undefined;
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  return prefix >= 0 && prefix <= most ? { address, prefix } : undefined;
}

function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || /^fe[89ab]/i.test(address);
}

function ipv4First(a: string, b: string): number {
  return Number(isIP(a) === 6) - Number(isIP(b) === 6);
}
