/**
 * Where webhooks may go. An address that only this host or its network can reach is no target unless the configuration
 * says so: whoever may set a URL must not thereby reach what stands behind the firewall. Names are judged by the address
 * that they resolve to, at the moment of the connection, so that a name cannot change its mind in between.
 */
import { parseIp } from "@stoa/io/ip-address";

/** Who can reach an address. */
export type AddressScope = "public" | "private" | "linkLocal";

/** Which targets are allowed: the two narrower scopes only on the configuration's word. */
export interface TargetPolicy {
  /** Loopback, RFC 1918, CGNAT and unique local addresses. */
  readonly allowPrivate: boolean;
  /** 169.254.0.0/16 and fe80::/10: in clouds, the metadata service with the machine's credentials. */
  readonly allowLinkLocal: boolean;
}

/** The scope of an IP address in text; what is no address, or can be no target, is linkLocal, the strictest. */
export function addressScope(text: string): AddressScope {
  const bytes = parseIp(text);
  if (!bytes) return "linkLocal";
  return bytes.length === 4 ? scopeOfV4(bytes) : scopeOfV6(bytes);
}

/** Whether a connection to this address is allowed. */
export function mayReach(address: string, policy: TargetPolicy): boolean {
  const scope = addressScope(address);
  return scope === "public" || (scope === "private" ? policy.allowPrivate : policy.allowLinkLocal);
}

/** The address that a URL names outright: a literal, or what stands for loopback; undefined for any other name. */
export function literalAddress(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (host === "localhost" || host.endsWith(".localhost")) return "127.0.0.1";
  return parseIp(host) ? host : undefined;
}

function scopeOfV4(bytes: Uint8Array): AddressScope {
  const [a = 0, b = 0] = bytes;
  if (a === 169 && b === 254) return "linkLocal";
  if (a >= 224 || (a === 0 && bytes.some((byte) => byte !== 0))) return "linkLocal"; // multicast, reserved, "this network"
  const isPrivate =
    a === 0 || // 0.0.0.0 is this host
    a === 10 ||
    a === 127 ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 198 && (b === 18 || b === 19));
  return isPrivate ? "private" : "public";
}

function scopeOfV6(bytes: Uint8Array): AddressScope {
  const v4 = embeddedV4(bytes);
  if (v4) return scopeOfV4(v4);
  const [a = 0, b = 0] = bytes;
  if (a === 0xfe && (b & 0xc0) === 0x80) return "linkLocal";
  if (a === 0xff) return "linkLocal"; // multicast
  if ((a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0xc0)) return "private";
  if (bytes.subarray(0, 15).every((byte) => byte === 0)) return "private"; // ::1 and ::
  return "public";
}

/** IPv4 inside IPv6: mapped (::ffff:0:0/96), compatible (::/96), NAT64 (64:ff9b::/96), 6to4 (2002::/16). */
function embeddedV4(bytes: Uint8Array): Uint8Array | undefined {
  const zeros = (from: number, to: number) => bytes.subarray(from, to).every((byte) => byte === 0);
  if (zeros(0, 10) && bytes[10] === 0xff && bytes[11] === 0xff) return bytes.subarray(12);
  if (zeros(0, 12) && !zeros(12, 15)) return bytes.subarray(12);
  if (bytes[0] === 0 && bytes[1] === 0x64 && bytes[2] === 0xff && bytes[3] === 0x9b && zeros(4, 12)) {
    return bytes.subarray(12);
  }
  return bytes[0] === 0x20 && bytes[1] === 0x02 ? bytes.subarray(2, 6) : undefined;
}
