/** Two media workers of one server: what a client publishes at the one is seen by a client of the other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { drawIceCredentials } from "@stoa/core/ice/credentials";
import { writePli } from "@stoa/wire/rtcp/feedback";
import { newRtpHeader, readRtpHeader, writeRtpHeader } from "@stoa/wire/rtp/header";
import type { Client } from "./worker-client.ts";
import { VP8, World } from "./worker-world.ts";

const SSRC = 0x1000;
const OUT_SSRC = 0x2000;
const EVERY_MS = 20;
/** Ids of peers are the process's own; those of the clients are small. */
const [NEAR_END, FAR_END] = [101, 102];

/** The near worker calls the far one, and passes on what the peer publishes. */
function relay(near: World, far: World, publisher: number): void {
  const { nowMs } = near.clock;
  const open = { type: "openPeer" as const, room: "RM_test", participant: "", channels: [], playoutDelay: undefined };
  const congestion = { enabled: false, allowPause: false };
  const [caller, called] = [drawIceCredentials(near.random), drawIceCredentials(far.random)];
  const dial = { protocol: "udp" as const, address: Uint8Array.from(far.address.split("."), Number), port: 5000 };
  far.engine.handleCommand({ ...open, congestion, peer: FAR_END, ...called }, nowMs);
  const toFar = { ...caller, fingerprints: [near.fingerprint], dtlsRole: "server" as const, sctp: undefined };
  far.engine.handleCommand({ type: "setRemote", peer: FAR_END, remote: toFar }, nowMs);
  near.engine.handleCommand({ ...open, congestion, peer: NEAR_END, ...caller, dial }, nowMs);
  const toNear = { ...called, fingerprints: [far.fingerprint], dtlsRole: "client" as const, sctp: undefined };
  near.engine.handleCommand({ type: "setRemote", peer: NEAR_END, remote: toNear }, nowMs);
  near.engine.handleCommand({ type: "setRelay", peer: NEAR_END, publisher }, nowMs);
}

/** A packet every 20 ms, one in 25 a key frame; more when one is asked for. */
function publish(world: World, client: Client, durationMs: number): { asked: number } {
  const header = new Uint8Array(12);
  const view = new DataView(header.buffer);
  const state = { asked: 0 };
  let keyWanted = false;
  client.onRtcp = (u8, at) => {
    if (u8[at + 1] !== 206) return;
    state.asked++;
    keyWanted = true;
  };
  for (let i = 0; i * EVERY_MS < durationMs; i++) {
    world.clock.after(i * EVERY_MS, () => {
      const payload = new Uint8Array(60);
      payload[0] = 0x10;
      payload[1] = i === 0 || keyWanted ? 0 : 1;
      keyWanted = false;
      writeRtpHeader(view, 0, false, true, VP8.payloadType, 100 + i, i * 1800, SSRC);
      client.sendRtp(header, payload);
    });
  }
  return state;
}

test("a viewer at the other worker sees all, also one that comes late, until the relay ends", () => {
  const near = new World(1, { delayMs: 5 });
  const far = new World(2, {}, { beside: near });
  const ada = near.join("ada");
  const bob = far.join("bob");
  near.publish(ada, "TR_video", SSRC);
  relay(near, far, ada.id);
  const track = {
    mid: "0",
    kind: "video" as const,
    track: "TR_video",
    codecs: [VP8],
    extensions: {},
    rids: [],
    codecIndex: 0,
  };
  const receivers = [{ ...track, ssrcs: [{ ssrc: SSRC, rtxSsrc: SSRC + 1 }] }];
  far.engine.handleCommand({ type: "setReceivers", peer: FAR_END, receivers }, near.clock.nowMs);
  const both = (ms: number) => {
    near.run(ms);
    far.run(0);
  };
  both(1000);
  for (const [world, peer] of [
    [near, NEAR_END],
    [far, FAR_END],
  ] as const) {
    const states = world.events.flatMap((event) =>
      event.type === "peerState" && event.peer === peer ? [event.state] : [],
    );
    assert.deepEqual(states, ["connected"]);
  }
  const publisher = publish(near, ada, 4000);
  both(1000);
  far.subscribe(bob, "TR_video", OUT_SSRC);
  const header = newRtpHeader();
  const sequences: number[] = [];
  bob.onRtp = (u8, at, length) => {
    if (readRtpHeader(u8, at, length, header) && header.ssrc === OUT_SSRC) sequences.push(header.sequence);
  };
  both(1000);
  assert.ok(publisher.asked >= 1, "the wish for a key frame crosses both workers");
  assert.ok(sequences.length > 30, `${sequences.length} packets`);
  const first = sequences[0]!;
  assert.deepEqual(
    sequences,
    sequences.map((_, i) => (first + i) & 0xffff),
  );
  // The viewer's decoder gets stuck.
  const askedBefore = publisher.asked;
  bob.sendRtcp((u8, at) => writePli(u8, at, 1, OUT_SSRC));
  both(1000);
  assert.ok(publisher.asked > askedBefore);
  near.engine.handleCommand({ type: "closePeer", peer: NEAR_END }, near.clock.nowMs);
  both(100);
  const before = sequences.length;
  both(900);
  assert.equal(sequences.length, before);
});
