/** A network namespace that stands for a machine of its own: interfaces, routes, packet filters, programs. It goes away with its holder process. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, launchChromium } from "./browser.ts";
import { until } from "./until.ts";

/** Runs a program in the namespace of this process; throws when it fails. */
export function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** See the file's head. */
export class HostNamespace {
  readonly #holder: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), "stoa-host-"));

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async open(): Promise<HostNamespace> {
    const holder = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" });
    const own = readlinkSync("/proc/self/ns/net");
    await until(() => readlinkSync(`/proc/${holder.pid}/ns/net`) !== own, 5000, "a network namespace");
    const host = new HostNamespace(holder);
    host.run("ip", "link", "set", "lo", "up");
    return host;
  }

  /** Names the namespace to `ip link … netns`. */
  get pid(): string {
    return String(this.#holder.pid);
  }

  /** Runs a program inside; throws when it fails. */
  run(program: string, ...args: string[]): void {
    run("nsenter", `--net=/proc/${this.pid}/ns/net`, program, ...args);
  }

  /** Gives an interface its address and brings it up. */
  setAddress(device: string, address: string): void {
    this.run("ip", "addr", "add", `${address}/24`, "dev", device);
    this.run("ip", "link", "set", device, "up");
  }

  /** A Chromium inside. */
  launchChromium(): ReturnType<typeof launchChromium> {
    const chromium = findProgram("chromium", "chromium-browser", "google-chrome");
    const script = join(this.#folder, "chromium.sh");
    writeFileSync(script, `#!/bin/sh\nexec nsenter --net=/proc/${this.pid}/ns/net ${chromium} "$@"\n`, { mode: 0o755 });
    return launchChromium(script);
  }

  close(): void {
    this.#holder.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
