/**
 * A host behind a router, which is a `LinkedHost`. The link between the two can become narrow, and the router can keep silent about
 * what it drops then: whoever sends from beyond it learns nothing. For the rest, the host is as in linked-host.ts.
 */
import { HostNamespace, run } from "./host-namespace.ts";
import { LinkedHost } from "./linked-host.ts";

/** TCP agrees on segments that a narrow link takes, as on most such links; what is looked at here is UDP. */
const TCP_SEGMENT_BYTES = "700";

const SILENCE = [
  "add table inet stoa_silence",
  "add chain inet stoa_silence output { type filter hook output priority 0; }",
  "add rule inet stoa_silence output icmp type destination-unreachable icmp code frag-needed drop",
].join("; ");

/** See the file's head. */
export class RoutedHost {
  readonly #router: LinkedHost;
  readonly #host: HostNamespace;

  private constructor(router: LinkedHost, host: HostNamespace) {
    this.#router = router;
    this.#host = host;
  }

  /** A router with the address 10.99.0.`number`, from 2, and a host behind it with the address 10.99.`number`.2. */
  static async create(number: number): Promise<RoutedHost> {
    const router = await LinkedHost.create(number);
    const host = await HostNamespace.open();
    const [inner, own] = [`10.99.${number}.1`, `10.99.${number}.2`];
    router.inside.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", host.pid);
    router.inside.setAddress("eth1", inner);
    router.inside.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    host.setAddress("eth0", own);
    host.run("ip", "route", "add", "default", "via", inner, "advmss", TCP_SEGMENT_BYTES);
    run("ip", "route", "add", `10.99.${number}.0/24`, "via", `10.99.0.${number}`);
    return new RoutedHost(router, host);
  }

  /** A Chromium on this host. */
  launchChromium(): ReturnType<HostNamespace["launchChromium"]> {
    return this.#host.launchChromium();
  }

  /** Caps what comes to the router. */
  capDownlink(kbps: number): void {
    this.#router.capDownlink(kbps);
  }

  /** From now on the link takes no larger packets, and the router tells nobody: a black hole for whatever must not be divided. */
  narrow(mtuBytes: number): void {
    this.#router.inside.run("nft", SILENCE);
    this.#router.inside.run("ip", "link", "set", "eth1", "mtu", String(mtuBytes));
    this.#host.run("ip", "link", "set", "eth0", "mtu", String(mtuBytes));
  }

  close(): void {
    this.#host.close();
    this.#router.close();
  }
}
