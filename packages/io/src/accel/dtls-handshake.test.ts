import { describe, test } from "node:test";
import assert from "node:assert/strict";
import type { DtlsSession, SrtpProfile } from "@stoa/core/crypto";
import { generateCertificate } from "./certificate.ts";
import { createDtlsFactory } from "./dtls-openssl.ts";
import { nowMs } from "../clock.ts";
import { carry, certificate, connected, drain, factory, openssl, pair } from "./dtls-pair.test.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function finish(client: DtlsSession, server: DtlsSession, index: number, lose: (index: number) => boolean) {
  for (let round = 0; round < 20 && (client.state !== "open" || server.state !== "open"); round++) {
    const waits = [client.timeoutMs(), server.timeoutMs()].filter((ms) => ms !== undefined);
    assert.ok(waits.length > 0, "somebody must have a timer while the handshake is not over");
    await sleep(Math.min(...waits) + 1);
    client.handleTimeout();
    server.handleTimeout();
    index = carry(client, server, lose, index);
  }
}

describe("DTLS handshake", () => {
  test("both roles open, agree on keys and know the other's certificate", () => {
    const { client, server } = connected();
    const [ours, theirs] = [client.exportSrtpKeys(), server.exportSrtpKeys()];
    assert.deepEqual(ours, theirs);
    assert.equal(ours?.profile, "SRTP_AEAD_AES_128_GCM");
    assert.equal(ours.clientKey.length, 16);
    assert.equal(ours.serverSalt.length, 12);
    assert.notDeepEqual(ours.clientKey, ours.serverKey);
    assert.equal(client.peerFingerprint(), factory.fingerprint);
    assert.equal(server.peerFingerprint(), factory.fingerprint);
    assert.equal(client.timeoutMs(), undefined);
    client.close();
    server.close();
  });

  for (const profile of ["SRTP_AES128_CM_SHA1_80", "SRTP_AEAD_AES_128_GCM"] as const satisfies SrtpProfile[]) {
    test(`a client that offers only ${profile} gets it, with salts of its length`, () => {
      const only = createDtlsFactory({ openssl, certificate, profiles: [profile] });
      const { client, server } = connected(only);
      const keys = server.exportSrtpKeys();
      assert.equal(keys?.profile, profile);
      assert.equal(keys.clientSalt.length, profile === "SRTP_AES128_CM_SHA1_80" ? 14 : 12);
      assert.deepEqual(client.exportSrtpKeys(), keys);
      client.close();
      server.close();
      only.close();
    });
  }

  test("another certificate shows as another fingerprint", () => {
    const other = createDtlsFactory({ openssl, certificate: generateCertificate(nowMs()) });
    const { client, server } = connected(other);
    assert.equal(server.peerFingerprint(), other.fingerprint);
    assert.notEqual(server.peerFingerprint(), factory.fingerprint);
    client.close();
    server.close();
    other.close();
  });

  test("a certificate without its key is not taken", () => {
    const mixed = { certDer: certificate.certDer, keyDer: generateCertificate(nowMs()).keyDer };
    assert.throws(() => createDtlsFactory({ openssl, certificate: mixed }), {
      code: "dtls_failed",
      message: /^OpenSSL refused the certificate/,
    });
  });

  test("no datagram of the handshake is longer than 1,200 bytes, and records share datagrams", () => {
    const { client, server } = pair();
    client.start();
    const hello = drain(client);
    assert.equal(hello.length, 1);
    for (const bytes of hello) server.receive(bytes);
    const flight = drain(server);
    assert.ok(flight.length <= 2, `${flight.length} datagrams for ServerHello … ServerHelloDone`);
    for (const bytes of [...hello, ...flight]) assert.ok(bytes.length <= 1200);
    client.close();
    server.close();
  });

  test("what comes in one datagram behind a ClientHello that is sent again is not lost", () => {
    const { client, server } = pair();
    client.start();
    const hello = drain(client);
    for (const bytes of hello) server.receive(bytes);
    for (const bytes of drain(server)) client.receive(bytes);
    server.receive(Buffer.concat([...hello, ...drain(client)]));
    assert.equal(server.state, "open");
    client.close();
    server.close();
  });

  test("it ends well whichever single datagram is lost, and quickly", async () => {
    const total = (() => {
      const { client, server } = pair();
      client.start();
      const count = carry(client, server);
      client.close();
      server.close();
      return count;
    })();
    assert.ok(total >= 4);
    for (let lost = 0; lost < total; lost++) {
      const { client, server } = pair();
      const startMs = nowMs();
      client.start();
      const index = carry(client, server, (i) => i === lost);
      await finish(client, server, index, (i) => i === lost);
      assert.deepEqual([client.state, server.state], ["open", "open"], `datagram ${lost} of ${total}`);
      assert.ok(nowMs() - startMs < 1000, "one retransmission after 100 ms is enough");
      client.close();
      server.close();
    }
  });

  test("a ClientHello in two fragments, in either order, is one ClientHello", () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { client, server } = pair();
      client.start();
      const fragments = splitHandshake(client.pollDatagram()!);
      for (const i of order) server.receive(fragments[i]!);
      carry(client, server);
      // The client hashed one message, the server two fragments of it: the Finished messages prove that it is the same.
      assert.deepEqual([client.state, server.state], ["open", "open"]);
      client.close();
      server.close();
    }
  });

  test("to a silent peer the flight goes out again, with doubling pauses", async () => {
    const { client, server } = pair();
    client.start();
    const flights: number[] = [];
    for (let i = 0; i < 4; i++) {
      flights.push(drain(client).length);
      await sleep((client.timeoutMs() ?? 0) + 2);
      client.handleTimeout();
    }
    assert.deepEqual(flights, [1, 1, 1, 1], "the ClientHello goes out again each time");
    assert.ok(client.timeoutMs()! > 500, "the pause doubles");
    assert.equal(client.state, "handshaking");
    client.close();
    server.close();
  });

  test("a fatal alert of the peer ends in one sentence", () => {
    const { client, server } = pair();
    client.start();
    client.receive(Uint8Array.of(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40));
    assert.equal(client.state, "failed");
    assert.match(client.failure!, /^DTLS handshake failed: .*handshake failure/);
    server.close();
  });

  test("a peer that offers nothing we take gets an alert, and we a sentence", () => {
    const { client, server } = pair();
    client.start();
    const hello = client.pollDatagram()!;
    // Cipher suites stand behind version, random, session id and cookie; 0x00ff and others of no use replace them.
    const ciphersAt = 13 + 12 + 2 + 32 + 1 + 1;
    const length = (hello[ciphersAt]! << 8) | hello[ciphersAt + 1]!;
    hello.fill(0x5a, ciphersAt + 2, ciphersAt + 2 + length);
    server.receive(hello);
    assert.equal(server.state, "failed");
    assert.equal(server.failure, "DTLS handshake failed: no shared cipher");
    for (const bytes of drain(server)) client.receive(bytes);
    assert.equal(client.state, "failed");
    assert.match(client.failure!, /alert handshake failure/);
  });
});

/** Cuts a datagram with one handshake record into two with one fragment each (RFC 6347 section 4.2.3). */
function splitHandshake(datagram: Uint8Array): Uint8Array[] {
  const body = datagram.slice(25);
  const cut = Math.floor(body.length / 2);
  return [
    { at: 0, bytes: body.slice(0, cut) },
    { at: cut, bytes: body.slice(cut) },
  ].map(({ at, bytes }, i) => {
    const out = new Uint8Array(25 + bytes.length);
    out.set(datagram.subarray(0, 25));
    out.set(bytes, 25);
    const view = new DataView(out.buffer);
    out[10] = i * 50; // record sequence number: not one that the client's own next records have
    view.setUint16(11, 12 + bytes.length);
    view.setUint16(13 + 7, at); // fragment offset, low 16 bits of 24
    view.setUint16(13 + 10, bytes.length);
    return out;
  });
}
