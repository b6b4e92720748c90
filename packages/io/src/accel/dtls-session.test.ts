import { after, describe, test } from "node:test";
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import type { DtlsFactory, DtlsSession, SrtpProfile } from "@stoa/core/crypto";
import { fingerprintOf, generateCertificate } from "./certificate.ts";
import { createDtlsFactory } from "./dtls-openssl.ts";
import { loadOpenSsl } from "./native.ts";
import { nowMs } from "../clock.ts";

const openssl = loadOpenSsl();
const certificate = generateCertificate(nowMs());
const factory = createDtlsFactory({ openssl, certificate });
after(() => factory.close());

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function drain(session: DtlsSession): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  for (let bytes = session.pollDatagram(); bytes; bytes = session.pollDatagram()) datagrams.push(bytes);
  return datagrams;
}

function pair(clients: DtlsFactory = factory, servers: DtlsFactory = factory) {
  return { client: clients.create("client"), server: servers.create("server") };
}

/** Carries datagrams both ways until both are silent. `lose` says which datagram (counted over both ways) is lost. */
function carry(
  client: DtlsSession,
  server: DtlsSession,
  lose: (index: number) => boolean = () => false,
  from = 0,
): number {
  let index = from;
  for (;;) {
    const up = drain(client);
    for (const bytes of up) if (!lose(index++)) server.receive(bytes);
    const down = drain(server);
    for (const bytes of down) if (!lose(index++)) client.receive(bytes);
    if (up.length + down.length === 0) return index;
  }
}

/** Lets a context offer one cipher suite only. */
function choose(context: number | string, suite: string): number {
  return openssl.SSL_CTX_set_cipher_list(context, `ECDHE-ECDSA-${suite}`);
}

/** An open pair. */
function connected(clients: DtlsFactory = factory, servers: DtlsFactory = factory) {
  const both = pair(clients, servers);
  both.client.start();
  carry(both.client, both.server);
  assert.equal(both.client.failure ?? both.server.failure, undefined);
  assert.deepEqual([both.client.state, both.server.state], ["open", "open"]);
  return both;
}

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

describe("DTLS data", () => {
  test("goes both ways, also at the greatest length", () => {
    const { client, server } = connected();
    for (const length of [1, 1163, 1400]) {
      const data = new Uint8Array(length).fill(length);
      assert.equal(client.send(data), true);
      for (const bytes of drain(client)) server.receive(bytes);
      assert.deepEqual(server.pollData(), data);
      assert.equal(server.send(data), true);
      for (const bytes of drain(server)) client.receive(bytes);
      assert.deepEqual(client.pollData(), data);
    }
    assert.equal(client.send(new Uint8Array(1401)), false);
    assert.equal(client.send(new Uint8Array(0)), false);
    client.close();
    server.close();
  });

  test("a replayed record is delivered once, garbage and forged records not at all", () => {
    const { client, server } = connected();
    const data = Uint8Array.of(1, 2, 3);
    client.send(data);
    const record = client.pollDatagram()!;
    const forged = record.slice();
    forged[forged.length - 1]! ^= 1;
    server.receive(forged);
    assert.equal(server.pollData(), undefined);
    for (let i = 0; i < 3; i++) server.receive(record);
    assert.deepEqual(server.pollData(), data);
    assert.equal(server.pollData(), undefined);
    for (let length = 0; length < 80; length++) {
      for (const type of [20, 21, 22, 23, 24, 63]) {
        const garbage = new Uint8Array(length).map((_, i) => (i * 31 + length) & 0xff);
        garbage.set([type, 0xfe, 0xfd].slice(0, length));
        server.receive(garbage);
      }
    }
    // A whole ClientHello and a fatal alert in plain text, as a stranger could send them.
    const stranger = factory.create("client");
    stranger.start();
    server.receive(stranger.pollDatagram()!);
    server.receive(Uint8Array.of(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40));
    stranger.close();
    assert.equal(server.state, "open");
    client.send(data);
    for (const bytes of drain(client)) server.receive(bytes);
    assert.deepEqual(server.pollData(), data, "the session goes on");
    client.close();
    server.close();
  });

  for (const suite of ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-SHA"]) {
    test(`a forged record that is too short for ${suite} does not end the session, alone or behind others`, () => {
      const only = { ...openssl, SSL_CTX_set_cipher_list: (context: number | string) => choose(context, suite) };
      const clients = createDtlsFactory({ openssl: only, certificate });
      const { client, server } = connected(clients);
      const forged = (type: number, version: number, bytes: number) =>
        Uint8Array.of(type, version >> 8, version & 255, 0, 1, 0, 0, 0, 0, 1, 0, 0, bytes, ...new Uint8Array(bytes));
      for (const type of [20, 21, 22, 23, 24, 63])
        for (let bytes = 0; bytes < 70; bytes++)
          for (const side of [client, server]) {
            const short = forged(type, 0xfefd, bytes);
            side.receive(short);
            // Of a record of another version OpenSSL skips the header only.
            side.receive(Buffer.concat([forged(22, 0x0303, 0).fill(255, 11), short]));
            side.receive(Buffer.concat([short, short.subarray(0, 20)]));
          }
      assert.deepEqual([client.failure, server.failure], [undefined, undefined]);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        assert.ok(from.send(Uint8Array.of(1)));
        for (const bytes of drain(from)) to.receive(bytes);
        assert.deepEqual(to.pollData(), Uint8Array.of(1));
      }
      client.close();
      for (const bytes of drain(client)) server.receive(bytes);
      assert.equal(server.state, "closed", "the shortest genuine record is taken");
      clients.close();
    });
  }

  test("several records in one datagram are all delivered", () => {
    const { client, server } = connected();
    client.send(Uint8Array.of(1));
    client.send(Uint8Array.of(2));
    server.receive(Buffer.concat(drain(client)));
    assert.deepEqual([server.pollData(), server.pollData()], [Uint8Array.of(1), Uint8Array.of(2)]);
    client.close();
    server.close();
  });

  test("what nobody polls is bounded: sending says no, receiving loses", () => {
    const { client, server } = connected();
    let accepted = 0;
    while (client.send(new Uint8Array(1000))) accepted += 1;
    assert.ok(accepted > 100 && accepted <= 1100, `${accepted} records of 1,000 bytes wait`);
    for (let round = 0; round < 3; round++) {
      for (const bytes of drain(client)) server.receive(bytes);
      while (client.send(new Uint8Array(1000)));
    }
    let delivered = 0;
    while (server.pollData()) delivered += 1;
    assert.ok(delivered <= 1100, `${delivered} records waited`);
    client.close();
    server.close();
  });
});

