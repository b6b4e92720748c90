/** The two dear parts of the way out alone: protecting one packet for N subscribers, and handing N datagrams to the system. */
import type { Iteration } from "./measurement.ts";
import type { World } from "./world.ts";

/** One iteration sends a datagram of `bytes` to each of `subscribers`: the floor of any server on this machine. */
export function sendIteration(world: World, bytes: number, subscribers: number): Iteration {
  const { network } = world;
  const paths = Array.from({ length: subscribers }, (_, i) => world.subscriber(i).path);
  const run = (): void => {
    for (let i = 0; i < paths.length; i++) {
      network.reserve();
      network.commit(paths[i]!, bytes);
    }
    network.flush();
  };
  return { packets: subscribers, prepare: () => {}, run };
}

/** One iteration protects a packet with a payload of `bytes` under each subscriber's keys. */
export function protectIteration(world: World, bytes: number, subscribers: number): Iteration {
  const { slab, pool } = world.network;
  const sessions = Array.from({ length: subscribers }, () => world.sessionPair().ours);
  const payload = pool.take();
  const packet = pool.take();
  slab.u8.fill(0x55, payload, payload + bytes);
  slab.u8.fill(0, packet, packet + 12);
  slab.u8[packet] = 0x80;
  let sequence = 1;
  const run = (): void => {
    for (let i = 0; i < sessions.length; i++) {
      // In place on the fast path, so the header is written anew; its numbers rise as in a stream.
      slab.u8[packet + 2] = sequence >> 8;
      slab.u8[packet + 3] = sequence & 255;
      if (sessions[i]!.protectRtp(packet, 12, payload, bytes) < 0) throw new Error("a packet was not protected");
    }
    sequence = (sequence + 1) & 0xffff;
  };
  return { packets: subscribers, prepare: () => {}, run };
}
