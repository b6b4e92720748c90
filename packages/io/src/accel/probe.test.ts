import { test } from "node:test";
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { nowMs } from "../clock.ts";
import { generateCertificate } from "./certificate.ts";
import { loadLibC, loadOpenSsl } from "./native.ts";
import { parseAccelMode, probeAccel } from "./probe.ts";
import { checkCiphers, checkDtls, checkSockets } from "./self-check.ts";

test("on Linux everything native is chosen, in one line", { skip: process.platform !== "linux" }, () => {
  const accel = probeAccel("auto", nowMs());
  assert.match(accel.line, /^accel: OpenSSL 3\.\S+ of .* for DTLS and ciphers; sendmmsg and recvmmsg$/);
  assert.deepEqual([accel.ciphers, accel.sockets], ["openssl", "linux"]);
  assert.notEqual(accel.allocateMemory(1 << 20).base, undefined);
});

test("portable means node's ciphers and sockets, and counter mode first", () => {
  const accel = probeAccel("portable", nowMs());
  assert.match(accel.line, /for DTLS; node ciphers and sockets \(as asked\)$/);
  assert.deepEqual([accel.ciphers, accel.sockets], ["node", "node"]);
  const memory = accel.allocateMemory(1 << 20);
  assert.equal(memory.base, undefined);
  assert.equal(accel.createCrypto(memory).slab, memory.slab);
  const dtls = accel.createDtls(generateCertificate(nowMs()));
  const [client, server] = [dtls.create("client"), dtls.create("server")];
  client.start();
  for (let i = 0; i < 4; i++) {
    for (let bytes = client.pollDatagram(); bytes; bytes = client.pollDatagram()) server.receive(bytes);
    for (let bytes = server.pollDatagram(); bytes; bytes = server.pollDatagram()) client.receive(bytes);
  }
  assert.equal(server.exportSrtpKeys()?.profile, "SRTP_AES128_CM_SHA1_80");
  for (const session of [client, server]) session.close();
  dtls.close();
});

test("STOA_ACCEL takes two values", () => {
  assert.equal(parseAccelMode(undefined), "auto");
  assert.equal(parseAccelMode(""), "auto");
  assert.equal(parseAccelMode("auto"), "auto");
  assert.equal(parseAccelMode("portable"), "portable");
  assert.throws(() => parseAccelMode("fast"), { message: 'STOA_ACCEL must be auto or portable, not "fast"' });
});

test("the self-checks find a function that does not do what it is declared to do", () => {
  const ssl = loadOpenSsl();
  const one = (): number => 1;
  assert.equal(checkCiphers(ssl), undefined);
  assert.equal(checkDtls(ssl, nowMs()), undefined);
  assert.match(checkCiphers({ ...ssl, EVP_EncryptUpdate: one })!, /wrong results/);
  assert.match(checkCiphers({ ...ssl, EVP_DecryptFinal_ex: one })!, /AES-GCM gives wrong results/);
  assert.match(checkCiphers({ ...ssl, SHA1_Transform: one })!, /HMAC-SHA1 gives wrong results/);
  assert.match(checkDtls({ ...ssl, BIO_write: one }, nowMs())!, /DTLS hangs/);
  assert.match(checkDtls({ ...ssl, X509_digest: () => 0 }, nowMs())!, /no certificate/);
  assert.match(checkDtls({ ...ssl, SSL_CTX_check_private_key: () => 0 }, nowMs())!, /OpenSSL refused the certificate/);
  const libc = loadLibC();
  if (!libc) return;
  assert.match(checkSockets({ ...libc, sendmmsg: () => 1 })!, /sendmmsg fails/);
  assert.match(checkSockets({ ...libc, recvmmsg: () => 2 })!, /recvmmsg misreads/);
});

test("the system's OpenSSL works too, or its absence is one sentence", () => {
  let ssl;
  try {
    ssl = loadOpenSsl(["libssl.so.3"]);
  } catch (error) {
    assert.equal((error as { code?: string }).code, "openssl_missing");
    return;
  }
  assert.match(ssl.origin, /^OpenSSL 3\.\S+ of libssl\.so\.3$/);
  assert.equal(checkCiphers(ssl), undefined);
  assert.equal(checkDtls(ssl, nowMs()), undefined);
});

test("a worker thread probes for itself and ends cleanly", async () => {
  const probe = new URL("./probe.js", import.meta.url).href;
  const code = `import("${probe}").then(({ probeAccel }) => {
    const { parentPort } = require("node:worker_threads");
    const accel = probeAccel("auto", Date.now());
    accel.allocateMemory(1 << 26);
    parentPort.postMessage(accel.line);
  })`;
  for (let i = 0; i < 3; i++) {
    const worker = new Worker(code, { eval: true });
    const line = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    assert.match(String(line), /^accel: OpenSSL/);
    assert.equal(await new Promise((resolve) => worker.once("exit", resolve)), 0);
  }
});
