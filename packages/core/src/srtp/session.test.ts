import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { nodeHashes, NodePacketCrypto, SeededRandom } from "@stoa/testkit/node-crypto";
import type { SrtpKeyMaterial, SrtpProfile } from "../crypto.ts";
import { Slab, SLOT_BYTES } from "../slab.ts";
import { SrtpSession } from "./session.ts";

const PROFILES: SrtpProfile[] = ["SRTP_AEAD_AES_128_GCM", "SRTP_AES128_CM_SHA1_80"];

function keyMaterial(profile: SrtpProfile, seed = 1): SrtpKeyMaterial {
  const random = new SeededRandom(seed);
  const salt = profile === "SRTP_AEAD_AES_128_GCM" ? 12 : 14;
  return {
    profile,
    clientKey: random.bytes(16),
    clientSalt: random.bytes(salt),
    serverKey: random.bytes(16),
    serverSalt: random.bytes(salt),
  };
}

/** A client and a server session over one slab, with a slot for each step of a packet. */
class Pair {
  readonly crypto = new NodePacketCrypto(new Slab(new ArrayBuffer(1 << 18)));
  readonly u8 = this.crypto.slab.u8;
  readonly client: SrtpSession;
  readonly server: SrtpSession;
  readonly #source = this.crypto.slab.alloc(SLOT_BYTES);
  readonly #slot = this.crypto.slab.alloc(SLOT_BYTES);

  constructor(profile: SrtpProfile) {
    const keys = keyMaterial(profile);
    this.client = new SrtpSession(this.crypto, nodeHashes, keys, "client");
    this.server = new SrtpSession(this.crypto, nodeHashes, keys, "server");
  }

