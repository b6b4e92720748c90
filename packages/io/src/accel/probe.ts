/**
 * Chooses the back ends once at start: OpenSSL and system calls where they work, node's built-ins otherwise. DTLS always
 * needs OpenSSL; there is no portable one.
 */
import type { DtlsFactory, PacketCrypto, SrtpProfile } from "@stoa/core/crypto";
import { StoaError } from "@stoa/core/errors";
import { createNodeCrypto } from "./aead-node.ts";
import type { CipherCounters } from "./aead-openssl.ts";
import { createOpenSslCrypto } from "./aead-openssl.ts";
import type { Certificate } from "./certificate.ts";
import { createDtlsFactory, SRTP_PROFILES } from "./dtls-openssl.ts";
import type { LibC, OpenSsl } from "./native.ts";
import { loadLibC, loadOpenSsl } from "./native.ts";
import { checkCiphers, checkDtls, checkSockets } from "./self-check.ts";
import type { PacketMemory } from "./slab-native.ts";
import { allocateNativeMemory, allocatePortableMemory } from "./slab-native.ts";
import type { UdpBackend, UdpContext, UdpListen } from "./udp.ts";
import { openLinuxUdp } from "./udp-linux.ts";
import { openNodeUdp } from "./udp-node.ts";

/** `STOA_ACCEL`: "portable" refuses native sockets and ciphers even where they work. */
export type AccelMode = "auto" | "portable";

/** The back ends of this process. Each thread probes for itself; only the first prints `line`. */
export interface Accel {
  /** What was chosen and why, for the log. */
  readonly line: string;
  readonly ciphers: "openssl" | "node";
  readonly sockets: "linux" | "node";
  /** Packet memory, as the chosen ciphers and sockets need it. */
  allocateMemory(bytes: number): PacketMemory;
  createCrypto(memory: PacketMemory): PacketCrypto & { readonly counters: CipherCounters };
  createDtls(certificate: Certificate): DtlsFactory & { close(): void };
  openUdp(context: UdpContext, memory: PacketMemory, listen: UdpListen): Promise<UdpBackend>;
}

/** Throws `openssl_missing` or `openssl_broken` with one sentence when there is no DTLS to be had. */
export function probeAccel(mode: AccelMode, nowMs: number): Accel {
  requirePlatform();
  const openssl = loadOpenSsl();
  const broken = checkDtls(openssl, nowMs);
  if (broken) throw new StoaError("openssl_broken", `${openssl.origin} does not work for DTLS: ${broken}`);
  if (mode === "portable") return portable(openssl, "as asked");
  const cipherFinding = checkCiphers(openssl);
  if (cipherFinding) return portable(openssl, cipherFinding);
  return native(openssl);
}

/** Reads the value of the environment variable; throws when it is neither. */
export function parseAccelMode(value: string | undefined): AccelMode {
  if (value === undefined || value === "" || value === "auto") return "auto";
  if (value === "portable") return "portable";
  throw new StoaError("invalid_argument", `STOA_ACCEL must be auto or portable, not "${value}"`);
}

/** The declarations and struct layouts are those of 64-bit little-endian machines. */
function requirePlatform(): void {
  const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  const known = ["x64", "arm64", "riscv64", "loong64"].includes(process.arch);
  if (littleEndian && known) return;
  throw new StoaError("platform", `a 64-bit little-endian machine is needed (x64, arm64), not ${process.arch}`);
}

function native(openssl: OpenSsl): Accel {
  const { libc, why } = nativeSockets();
  return {
    line: `accel: ${openssl.origin} for DTLS and ciphers; ${libc ? "sendmmsg and recvmmsg" : `node sockets (${why})`}`,
    ciphers: "openssl",
    sockets: libc ? "linux" : "node",
    allocateMemory: (bytes) => allocateNativeMemory(bytes, libc),
    createCrypto: (memory) => createOpenSslCrypto(memory, openssl),
    createDtls: (certificate) => createDtlsFactory({ openssl, certificate, profiles: SRTP_PROFILES }),
    openUdp: async (context, memory, listen) => {
      if (libc && memory.base !== undefined) return openLinuxUdp(context, memory.base, libc, listen);
      return openNodeUdp(context, listen);
    },
  };
}

/** The portable GCM is dear (a cipher object per packet), so counter mode comes first there. */
const PORTABLE_PROFILES: readonly SrtpProfile[] = SRTP_PROFILES.toReversed();

function portable(openssl: OpenSsl, why: string): Accel {
  return {
    line: `accel: ${openssl.origin} for DTLS; node ciphers and sockets (${why})`,
    ciphers: "node",
    sockets: "node",
    allocateMemory: allocatePortableMemory,
    createCrypto: createNodeCrypto,
    createDtls: (certificate) => createDtlsFactory({ openssl, certificate, profiles: PORTABLE_PROFILES }),
    openUdp: (context, _memory, listen) => openNodeUdp(context, listen),
  };
}

function nativeSockets(): { libc: LibC | undefined; why: string } {
  if (process.platform !== "linux") return { libc: undefined, why: "not Linux" };
  const libc = loadLibC();
  if (!libc) return { libc: undefined, why: "no libc" };
  const finding = checkSockets(libc);
  return finding ? { libc: undefined, why: finding } : { libc, why: "" };
}
