/** Half a minute of everything that networks and owners do, in an order by chance; then calm. */
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Pair } from "./pair.test.ts";
import { Traffic } from "./traffic.test.ts";

/** A dead link of this length, once or several times in a row, is no reason to give a peer up. */
const MAX_PHASE_MS = 4000;
/** After the storm: the longest timeout, then what was not sent yet at the rate that losses have left. */
const CALM_MS = 30_000;

const phases = fc.record({
  network: fc.record({
    delayMs: fc.constantFrom(0, 5, 40, 150),
    jitterMs: fc.constantFrom(0, 0, 5, 80),
    loss: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 0.4, noNaN: true })),
    duplicate: fc.constantFrom(0, 0, 0.1, 0.5),
    bytesPerMs: fc.constantFrom(undefined, undefined, 20, 500),
    queueBytes: fc.constantFrom(5000, 100_000),
  }),
  pathBytes: fc.constantFrom(2000, 2000, 2000, 1000, 600),
  ms: fc.integer({ min: 1, max: MAX_PHASE_MS }),
  messages: fc.integer({ min: 0, max: 15 }),
  maxBytes: fc.constantFrom(10, 1500, 4000, 40_000),
  clientPaused: fc.boolean(),
  serverPaused: fc.boolean(),
});

test("whatever network and owners do, all that was promised arrives once and in order, and both sides come to rest", () => {
  const limits = { receiveWindowBytes: 150_000, maxReceiveMessageBytes: 65_536 };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1 << 30 }),
      fc.array(phases, { minLength: 1, maxLength: 8 }),
      (seed, storm) => {
        const pair = new Pair({ seed, delayMs: 5 }, { mtu: 1144, limits }).connect();
        const traffic = new Traffic(pair, seed);
        let pathBytes = 2000;
        pair.filter = (packet) => (packet.length > pathBytes ? undefined : packet);
        for (const phase of storm) {
          pair.network = phase.network;
          pathBytes = phase.pathBytes;
          pair.client.paused = phase.clientPaused;
          pair.server.paused = phase.serverPaused;
          for (let part = 0; part < 5; part++) {
            traffic.sendSome(phase.messages, phase.maxBytes);
            pair.run(phase.ms / 5);
            for (const { association } of [pair.client, pair.server]) {
              assert.ok(association.receiveHeldBytes <= 2 * limits.receiveWindowBytes);
              assert.ok(association.receiveHeldBytes >= 0 && association.sendHeldBytes >= 0);
            }
          }
        }
        pair.client.paused = false;
        pair.server.paused = false;
        pair.network = { delayMs: 5 };
        pathBytes = 2000;
        traffic.flush(CALM_MS);
        traffic.assertDelivered();
        traffic.assertAtRest();
      },
    ),
    { numRuns: 60 },
  );
});

test("an outage ends an association only after its patience, and one that is shorter costs nothing but time", () => {
  for (const [outageMs, lives] of [
    [45_000, true],
    [180_000, false],
  ] as const) {
    const pair = new Pair({ delayMs: 20, seed: outageMs }).connect();
    const traffic = new Traffic(pair);
    traffic.sendSome(30, 20_000);
    pair.network = { delayMs: 20, loss: 1 };
    pair.run(outageMs);
    assert.equal(pair.client.has("closed"), !lives);
    pair.network = { delayMs: 20 };
    if (!lives) continue;
    // The longest timeout is 3 s.
    traffic.flush(5000);
    traffic.assertDelivered();
    traffic.assertAtRest();
  }
});
