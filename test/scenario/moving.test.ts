/** Clients whose address changes in mid-call (a new NAT binding, another network), and strangers who pretend to be one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { iceCredentials, stunSigner } from "@stoa/core/ice/credentials";
import { nodeHashes } from "@stoa/testkit/node-crypto";
import { newRtpHeader, readRtpHeader, writeRtpHeader } from "@stoa/wire/rtp/header";
import { writeStun } from "@stoa/wire/stun/write";
import type { Client } from "./worker-client.ts";
import { VP8, World } from "./worker-world.ts";

const SSRC = 0x1000;
const OUT_SSRC = 0x2000;
const EVERY_MS = 20;
/** A client checks its path every two seconds or so, changed by up to a fifth; media waits for that. */
const MOMENT_MS = 2600;
const SERVER = "10.0.0.1:5000";

/** A key frame of one packet every 20 ms, so that each packet can be shown on its own. */
function publish(world: World, client: Client, durationMs: number): void {
  const header = new Uint8Array(12);
  const view = new DataView(header.buffer);
  const payload = new Uint8Array(60);
  payload[0] = 0x10;
  for (let i = 0; i * EVERY_MS < durationMs; i++) {
    world.clock.after(i * EVERY_MS, () => {
      writeRtpHeader(view, 0, false, true, VP8.payloadType, 100 + i, i * 1800, SSRC);
      client.sendRtp(header, payload);
    });
  }
}

/** The longest silence that a subscriber had, in milliseconds. */
function watch(world: World, client: Client): { gapMs: number; last: number } {
  const seen = { gapMs: 0, last: world.clock.nowMs };
  const header = newRtpHeader();
  client.onRtp = (u8, at, length) => {
    if (!readRtpHeader(u8, at, length, header) || header.ssrc !== OUT_SSRC) return;
    seen.gapMs = Math.max(seen.gapMs, world.clock.nowMs - seen.last);
    seen.last = world.clock.nowMs;
  };
  return seen;
}

function call(seed: number): { world: World; ada: Client; bob: Client; seen: { gapMs: number; last: number } } {
  const world = new World(seed, { delayMs: 20 });
  const ada = world.join("ada");
  const bob = world.join("bob");
  world.publish(ada, "TR_video", SSRC);
  world.subscribe(bob, "TR_video", OUT_SSRC);
  publish(world, ada, 20_000);
  const seen = watch(world, bob);
  return { world, ada, bob, seen };
}

for (const who of ["publisher", "subscriber"] as const) {
  test(`a ${who} that moves four times is followed, each time within a moment`, () => {
    const { world, ada, bob, seen } = call(who === "publisher" ? 5 : 6);
    const mover = who === "publisher" ? ada : bob;
    for (let i = 0; i < 4; i++) {
      world.run(4000);
      assert.ok(world.clock.nowMs - seen.last < 100, "media flows before the move");
      mover.move(`10.7.${i}.7`, 7000 + i);
    }
    world.run(3500);
    assert.ok(world.clock.nowMs - seen.last < 100, "media flows at the end");
    assert.ok(seen.gapMs < MOMENT_MS, `${Math.round(seen.gapMs)} ms without media`);
    const states = world.events.filter((event) => event.type === "peerState" && event.state !== "connected");
    assert.deepEqual(states, [], "nobody was lost");
  });
}

test("strangers who know names but no passwords, or send copies, get nothing and disturb nobody", () => {
  const { world, ada, bob, seen } = call(7);
  world.run(2000);
  const copies: Uint8Array[] = [];
  let listening = true;
  world.network.blocked = ({ from, to, bytes }) => {
    const genuine = from === `udp ${bob.host}` || from === `udp ${ada.host}`;
    if (listening && genuine && to === `udp ${SERVER}` && bytes[0]! < 4) copies.push(bytes);
    // What the worker sends to the stranger.
    assert.ok(!to.includes("10.6.6.6"), "nothing goes to a stranger");
    return false;
  };
  world.run(5000);
  listening = false;
  assert.ok(copies.length >= 4);
  const { ufrag } = bob.remote;
  const guess = stunSigner(iceCredentials("", "a-guess-of-a-password!"), nodeHashes);
  const check = { class: "request", method: 1, username: `${ufrag}:x`, priority: 1, useCandidate: true } as const;
  const forged = (sign: boolean): Uint8Array =>
    writeStun({ ...check, transactionId: world.random.bytes(12) }, sign ? guess : undefined);
  const before = seen.last;
  seen.gapMs = 0;
  for (let i = 0; i < 200; i++) {
    world.clock.after(20 * i, () => {
      // From a place of their own, and from the address of the neighbour.
      for (const from of ["10.6.6.6:666", ada.host, bob.host]) {
        world.network.inject("udp", from, SERVER, forged(true));
        world.network.inject("udp", from, SERVER, forged(false));
      }
      world.network.inject("udp", "10.6.6.6:666", SERVER, copies[i % copies.length]!);
    });
  }
  world.run(6000);
  assert.ok(seen.last > before && world.clock.nowMs - seen.last < 100);
  assert.ok(seen.gapMs < 100, `${Math.round(seen.gapMs)} ms without media`);
});
