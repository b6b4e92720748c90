/** Questions about addresses in the configuration. */
import { isIP } from "node:net";

/** Whether the text is an IPv4 or IPv6 address. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** Whether only this machine can reach the HTTP port. */
export function listensOnLoopbackOnly(bind: readonly string[] = []): boolean {
  return (
    bind.length > 0 &&
    bind.every((address) => address === "::1" || address === "localhost" || address.startsWith("127."))
  );
}

/** "10.0.0.0/8", or one address; undefined when it is neither. */
export function parseCidr(text: string): { address: string; prefix: number } | undefined {
  const [address = "", bits] = text.split("/", 2);
  const most = isIP(address) === 4 ? 32 : 128;
  if (!isAddress(address)) return undefined;
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  return prefix >= 0 && prefix <= most ? { address, prefix } : undefined;
}
