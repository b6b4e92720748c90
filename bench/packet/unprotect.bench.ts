/** Authenticating and decrypting what a publisher sends. */
import type { Iteration } from "./measurement.ts";
import { PublisherPackets } from "./publisher-packet.ts";
import type { World } from "./world.ts";

const PACKETS = 500;

/** One iteration takes so many fresh packets. */
export function unprotectIteration(world: World, payloadBytes: number): Iteration {
  const { pool, slab } = world.network;
  const { ours, theirs } = world.sessionPair();
  const source = new PublisherPackets("video", payloadBytes);
  const plain = pool.take();
  const slots = Array.from({ length: PACKETS }, () => pool.take());
  const lengths = new Int32Array(PACKETS);
  const headerBytes = 24;
  return {
    packets: PACKETS,
    prepare: () => {
      for (let i = 0; i < PACKETS; i++) {
        source.write(slab.u8, plain);
        slab.u8.copyWithin(slots[i]!, plain, plain + headerBytes);
        lengths[i] = theirs.protectRtp(slots[i]!, headerBytes, plain + headerBytes, source.length - headerBytes);
      }
    },
    run: () => {
      for (let i = 0; i < PACKETS; i++) {
        if (ours.unprotectRtp(slots[i]!, lengths[i]!) !== source.length)
          throw new Error("a packet did not authenticate");
      }
    },
  };
}
