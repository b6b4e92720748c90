/**
 * A host of its own behind a link whose rate and loss a test sets: a network namespace joined to the one of `rerunInNamespace` by a bridge.
 * Rate by tbf and loss by nft, because not every kernel has netem. The host goes away with its holder process.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, launchChromium } from "./browser.ts";
import { NAMESPACE_ADDRESS } from "./namespace.ts";
import { until } from "./until.ts";

/** Milliseconds that a capped link may hold a packet back: a home router's queue. */
const QUEUE_MS = 300;

/** Directions as the host sees them. */
export type LinkDirection = "down" | "up";

const run = (program: string, ...args: string[]): void => {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
};

/** A client's machine; see the head of the file. */
export class LinkedHost {
  readonly #holder: ChildProcess;
  readonly #link: string;
  readonly #folder: string;
  #address: string;

  private constructor(holder: ChildProcess, number: number) {
    this.#holder = holder;
    this.#link = `stoa-h${number}`;
    this.#address = `10.99.0.${number}`;
    this.#folder = mkdtempSync(join(tmpdir(), "stoa-host-"));
  }

  /** A host with the address 10.99.0.`number`, from 2. */
  static async create(number: number): Promise<LinkedHost> {
    if (!bridged) bridge();
    const holder = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" });
    const own = readlinkSync("/proc/self/ns/net");
    await until(() => networkOf(holder.pid!) !== own, 5000, "a network namespace");
    const host = new LinkedHost(holder, number);
    run("ip", "link", "add", host.#link, "type", "veth", "peer", "name", "eth0", "netns", String(holder.pid));
    run("ip", "link", "set", host.#link, "master", "stoa-bridge", "up");
    host.#inside("ip", "link", "set", "lo", "up");
    host.#inside("ip", "addr", "add", `${host.#address}/24`, "dev", "eth0");
    host.#inside("ip", "link", "set", "eth0", "up");
    host.#inside("ip", "route", "add", "default", "via", NAMESPACE_ADDRESS);
    return host;
  }

  /** A Chromium on this host. */
  launchChromium(): ReturnType<typeof launchChromium> {
    const chromium = findProgram("chromium", "chromium-browser", "google-chrome");
    const script = join(this.#folder, "chromium.sh");
    writeFileSync(script, `#!/bin/sh\nexec nsenter --net=/proc/${this.#holder.pid}/ns/net ${chromium} "$@"\n`, {
      mode: 0o755,
    });
    return launchChromium(script);
  }

  /** Another network: the address is gone, and 10.99.0.`number` is there instead. Limits of its way up stay with the former one. */
  move(number: number): void {
    this.#inside("ip", "addr", "del", `${this.#address}/24`, "dev", "eth0");
    this.#address = `10.99.0.${number}`;
    this.#inside("ip", "addr", "add", `${this.#address}/24`, "dev", "eth0");
    this.#inside("ip", "route", "replace", "default", "via", NAMESPACE_ADDRESS);
  }

  /** Caps what comes to this host; `undefined` lifts the cap. */
  capDownlink(kbps: number | undefined): void {
    if (kbps === undefined) run("tc", "qdisc", "del", "dev", this.#link, "root");
    else {
      const queue = ["rate", `${kbps}kbit`, "burst", "8kb", "latency", `${QUEUE_MS}ms`];
      run("tc", "qdisc", "replace", "dev", this.#link, "root", "tbf", ...queue);
    }
  }

  /**
   * Loses this share of the UDP packets, at random, on the way to or from this host. Always where they arrive: a rule where they
   * leave would show as an error in the sender's own socket.
   */
  lose(direction: LinkDirection, percent: number): void {
    const table = `inet stoa_loss_${direction}_${this.#address.replaceAll(".", "_")}`;
    const from = direction === "up" ? `ip saddr ${this.#address} ` : "";
    const rule = `add rule ${table} loss ${from}meta l4proto udp numgen random mod 1000 < ${percent * 10} drop`;
    const rules = [
      `add table ${table}; delete table ${table}; add table ${table}`,
      `add chain ${table} loss { type filter hook input priority 0; }`,
      ...(percent > 0 ? [rule] : []),
    ].join("; ");
    if (direction === "up") run("nft", rules);
    else this.#inside("nft", rules);
  }

  close(): void {
    this.#holder.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #inside(program: string, ...args: string[]): void {
    run("nsenter", `--net=/proc/${this.#holder.pid}/ns/net`, program, ...args);
  }
}

let bridged = false;

/** Joins the namespace's own interface and those of the hosts. */
function bridge(): void {
  bridged = true;
  run("ip", "link", "add", "stoa-bridge", "type", "bridge");
  run("ip", "link", "set", "stoa-bridge", "up");
  run("ip", "link", "set", "stoa1", "master", "stoa-bridge");
}

function networkOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}
