import { test } from "node:test";
import assert from "node:assert/strict";
import { FakeDtlsFactory } from "@stoa/testkit/fake-dtls";
import { DtlsTransport } from "./dtls-transport.ts";

const NOW = 1_700_000_000_000;

/** Carries everything that waits from one to the other and back until both are quiet. */
function exchange(a: DtlsTransport, b: DtlsTransport): void {
  for (let quiet = false; !quiet;) {
    quiet = true;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (let datagram = from.pollDatagram(); datagram; datagram = from.pollDatagram()) {
        to.receive(datagram, NOW);
        quiet = false;
      }
    }
  }
}

function pair(fingerprint?: string): { client: DtlsTransport; server: DtlsTransport } {
  const factories = { client: new FakeDtlsFactory("client"), server: new FakeDtlsFactory("server") };
  const client = new DtlsTransport(factories.client);
  const server = new DtlsTransport(factories.server);
  client.setRemote("client", [factories.server.fingerprint]);
  server.setRemote("server", [fingerprint ?? factories.client.fingerprint]);
  return { client, server };
}

test("both sides open, agree on keys and exchange records", () => {
  const { client, server } = pair();
  client.begin(NOW);
  server.begin(NOW);
  exchange(client, server);
  assert.equal(client.state, "open");
  assert.equal(server.state, "open");
  assert.deepEqual(client.exportSrtpKeys(), server.exportSrtpKeys());
  assert.ok(client.send(Uint8Array.of(1, 2, 3)));
  exchange(client, server);
  assert.deepEqual(server.pollData(), Uint8Array.of(1, 2, 3));
});

test("with the wrong certificate there are no keys and no data, whatever else arrives", () => {
  const { client, server } = pair("00:11");
  client.begin(NOW);
  server.begin(NOW);
  exchange(client, server);
  client.send(Uint8Array.of(1));
  exchange(client, server);
  assert.equal(server.state, "failed");
  assert.equal(server.detail, "certificate fingerprint does not match the SDP");
  assert.equal(server.exportSrtpKeys(), undefined);
  assert.equal(server.pollData(), undefined);
  assert.equal(server.send(Uint8Array.of(1)), false);
});

test("of what comes before the role is known only a little is kept", () => {
  const factory = new FakeDtlsFactory("server");
  const received: number[] = [];
  const transport = new DtlsTransport({
    fingerprint: factory.fingerprint,
    create: (role) => {
      const session = factory.create(role);
      session.receive = (datagram) => void received.push(datagram[0]!);
      return session;
    },
  });
  const datagram = new Uint8Array(1500);
  for (let i = 0; i < 100; i++) {
    datagram[0] = i;
    transport.receive(datagram, NOW);
  }
  transport.receive(new Uint8Array(9000), NOW);
  transport.begin(NOW);
  assert.deepEqual(received, []);
  transport.setRemote("server", []);
  transport.begin(NOW);
  assert.deepEqual(received, [0, 1, 2, 3]);
});

test("a flight that gets no answer is repeated when due, and given up after a minute", () => {
  const { client } = pair();
  client.begin(NOW);
  let flights = 0;
  let nowMs = NOW;
  while (client.state === "handshaking") {
    while (client.pollDatagram()) flights++;
    nowMs = client.nextTimeoutMs();
    client.handleTimeout(nowMs);
  }
  assert.equal(client.state, "failed");
  assert.equal(nowMs - NOW, 60_000);
  assert.ok(flights > 20 && flights < 60, `${flights}`);
  assert.equal(client.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test("the first role stays, and closing twice is closing once", () => {
  const { client, server } = pair();
  client.setRemote("server", []);
  assert.equal(client.role, "client");
  client.setRemote("client", [new FakeDtlsFactory("server").fingerprint]);
  client.begin(NOW);
  server.begin(NOW);
  exchange(client, server);
  client.close();
  client.close();
  exchange(client, server);
  assert.equal(client.state, "closed");
  assert.equal(server.state, "closed");
  assert.equal(server.detail, "closed by the other side");
});
