/** What a process uses, all threads included, as Linux tells it in /proc. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

let ticksPerSecond = 0;

function ticksToMs(ticks: number): number {
  ticksPerSecond ||= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return (ticks * 1000) / ticksPerSecond;
}

/** CPU time that all programs of the machine have used so far, in milliseconds. */
export function machineCpuMs(): number {
  const [, user, nice, system, , , irq, softIrq] = readFileSync("/proc/stat", "utf8").split(/\s+/, 8).map(Number);
  return ticksToMs(user! + nice! + system! + irq! + softIrq!);
}

/** User and system time of a process so far, in milliseconds. Its steps are those of the kernel's clock, usually 10 ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name may contain spaces and parentheses; the fields count from behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ticksToMs(Number(fields[11]) + Number(fields[12]));
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(found?.[1] ?? Number.NaN) * 1024;
}

/** Datagrams that a UDP socket of this machine dropped because nobody read them in time. */
export function socketDrops(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const line = readFileSync("/proc/net/udp", "utf8")
    .split("\n")
    .find((text) => text.includes(`:${hex} 00000000:0000`));
  return Number(line?.trim().split(/\s+/).at(-1) ?? 0);
}
