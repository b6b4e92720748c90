/** Two ends of a DTLS association without a network, for the tests of this folder. */
import { after } from "node:test";
import assert from "node:assert/strict";
import type { DtlsFactory, DtlsSession } from "@stoa/core/crypto";
import { generateCertificate } from "./certificate.ts";
import { createDtlsFactory } from "./dtls-openssl.ts";
import { loadOpenSsl } from "./native.ts";
import { nowMs } from "../clock.ts";

export const openssl = loadOpenSsl();
export const certificate = generateCertificate(nowMs());
export const factory = createDtlsFactory({ openssl, certificate });
after(() => factory.close());

export function drain(session: DtlsSession): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  for (let bytes = session.pollDatagram(); bytes; bytes = session.pollDatagram()) datagrams.push(bytes);
  return datagrams;
}

export function pair(clients: DtlsFactory = factory, servers: DtlsFactory = factory) {
  return { client: clients.create("client"), server: servers.create("server") };
}

/** Carries datagrams both ways until both are silent. `lose` says which datagram (counted over both ways) is lost. */
export function carry(
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

/** An open pair. */
export function connected(clients: DtlsFactory = factory, servers: DtlsFactory = factory) {
  const both = pair(clients, servers);
  both.client.start();
  carry(both.client, both.server);
  assert.equal(both.client.failure ?? both.server.failure, undefined);
  assert.deepEqual([both.client.state, both.server.state], ["open", "open"]);
  return both;
}
