import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { createDtlsFactory } from "./dtls-openssl.ts";
import { carry, certificate, connected, drain, factory, openssl, pair } from "./dtls-pair.test.ts";

/** Lets a context offer one cipher suite only. */
function choose(context: number | string, suite: string): number {
  return openssl.SSL_CTX_set_cipher_list(context, `ECDHE-ECDSA-${suite}`);
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