  /** The bytes on the wire of a packet whose payload tells its number; undefined if the session refuses. */
  rtp(ssrc: number, index: number, from: SrtpSession = this.client): Uint8Array | undefined {
    const header = rtpHeader(ssrc, index & 0xffff);
    const payload = Buffer.from(`${ssrc}/${index}`);
    this.u8.set(payload, this.#source);
    this.u8.set(header, this.#slot);
    const length = from.protectRtp(this.#slot, header.length, this.#source, payload.length);
    assert.deepEqual(Buffer.from(this.u8.slice(this.#source, this.#source + payload.length)), payload);
    return length < 0 ? undefined : this.u8.slice(this.#slot, this.#slot + length);
  }

  /** What the other side reads: the payload, or undefined when the packet was refused. */
  readRtp(packet: Uint8Array, at: SrtpSession = this.server): string | undefined {
    this.u8.set(packet, this.#slot);
    const length = at.unprotectRtp(this.#slot, packet.length);
    return length < 0 ? undefined : Buffer.from(this.u8.slice(this.#slot + 12, this.#slot + length)).toString();
  }

  rtcp(plain: Uint8Array): Uint8Array {
    this.u8.set(plain, this.#slot);
    const length = this.client.protectRtcp(this.#slot, plain.length);
    return this.u8.slice(this.#slot, this.#slot + length);
  }

  readRtcp(packet: Uint8Array): Uint8Array | undefined {
    this.u8.set(packet, this.#slot);
    const length = this.server.unprotectRtcp(this.#slot, packet.length);
    return length < 0 ? undefined : this.u8.slice(this.#slot, this.#slot + length);
  }
}

function rtpHeader(ssrc: number, seq: number): Uint8Array {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = 96;
  header.writeUInt16BE(seq, 2);
  header.writeUInt32BE(ssrc, 8);
  return header;
}

function report(ssrc: number, fill: number): Uint8Array {
  const packet = Buffer.alloc(28, fill);
  packet.set([0x80, 200, 0, 6]);
  packet.writeUInt32BE(ssrc, 4);
  return new Uint8Array(packet);
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
}

test("the CM profile writes the same bytes as libsrtp", () => {
  const crypto = new NodePacketCrypto(new Slab(new ArrayBuffer(1 << 16)));
  const key = hex("e1f97a0d3e018be0d64fa32c06de4139");
  const salt = hex("0ec675ad498afeebb6960b3aabe6");
  const keys = { clientKey: key, clientSalt: salt, serverKey: key, serverSalt: salt };
  const session = new SrtpSession(crypto, nodeHashes, { profile: "SRTP_AES128_CM_SHA1_80", ...keys }, "client");
  const at = crypto.slab.alloc(SLOT_BYTES);
  crypto.slab.u8.set(hex(`800f1234decafbadcafebabe${"ab".repeat(16)}`), at);
  const rtp = session.protectRtp(at, 12, at + 12, 16);
  assert.deepEqual(
    crypto.slab.u8.slice(at, at + rtp),
    hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb"),
  );
  crypto.slab.u8.set(hex(`81c8000bcafebabe${"ab".repeat(16)}`), at);
  const rtcp = session.protectRtcp(at, 24);
  assert.deepEqual(
    crypto.slab.u8.slice(at, at + rtcp),
    hex("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798"),
  );
});

for (const profile of PROFILES) {
  test(`${profile}: a stream with wraps, loss, reordering and replays arrives once each`, () => {
    const steps = fc.array(
      fc.record({
        stream: fc.integer({ min: 0, max: 2 }),
        skip: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 30_000 })),
        lost: fc.boolean(),
        late: fc.integer({ min: 0, max: 40 }),
      }),
      { maxLength: 120 },
    );
    fc.assert(
      fc.property(steps, (sequence) => {
        const pair = new Pair(profile);
        const next = [100, 65_000, 32_767];
        const anchor = next.map((index, stream) => ({ index, packet: pair.rtp(0xfffffff0 + stream, index)! }));
        const wire = anchor.map(({ packet }, stream) => ({ due: -1, packet, stream, index: next[stream]! }));
        // Losing more than half of the number space in a row is beyond what any receiver can follow.
        const run = [0, 0, 0];
        for (const [time, { stream, skip, lost, late }] of sequence.entries()) {
          const index = (next[stream]! += 1 + skip);
          const packet = pair.rtp(0xfffffff0 + stream, index)!;
          run[stream]! += 1 + skip;
          if (lost && run[stream]! < 2000) continue;
          if (run[stream]! > 2000) {
            wire.push({ due: time, packet, stream, index });
            run[stream] = 0;
          } else wire.push({ due: time + late, packet, stream, index });
        }
        wire.sort((a, b) => a.due - b.due);
        const highest = [-1, -1, -1];
        for (const { packet, stream, index } of wire) {
          const text = pair.readRtp(packet);
          if (index > highest[stream]! - 1024) assert.equal(text, `${0xfffffff0 + stream}/${index}`);
          assert.equal(pair.readRtp(packet), undefined, "replay");
          highest[stream] = Math.max(highest[stream]!, index);
        }
      }),
      { numRuns: 60 },
    );
  });

  test(`${profile}: a retransmission from before the wrap is encrypted with the old roll-over counter`, () => {
    const pair = new Pair(profile);
    assert.equal(pair.readRtp(pair.rtp(5, 65_530)!), "5/65530");
    const lost = pair.rtp(5, 65_535)!;
    for (let index = 65_536; index < 65_600; index++) assert.equal(pair.readRtp(pair.rtp(5, index)!), `5/${index}`);
    assert.deepEqual(pair.rtp(5, 65_535), lost);
    assert.equal(pair.readRtp(lost), "5/65535");
  });

  test(`${profile}: nothing before the first packet of a stream can be sent`, () => {
    const pair = new Pair(profile);
    assert.ok(pair.rtp(5, 3));
    assert.equal(pair.rtp(5, 65_535), undefined);
  });

  test(`${profile}: header extension and CSRCs are authenticated and left in the clear`, () => {
    const pair = new Pair(profile);
    const { u8, client, server } = pair;
    const at = pair.crypto.slab.alloc(SLOT_BYTES);
    const header = hex("92600001 00000000 00000007 11111111 22222222 bede0002 10ff0000 00000000");
    const send = () => {
      u8.set(header, at);
      u8.fill(7, at + header.length, at + header.length + 50);
      return client.protectRtp(at, header.length, at + header.length, 50);
    };
    const length = send();
    assert.deepEqual(u8.slice(at, at + header.length), header);
    assert.equal(server.unprotectRtp(at, length), header.length + 50);
    assert.deepEqual(u8.slice(at + header.length, at + header.length + 50), new Uint8Array(50).fill(7));
    header[3] = 2;
    const second = send();
    u8[at + 14]! ^= 1;
    assert.equal(server.unprotectRtp(at, second), -1);
    assert.equal(server.drops.unauthentic, 1);
  });

  test(`${profile}: a changed bit anywhere is refused and does no harm to the stream`, () => {
    const pair = new Pair(profile);
    const first = pair.rtp(9, 1)!;
    for (let bit = 0; bit < first.length * 8; bit++) {
      const forged = first.slice();
      forged[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(pair.readRtp(forged), undefined);
    }
    assert.equal(pair.readRtp(first), "9/1");
    // A forged jump ahead must not move the window.
    const jump = pair.rtp(9, 2)!.slice();
    jump.set([0x60, 0x00], 2);
    assert.equal(pair.readRtp(jump), undefined);
    assert.equal(pair.readRtp(pair.rtp(9, 3)!), "9/3");
    assert.equal(pair.readRtp(pair.rtp(9, 2)!), "9/2");
  });

  test(`${profile}: packets of strangers do not push out the state of a real stream`, () => {
    const pair = new Pair(profile);
    const real = pair.rtp(1, 10)!;
    assert.equal(pair.readRtp(real), "1/10");
    for (let ssrc = 1000; ssrc < 6000; ssrc++) {
      const forged = real.slice();
      Buffer.from(forged.buffer).writeUInt32BE(ssrc, 8);
      assert.equal(pair.readRtp(forged), undefined);
    }
    assert.equal(pair.readRtp(real), undefined);
    assert.equal(pair.server.drops.replayed, 1);
  });

  test(`${profile}: RTCP of several SSRCs arrives once, in any order within the window`, () => {
    const pair = new Pair(profile);
    const packets = Array.from({ length: 200 }, (_, i) => pair.rtcp(report(0xffffff00 + (i % 3), i)));
    for (const i of [...packets.keys()].reverse().filter((index) => index >= 90)) {
      assert.deepEqual(pair.readRtcp(packets[i]!), report(0xffffff00 + (i % 3), i));
      assert.equal(pair.readRtcp(packets[i]!), undefined, "replay");
    }
    assert.equal(pair.readRtcp(packets[0]!), undefined, "too old");
    assert.equal(pair.server.drops.replayed, 111);
  });

  test(`${profile}: forged and cut RTCP is refused`, () => {
    const pair = new Pair(profile);
    const packet = pair.rtcp(report(77, 1));
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const forged = packet.slice();
      forged[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(pair.readRtcp(forged), undefined);
    }
    for (let length = 0; length < packet.length; length++) {
      assert.equal(pair.readRtcp(packet.subarray(0, length)), undefined);
    }
    assert.deepEqual(pair.readRtcp(packet), report(77, 1));
  });

  test(`${profile}: random bytes are refused`, () => {
    const pair = new Pair(profile);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, looksRight) => {
        if (looksRight && bytes.length > 0) bytes[0] = 0x80 | (bytes[0]! & 0x3f);
        assert.equal(pair.readRtp(bytes), undefined);
        assert.equal(pair.readRtcp(bytes), undefined);
      }),
    );
  });

  test(`${profile}: what does not fit a slot is not sent, and closing frees every cipher`, () => {
    const pair = new Pair(profile);
    const at = pair.crypto.slab.alloc(2 * SLOT_BYTES);
    pair.u8.set(rtpHeader(1, 1), at);
    assert.equal(pair.client.protectRtp(at, 12, at + 12, SLOT_BYTES - 12), -1);
    assert.equal(pair.client.protectRtcp(at, SLOT_BYTES - 4), -1);
    assert.equal(pair.client.protectRtcp(at, 4), -1);
    assert.equal(pair.crypto.open, 8);
    pair.client.close();
    pair.server.close();
    assert.equal(pair.crypto.open, 0);
  });
}

test("each direction has its own keys", () => {
  for (const profile of PROFILES) {
    const pair = new Pair(profile);
    assert.equal(pair.readRtp(pair.rtp(3, 1, pair.server)!, pair.client), "3/1");
    assert.equal(pair.readRtp(pair.rtp(4, 1, pair.server)!, pair.server), undefined);
  }
});
