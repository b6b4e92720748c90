/**
 * A host of its own behind a link whose rate and loss a test sets: a network namespace joined to the one of `rerunInNamespace` by a bridge.
 * Rate by tbf and loss by nft, because not every kernel has netem.
 */
import { HostNamespace, run } from "./host-namespace.ts";
import { NAMESPACE_ADDRESS } from "./namespace.ts";

/** Milliseconds that a capped link may hold a packet back: a home router's queue. */
const QUEUE_MS = 300;

/** Directions as the host sees them. */
export type LinkDirection = "down" | "up";

/** A client's machine; see the head of the file. */
export class LinkedHost {
  readonly inside: HostNamespace;
  readonly #link: string;
  #address: string;

  private constructor(inside: HostNamespace, number: number) {
    this.inside = inside;
    this.#link = `stoa-h${number}`;
    this.#address = `10.99.0.${number}`;
  }

  /** A host with the address 10.99.0.`number`, from 2. */
  static async create(number: number): Promise<LinkedHost> {
    if (!bridged) bridge();
    const inside = await HostNamespace.open();
    const host = new LinkedHost(inside, number);
    run("ip", "link", "add", host.#link, "type", "veth", "peer", "name", "eth0", "netns", inside.pid);
    run("ip", "link", "set", host.#link, "master", "stoa-bridge", "up");
    inside.setAddress("eth0", host.#address);
    inside.run("ip", "route", "add", "default", "via", NAMESPACE_ADDRESS);
    return host;
  }

  /** A Chromium on this host. */
  launchChromium(): ReturnType<HostNamespace["launchChromium"]> {
    return this.inside.launchChromium();
  }

  /** Another network: the address is gone, and 10.99.0.`number` is there instead. Limits of its way up stay with the former one. */
  move(number: number): void {
    this.inside.run("ip", "addr", "del", `${this.#address}/24`, "dev", "eth0");
    this.#address = `10.99.0.${number}`;
    this.inside.run("ip", "addr", "add", `${this.#address}/24`, "dev", "eth0");
    this.inside.run("ip", "route", "replace", "default", "via", NAMESPACE_ADDRESS);
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
    else this.inside.run("nft", rules);
  }

  close(): void {
    this.inside.close();
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
