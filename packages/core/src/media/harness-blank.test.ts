/** Calls of sound that can be muted and unmuted. */
import type { CodecSpec } from "../engine/specs.ts";
import { rtp, type Rtp } from "./harness-packets.test.ts";
import { OPUS, audioReceiver, audioSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

export const PUBLISHER = 1;
export const VIEWER = 2;
export const OFF = { disabled: true, maxSpatial: 2, fps: 0, priority: 0 };
export const ON = { ...OFF, disabled: false };
export const SILENCE = [0xf8, 0xff, 0xfe, ...new Uint8Array(77)];

/** A call with audio of this codec; `talk` sends so many packets of 20 ms. */
export function audioCall(codec: CodecSpec = OPUS) {
  const world = new World();
  world.addPeer(PUBLISHER, [audioReceiver({ codecs: [codec] })], []);
  world.addPeer(VIEWER, [], [audioSender({ codecs: [codec] })]);
  let sequence = 0;
  const talk = (packets: number) => {
    for (let i = 0; i < packets; i++) {
      sequence++;
      const timestamp = Math.round((world.nowMs * codec.clockRate) / 1000) >>> 0;
      const packet = { payloadType: codec.payloadType, sequence, timestamp, ssrc: 500, payload: [1, 2] };
      world.feed(PUBLISHER, rtp(packet));
      world.advance(20);
    }
  };
  return { world, talk };
}

/** Distances of neighbours in numbers and in time. */
export function steps(packets: readonly Rtp[]): number[][] {
  return packets.slice(1).map((p, i) => {
    const before = packets[i]!;
    return [(p.sequence - before.sequence) & 0xffff, (p.timestamp - before.timestamp) | 0];
  });
}