describe("DTLS end", () => {
  test("close tells the peer, and both are closed", () => {
    const { client, server } = connected();
    client.close();
    assert.equal(client.state, "closed");
    assert.equal(client.exportSrtpKeys(), undefined);
    for (const bytes of drain(client)) server.receive(bytes);
    assert.equal(server.state, "closed");
    assert.equal(server.failure, undefined);
    assert.equal(client.send(Uint8Array.of(1)), false);
    client.receive(new Uint8Array(20));
    client.close();
    server.close();
    assert.equal(server.peerFingerprint(), factory.fingerprint, "what was learned stays readable");
  });

  test("closing in the middle of a handshake is safe, and later calls do nothing", () => {
    for (let rounds = 0; rounds < 4; rounds++) {
      const { client, server } = pair();
      client.start();
      for (let i = 0; i < rounds; i++) {
        for (const bytes of drain(client)) server.receive(bytes);
        for (const bytes of drain(server)) client.receive(bytes);
      }
      client.close();
      server.close();
      client.start();
      client.receive(new Uint8Array(100));
      client.handleTimeout();
      assert.equal(client.timeoutMs(), undefined);
      assert.equal(client.state, "closed");
    }
  });

  test("a thousand sessions, half of them closed in mid-handshake, leave no memory behind", () => {
    const run = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const { client, server } = pair();
        client.start();
        if (i % 2 === 0) carry(client, server);
        else for (const bytes of drain(client)) server.receive(bytes);
        client.close();
        server.close();
      }
    };
    run(500);
    const beforeBytes = process.memoryUsage().rss;
    run(1000);
    const grownBytes = process.memoryUsage().rss - beforeBytes;
    // A leak of the SSL objects alone would be more than 40 MiB.
    assert.ok(grownBytes < 16 << 20, `resident memory grew by ${grownBytes} bytes`);
  });
});

describe("certificate", () => {
  test("is a valid self-signed ECDSA P-256 one, valid since yesterday for a year", () => {
    const now = Date.UTC(2030, 0, 2, 3, 4, 5);
    const { certDer } = generateCertificate(now);
    const parsed = new X509Certificate(certDer);
    assert.equal(parsed.verify(parsed.publicKey), true);
    assert.equal(parsed.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
    assert.equal(Date.parse(parsed.validFrom), now - 86_400_000);
    assert.equal(Date.parse(parsed.validTo), now + 364 * 86_400_000);
    assert.equal(parsed.fingerprint256, fingerprintOf(certDer));
    assert.notEqual(parsed.serialNumber, new X509Certificate(generateCertificate(now).certDer).serialNumber);
  });

  test("changes its notation of time in 2050", () => {
    const parsed = new X509Certificate(generateCertificate(Date.UTC(2049, 6, 1)).certDer);
    assert.equal(Date.parse(parsed.validTo), Date.UTC(2049, 6, 1) + 364 * 86_400_000);
  });
});
