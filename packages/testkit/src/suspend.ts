/** Stops whole families of processes and lets them go on: what a closed lid does to a client. Linux only. */
import { readdirSync, readFileSync } from "node:fs";

/** Stops a process and all that descend from it; gives what lets them go on. */
export function suspend(pid: number): () => void {
  const pids = family(pid);
  for (const each of pids) process.kill(each, "SIGSTOP");
  return () => {
    for (const each of pids) process.kill(each, "SIGCONT");
  };
}

/** The process that something starts: what this one has as a child afterwards and had not before. */
export async function startedBy<T>(start: () => Promise<T>): Promise<{ readonly started: T; readonly pid: number }> {
  const before = new Set(family(process.pid));
  const started = await start();
  const pid = family(process.pid).find((each) => !before.has(each));
  if (pid === undefined) throw new Error("no process was started");
  return { started, pid };
}

/** A process and its descendants, parents first. */
function family(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== undefined) parents.set(Number(name), parent);
  }
  const found = [pid];
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child);
  return found;
}

/** Undefined when the process has ended meanwhile. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name stands in brackets and may hold anything; behind it come the state and the parent.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}
