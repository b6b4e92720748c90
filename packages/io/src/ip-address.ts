/** IP addresses as text and as bytes (RFC 4291, RFC 5952 for the text of IPv6). Zones ("%eth0") are not addresses here. */
import { isIPv4, isIPv6 } from "node:net";

/** 4 or 16 bytes, network order; undefined if `text` is no IP address. */
export function parseIp(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  const bare = text.split("%", 1)[0]!;
  if (!isIPv6(bare)) return undefined;
  const dot = bare.lastIndexOf(".");
  const tail = dot < 0 ? undefined : bare.slice(bare.lastIndexOf(":") + 1);
  const groups = tail === undefined ? bare : bare.slice(0, -tail.length) + hexGroups(tail);
  const [head = "", rest] = groups.split("::", 2);
  const before = words(head);
  const after = rest === undefined ? [] : words(rest);
  const zeros = Array.from<number>({ length: 8 - before.length - after.length }).fill(0);
  const all = [...before, ...zeros, ...after];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

function words(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

/** "192.0.2.1" → "c000:201" */
function hexGroups(v4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = v4.split(".").map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/** The usual text of 4 or 16 bytes. */
export function formatIp(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((address[i]! << 8) | address[i + 1]!);
  const run = longestZeroRun(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  return best;
}
