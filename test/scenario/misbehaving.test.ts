/** What the worker no longer takes or sends stops at the packet, whatever the client goes on sending (the rest: core/room/misbehaving). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket, UserPacket } from "@livekit/protocol";
import type { MediaCommand } from "@stoa/core/engine/commands";
import { newRtpHeader, readRtpHeader, writeRtpHeader } from "@stoa/wire/rtp/header";
import type { Client } from "./worker-client.ts";
import { memberSpec, VP8, World } from "./worker-world.ts";

const SSRC = 0x1000;
const OUT_SSRC = 0x2000;
/** Ends each payload: black frames of the server have none. */
const MARK = 0xc3;

/** Bob watches ada, who sends for as long as the test runs. */
class Call {
  readonly world = new World(11, { delayMs: 10 });
  readonly ada = this.world.join("ada");
  readonly bob = this.world.join("bob");
  #pictures = 0;
  #sequence = 0;

  constructor() {
    this.world.publish(this.ada, "TR_video", SSRC);
    this.world.subscribe(this.bob, "TR_video", OUT_SSRC);
    const header = newRtpHeader();
    this.bob.onRtp = (u8, at, length) => {
      if (readRtpHeader(u8, at, length, header) && u8[at + length - 1] === MARK) this.#pictures++;
    };
  }

  command(command: MediaCommand): void {
    this.world.engine.handleCommand(command, this.world.clock.nowMs);
  }

  /** Pictures that bob gets while ada sends fifty. */
  watch(): number {
    this.#pictures = 0;
    for (let i = 0; i < 50; i++) this.world.clock.after(i * 20, () => this.#send());
    this.world.run(1500);
    return this.#pictures;
  }

  #send(): void {
    const header = new Uint8Array(12);
    const sequence = ++this.#sequence;
    writeRtpHeader(new DataView(header.buffer), 0, false, true, VP8.payloadType, sequence, sequence * 1800, SSRC);
    const payload = new Uint8Array(60).fill(MARK);
    // A key frame each time: bob could begin with any.
    payload.set([0x10, 0]);
    this.ada.sendRtp(header, payload);
  }
}

const endings: readonly [what: string, end: (call: Call) => void][] = [
  ["its track was withdrawn", (call) => call.command({ type: "setReceivers", peer: call.ada.id, receivers: [] })],
  ["its track was muted", (call) => call.command({ type: "muteTrack", track: "TR_video", muted: true })],
  ["its connection was closed", (call) => call.command({ type: "closePeer", peer: call.ada.id })],
  ["its subscriber lost the track", (call) => call.command({ type: "setSenders", peer: call.bob.id, senders: [] })],
];
for (const [what, end] of endings) {
  test(`a publisher sends on after ${what}: nothing of it arrives`, () => {
    const call = new Call();
    assert.equal(call.watch(), 50);
    end(call);
    call.world.run(1000);
    assert.equal(call.watch(), 0);
  });
}

test("data without the right to send it is dropped", () => {
  const { world, ada, bob } = new Call();
  for (const client of [ada, bob]) {
    client.openChannel("_reliable");
    client.openChannel("_lossy", 0);
  }
  const say = (from: Client, to: Client): string[] => {
    const before = to.messages.length;
    const value = new UserPacket({ payload: new Uint8Array([MARK]) });
    const bytes = new DataPacket({ value: { case: "user", value } }).toBinary();
    for (const label of ["_reliable", "_lossy"]) from.sendData(label, bytes);
    world.run(1000);
    return to.messages.slice(before).map(({ label }) => label);
  };
  const both = ["_reliable", "_lossy"].toSorted();
  const permit = (canPublishData: boolean) =>
    world.engine.handleCommand(
      {
        type: "setMember",
        room: "RM_test",
        participant: "PA_ada",
        member: memberSpec("ada", ada.id, { canPublishData }),
      },
      world.clock.nowMs,
    );
  assert.deepEqual(say(ada, bob).toSorted(), both);
  permit(false);
  assert.deepEqual(say(ada, bob), []);
  assert.deepEqual(say(bob, ada).toSorted(), both, "it still gets what others send");
  permit(true);
  assert.deepEqual(say(ada, bob).toSorted(), both);
});
