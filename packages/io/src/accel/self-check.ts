/**
 * Runs every native function once on known answers before packets depend on it. A wrong declaration, an OpenSSL that
 * answers differently, or a kernel without a system call is found at start; the sentence of the failure is returned.
 */
import type { DtlsSession } from "@stoa/core/crypto";
import { Slab } from "@stoa/core/slab";
import { SOCKADDR_BYTES, readSockaddr, writeSockaddr } from "./address-table.ts";
import { createOpenSslCrypto } from "./aead-openssl.ts";
import { generateCertificate } from "./certificate.ts";
import { createDtlsFactory } from "./dtls-openssl.ts";
import { MMSGHDR_BYTES, MessageVector } from "./message-vector.ts";
import type { LibC, OpenSsl } from "./native.ts";
import { allocateNative } from "./native.ts";

const SCRATCH_BYTES = 65_536;

/** Undefined when all is well, else what is wrong. */
type Finding = string | undefined;

/** RFC 7714 section 16.1.1 (GCM), RFC 3711 appendix B.2 (counter mode), RFC 2202 (HMAC-SHA1). */
export function checkCiphers(ssl: OpenSsl): Finding {
  const block = allocateNative(SCRATCH_BYTES);
  try {
    const slab = new Slab(block.bytes.buffer);
    const crypto = createOpenSslCrypto({ slab, base: block.address, wasm: undefined, close: () => {} }, ssl);
    const at = slab.alloc(1024);
    const put = (offset: number, hex: string): void => slab.u8.set(Buffer.from(hex, "hex"), at + offset);
    const read = (offset: number, length: number): string =>
      Buffer.from(slab.u8.subarray(at + offset, at + offset + length)).toString("hex");

    const gcm = crypto.gcm(Buffer.from("000102030405060708090a0b0c0d0e0f", "hex"));
    put(0, "51753c6580c2726f20718414");
    put(16, "8040f17b8041f8d35501a0b2");
    const plain = "47616c6c696120657374206f6d6e697320646976697361";
    put(64, plain);
    gcm.seal(at, at + 16, 12, at + 64, 23, at + 256);
    const sealed = read(256, 23) === "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e";
    const opened = gcm.open(at, at + 16, 12, at + 256, 23, at + 512) && read(512, 23) === plain;
    put(256, "00");
    const refused = !gcm.open(at, at + 16, 12, at + 256, 23, at + 512);
    gcm.close();
    if (!sealed || !opened || !refused) return "AES-GCM gives wrong results";

    const key = Buffer.from("2b7e151628aed2a6abf7158809cf4f3c", "hex");
    const cm = crypto.cmHmac(key, Buffer.alloc(20, 0x0b));
    put(0, "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
    slab.u8.fill(0, at + 64, at + 128);
    cm.crypt(at, at + 64, 20, at + 64);
    const streamed = read(64, 20) === "e03ead0935c95e80e166b16dd92b4eb4d2351316";
    slab.u8.set(Buffer.from("Hi There"), at + 256);
    cm.sign(at + 256, 8, at + 264);
    const signed = read(264, 10) === "b617318655057264e28b";
    cm.close();
    return streamed && signed ? undefined : "AES-CM or HMAC-SHA1 gives wrong results";
  } catch (error) {
    return (error as Error).message;
  } finally {
    block.free();
  }
}

/** A whole handshake in memory, with keys, fingerprints and one record. */
export function checkDtls(ssl: OpenSsl, nowMs: number): Finding {
  try {
    const factory = createDtlsFactory({ openssl: ssl, certificate: generateCertificate(nowMs) });
    const client = factory.create("client");
    const server = factory.create("server");
    try {
      client.start();
      // More rounds than a handshake has flights: on a starved machine OpenSSL may see its timer run out and repeat one.
      for (let round = 0; round < 100 && !(client.state === "open" && server.state === "open"); round++) {
        if (round > 0) for (const side of [client, server]) if (side.timeoutMs() === 0) side.handleTimeout();
        carry(client, server);
        carry(server, client);
      }
      if (client.state !== "open" || server.state !== "open") return client.failure ?? server.failure ?? "DTLS hangs";
      const [ours, theirs] = [client.exportSrtpKeys(), server.exportSrtpKeys()];
      const same = ours && theirs && Buffer.from(ours.clientKey).equals(theirs.clientKey);
      if (!same || client.peerFingerprint() !== factory.fingerprint) return "DTLS exports wrong keys";
      client.send(Uint8Array.of(1, 2, 3));
      // A flight that was repeated may be on its way before it.
      carry(client, server);
      return server.pollData()?.length === 3 ? undefined : "DTLS loses data";
    } finally {
      client.close();
      server.close();
      factory.close();
    }
  } catch (error) {
    return (error as Error).message;
  }
}

function carry(from: DtlsSession, to: DtlsSession): void {
  for (let bytes = from.pollDatagram(); bytes; bytes = from.pollDatagram()) to.receive(bytes);
}

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;

/** Two datagrams from a socket to itself over loopback, by `sendmmsg` and `recvmmsg`. */
export function checkSockets(libc: LibC): Finding {
  const block = allocateNative(SCRATCH_BYTES);
  const slab = new Slab(block.bytes.buffer);
  const base = block.address;
  const fd = libc.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  try {
    if (fd < 0) return "no UDP socket";
    const name = slab.alloc(SOCKADDR_BYTES);
    const value = slab.alloc(16);
    slab.view.setBigInt64(value + 8, 100_000n, true); // 100 ms
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, base + value, 16);
    const length = writeSockaddr(slab, name, Uint8Array.of(127, 0, 0, 1), 0);
    if (libc.bind(fd, base + name, length) !== 0) return "no UDP socket on 127.0.0.1";
    slab.view.setInt32(value, length, true);
    if (libc.getsockname(fd, base + name, base + value) !== 0) return "getsockname fails";
    const { port } = readSockaddr(slab, name);

    const data = slab.alloc(64);
    slab.u8.set([1, 2, 3, 4, 5], data);
    const out = new MessageVector(slab, base, 2);
    out.setBuffer(0, data, 2);
    out.setBuffer(1, data + 2, 3);
    for (const i of [0, 1]) out.setMessage(i, name, length, i, 1, 0);
    if (libc.sendmmsg(fd, base + out.at, 2, 0) !== 2) return "sendmmsg fails";

    const got = slab.alloc(128);
    const names = slab.alloc(2 * SOCKADDR_BYTES);
    const into = new MessageVector(slab, base, 2);
    for (const i of [0, 1]) {
      into.setBuffer(i, got + i * 64, 64);
      into.setMessage(i, names + i * SOCKADDR_BYTES, 28, i, 1, 0);
    }
    let count = 0;
    for (let call = 0; call < 2 && count < 2; call++) {
      const now = libc.recvmmsg(fd, base + into.at + count * MMSGHDR_BYTES, 2 - count, 0, 0);
      if (now <= 0) return "recvmmsg fails";
      count += now;
    }
    const lengths = into.transferred(0) === 2 && into.transferred(1) === 3 && slab.u8[got + 64] === 3;
    return lengths && readSockaddr(slab, names + SOCKADDR_BYTES).port === port ? undefined : "recvmmsg misreads";
  } finally {
    if (fd >= 0) libc.close(fd);
    block.free();
  }
}
