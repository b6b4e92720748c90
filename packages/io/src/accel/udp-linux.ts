/**
 * UDP sockets of Linux by system calls: one descriptor per address, read with `recvmmsg` and written with
 * `sendmmsg` (see `udp-linux-receive`, `udp-linux-send`).
 *
 * node:dgram adopts the descriptors to wake us and to close them. `koffi.node.poll` would wake us a little cheaper, but a
 * thread that is terminated while its callback runs takes the whole process with it, and descriptors would outlive
 * their thread.
 */
import { createSocket, type Socket } from "node:dgram";
import { getSystemErrorName } from "node:util";
import { StoaError } from "@stoa/core/errors";
import type { Slab } from "@stoa/core/slab";
import { formatIp, parseIp } from "../ip-address.ts";
import { AF_INET, AF_INET6, SOCKADDR_BYTES, readSockaddr, writeSockaddr } from "./address-table.ts";
import type { LibC } from "./native.ts";
import { ERRNO, lastErrno } from "./native.ts";
import { Receiver } from "./udp-linux-receive.ts";
import { SendQueue } from "./udp-linux-send.ts";
import type { ListenAddress, UdpBackend, UdpContext, UdpListen } from "./udp.ts";
import { PORT_ATTEMPTS, portInUse } from "./udp.ts";

const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0x800 | 0x80000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IP_PMTUDISC_OMIT = 5;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;

/** Room for 30 ms at 300,000 packets a second; the system may grant less. */
const SOCKET_BUFFER_BYTES = 8 << 20;

/** Opens all sockets; throws a `StoaError` with one sentence and leaves none open when that fails. */
export function openLinuxUdp(context: UdpContext, base: number, libc: LibC, listen: UdpListen): UdpBackend {
  const opener = new Opener(context.slab, base, libc);
  const { sockets, port } = opener.openAll(listen);
  const fds = sockets.map((socket) => socket.fd);
  const gso = fds.every((fd) => opener.setOption(fd, SOL_UDP, UDP_SEGMENT, 0));
  opener.free();
  const queue = new SendQueue(context, base, libc, fds, gso);
  const receiver = new Receiver(context, base, libc);
  const wakers = sockets.map(({ fd, address }, number) => {
    const waker = adopt(fd, address.includes(":"));
    waker.on("message", (bytes, from) => receiver.handleMessage(number, fd, bytes, from.address, from.port));
    return waker;
  });
  let open = true;
  return {
    port,
    addresses: sockets.map((socket) => socket.address),
    reserve: () => queue.reserve(),
    commit: (path, length) => queue.commit(path, length),
    flush: () => queue.flush(),
    get pending() {
      return queue.pending;
    },
    get busy() {
      return queue.pending > 0 || receiver.waiting;
    },
    close: () => {
      if (!open) return;
      open = false;
      queue.close();
      for (const waker of wakers) waker.close();
      receiver.close();
    },
  };
}

/** Gives a bound descriptor to node, which closes it with the returned socket or at the end of the thread. */
function adopt(fd: number, v6: boolean): Socket {
  const socket = createSocket(v6 ? "udp6" : "udp4");
  socket.on("error", () => {}); // a failed read; the next one may succeed
  socket.bind({ fd, exclusive: true });
  return socket;
}

interface OpenSocket {
  readonly fd: number;
  readonly address: string;
  readonly port: number;
}

/** Opens descriptors; owns the few bytes of slab that the calls need. */
class Opener {
  readonly #slab: Slab;
  readonly #base: number;
  readonly #libc: LibC;
  readonly #name: number;
  readonly #value: number;

  constructor(slab: Slab, base: number, libc: LibC) {
    this.#slab = slab;
    this.#base = base;
    this.#libc = libc;
    this.#name = slab.alloc(SOCKADDR_BYTES);
    this.#value = slab.alloc(4);
  }

  free(): void {
    this.#slab.free(this.#name, SOCKADDR_BYTES);
    this.#slab.free(this.#value, 4);
  }

  openAll(listen: UdpListen): { sockets: readonly OpenSocket[]; port: number } {
    for (let attempt = 1; ; attempt++) {
      const sockets: OpenSocket[] = [];
      let port = listen.port;
      try {
        for (const address of listen.addresses) {
          const socket = this.#open(address, port);
          if (!socket) continue;
          sockets.push(socket);
          port = socket.port;
        }
        if (sockets.length === 0) throw new StoaError("no_address", "there is no address to listen on for udp");
        sockets.push(...this.#openOwn(listen, sockets, port));
        return { sockets, port };
      } catch (error) {
        for (const socket of sockets) this.#libc.close(socket.fd);
        const again = listen.port === 0 && (error as StoaError).code === "port_in_use" && attempt < PORT_ATTEMPTS;
        if (!again) throw error;
      }
    }
  }

  setOption(fd: number, level: number, name: number, value: number): boolean {
    this.#slab.view.setInt32(this.#value, value, true);
    return this.#libc.setsockopt(fd, level, name, this.#base + this.#value, 4) === 0;
  }

  /**
   * Sockets beside the wildcards, of the same port. The kernel allows that to those who all say so, and the wildcards say it
   * only now that they are bound: another process cannot take the port, nor we another's.
   */
  #openOwn({ own = [] }: UdpListen, wildcards: readonly OpenSocket[], port: number): OpenSocket[] {
    const sockets: OpenSocket[] = [];
    for (const address of own) {
      const any = address.includes(":") ? "::" : "0.0.0.0";
      const wildcard = wildcards.find((socket) => socket.address === any);
      if (!wildcard || !this.setOption(wildcard.fd, SOL_SOCKET, SO_REUSEADDR, 1)) continue;
      try {
        const socket = this.#open({ address, optional: true }, port, true);
        if (socket) sockets.push(socket);
      } catch (error) {
        if (!(error instanceof StoaError)) throw error; // the wildcard serves it, as well as it can
      }
    }
    return sockets;
  }

  /** Undefined when an optional address cannot be had on this system. `shares`: a wildcard has the port too. */
  #open(listen: ListenAddress, port: number, shares = false): OpenSocket | undefined {
    const address = parseIp(listen.address);
    if (!address) throw new StoaError("bad_address", `"${listen.address}" is no IP address to listen on`);
    const v6 = address.length === 16;
    const fd = this.#libc.socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
    if (fd < 0) return this.#giveUp(listen, port, lastErrno());
    if (v6) this.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    else this.#allowFragments(fd);
    if (shares) this.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    this.#enlarge(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    this.#enlarge(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    const length = writeSockaddr(this.#slab, this.#name, address, port);
    if (this.#libc.bind(fd, this.#base + this.#name, length) < 0) {
      const errno = lastErrno();
      this.#libc.close(fd);
      return this.#giveUp(listen, port, errno);
    }
    this.#slab.view.setInt32(this.#value, SOCKADDR_BYTES, true);
    if (this.#libc.getsockname(fd, this.#base + this.#name, this.#base + this.#value) < 0) {
      const errno = lastErrno();
      this.#libc.close(fd);
      return this.#giveUp(listen, port, errno);
    }
    return { fd, address: formatIp(address), port: readSockaddr(this.#slab, this.#name).port };
  }

  /**
   * Without "don't fragment", routers of IPv4 divide what a narrow link does not take, instead of dropping it. The kernel sets the bit
   * on single packets only, not on what it cuts up itself (GSO). "Omit" also keeps it deaf to "fragmentation needed", which anybody
   * can forge, and which would make it refuse GSO to that address. In IPv6 only senders divide, so it must go on listening; all that
   * we make ourselves fits the 1,280 bytes that every link takes there. Where the option is unknown, packets go as they went before.
   */
  #allowFragments(fd: number): void {
    this.setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
  }

  #enlarge(fd: number, force: number, name: number): void {
    if (!this.setOption(fd, SOL_SOCKET, force, SOCKET_BUFFER_BYTES)) {
      this.setOption(fd, SOL_SOCKET, name, SOCKET_BUFFER_BYTES);
    }
  }

  #giveUp(listen: ListenAddress, port: number, errno: number): undefined {
    if (errno === ERRNO.EADDRINUSE) throw portInUse(port);
    if (listen.optional && (errno === ERRNO.EAFNOSUPPORT || errno === ERRNO.EADDRNOTAVAIL)) return undefined;
    if (errno === ERRNO.EADDRNOTAVAIL) {
      throw new StoaError(
        "bad_address",
        `${listen.address} is not an address of this machine; udp cannot listen on it`,
      );
    }
    throw new StoaError("udp_failed", `udp port ${port} on ${listen.address}: ${getSystemErrorName(-errno)}`);
  }
}
