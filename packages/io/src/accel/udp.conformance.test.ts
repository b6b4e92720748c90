/** What every UDP back end must do, with real sockets on loopback. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SLOT_BYTES } from "@stoa/core/slab";
import { parseIp } from "../ip-address.ts";
import { BATCH_PACKETS } from "./udp.ts";
import { type UdpKind, V4, V6, farEnd, numbered, setUp, waitFor } from "./udp-edge.test.ts";

/** Registers the suite. */
export function udpConformance(kind: UdpKind): void {
  describe(`udp: ${kind.name}`, () => {
    roundTripTests(kind);
    orderTests(kind);
    boundTests(kind);
    openTests(kind);
  });
}

function roundTripTests(kind: UdpKind): void {
  for (const [type, listen] of [
    ["udp4", V4],
    ["udp6", V6],
  ] as const) {
    test(`a datagram arrives with its path, and an answer goes back on it (${type})`, async (t) => {
      const edge = await setUp(t, kind, { listen: { addresses: [listen], port: 0 } });
      const far = await farEnd(t, type);
      await far.send(edge, numbered(1, 1200));
      await edge.until(1);
      const { path, bytes } = edge.received[0]!;
      assert.deepEqual(bytes, numbered(1, 1200));
      assert.deepEqual(edge.table.describe(path), {
        protocol: "udp",
        address: parseIp(listen.address),
        port: far.port,
      });
      edge.send(path, numbered(2));
      assert.equal(edge.udp.pending, 1);
      edge.udp.flush();
      await far.until(1);
      assert.deepEqual(far.received[0], numbered(2));
      assert.equal(edge.udp.pending, 0);
      assert.equal(edge.counters.sent, 1);
      assert.equal(edge.counters.received, 1);
    });
  }

  test("two addresses share one port, and each path answers from its own socket", async (t) => {
    const edge = await setUp(t, kind, { listen: { addresses: [V4, V6], port: 0 } });
    const [four, six] = [await farEnd(t, "udp4"), await farEnd(t, "udp6")];
    await four.send(edge, numbered(4));
    await edge.until(1);
    edge.table.retain(edge.received[0]!.path);
    await six.send(edge, numbered(6));
    await edge.until(2);
    // Alternating, so that the queue has to sort them by socket.
    for (let i = 0; i < 20; i++) for (const { path } of edge.received.slice(0, 2)) edge.send(path, numbered(i));
    edge.udp.flush();
    await four.until(20);
    await six.until(20);
    for (const far of [four, six]) {
      assert.deepEqual(
        far.received.map((bytes) => bytes.readUInt32BE(0)),
        Array.from({ length: 20 }, (_, i) => i),
      );
    }
  });

  test("the same address is the same path, also after it was retained; others are others", async (t) => {
    const edge = await setUp(t, kind);
    const [one, two] = [await farEnd(t), await farEnd(t)];
    await one.send(edge, numbered(1));
    await edge.until(1);
    edge.table.retain(edge.received[0]!.path);
    await two.send(edge, numbered(2));
    await edge.until(2);
    await one.send(edge, numbered(3));
    await edge.until(3);
    const [first, second, third] = edge.received;
    assert.equal(third!.path, first!.path);
    assert.notEqual(second!.path, first!.path);
  });

  test("a taken slot keeps its bytes while more datagrams come", async (t) => {
    const edge = await setUp(t, kind);
    const far = await farEnd(t);
    const kept: { at: number; length: number }[] = [];
    edge.setOnBatch((batch) => {
      for (let i = 0; i < batch.count; i++) {
        kept.push({ at: batch.at[i]!, length: batch.length[i]! });
        batch.taken[i] = 1;
      }
    });
    for (let i = 0; i < 200; i++) await far.send(edge, numbered(i));
    await waitFor(
      () => kept.length === 200,
      () => `${kept.length} kept`,
    );
    assert.equal(new Set(kept.map(({ at }) => at)).size, 200, "no slot twice");
    for (const [i, { at, length }] of kept.entries()) {
      assert.deepEqual(Buffer.from(edge.slab.u8.slice(at, at + length)), numbered(i));
    }
    const used = edge.pool.used;
    for (const { at } of kept) edge.pool.give(at);
    assert.equal(edge.pool.used, used - 200);
  });
}

function orderTests(kind: UdpKind): void {
  test("order is kept per path, over more packets than a batch, lengths equal or not", async (t) => {
    const edge = await setUp(t, kind);
    const fars = [await farEnd(t), await farEnd(t), await farEnd(t)];
    const paths = fars.map((far) => edge.pathTo(far.port));
    const length = (i: number): number => (i % 7 === 0 ? 60 : i % 11 === 0 ? 1200 : 300);
    for (let i = 0; i < 400; i++) edge.send(paths[i % 5 === 0 ? 2 : i % 2]!, numbered(i, length(i)));
    edge.udp.flush();
    await waitFor(
      () => fars.reduce((sum, far) => sum + far.received.length, 0) === 400,
      () => "not all 400 arrived",
    );
    for (const far of fars) {
      const numbers = far.received.map((bytes) => bytes.readUInt32BE(0));
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      );
      for (const bytes of far.received) assert.deepEqual(bytes, numbered(bytes.readUInt32BE(0), bytes.length));
      for (const bytes of far.received) assert.equal(bytes.length, length(bytes.readUInt32BE(0)));
    }
    assert.equal(edge.counters.sent, 400);
  });

  test("neighbours of equal length to one path arrive as single packets", async (t) => {
    const edge = await setUp(t, kind);
    const far = await farEnd(t);
    const path = edge.pathTo(far.port);
    for (let i = 0; i < 50; i++) edge.send(path, numbered(i, i === 49 ? 500 : 1116));
    edge.udp.flush();
    await far.until(50);
    assert.deepEqual(
      far.received.map((bytes) => [bytes.readUInt32BE(0), bytes.length]),
      Array.from({ length: 50 }, (_, i) => [i, i === 49 ? 500 : 1116]),
    );
  });

  test("nothing goes out before the flush, or before a batch is full", async (t) => {
    const edge = await setUp(t, kind);
    const far = await farEnd(t);
    const path = edge.pathTo(far.port);
    edge.send(path, numbered(0));
    assert.equal(edge.counters.sent, 0);
    for (let i = 1; i < BATCH_PACKETS; i++) edge.send(path, numbered(i));
    assert.equal(edge.counters.sent, BATCH_PACKETS);
    await far.until(BATCH_PACKETS);
  });

  test("a slow listener gets everything in order, and the event loop goes on meanwhile", async (t) => {
    const edge = await setUp(t, kind);
    const other = await setUp(t, kind);
    const path = edge.pathTo(other.udp.port);
    const numbers: number[] = [];
    other.setOnBatch((batch) => {
      for (let i = 0; i < batch.count; i++) numbers.push(other.slab.view.getUint32(batch.at[i]!));
      for (const until = performance.now() + 6; performance.now() < until;);
    });
    for (let i = 0; i < 1000; i++) edge.send(path, numbered(i));
    edge.udp.flush();
    let turns = 0;
    while (numbers.length < 1000 && turns < 1000) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
    assert.deepEqual(
      numbers,
      Array.from({ length: 1000 }, (_, i) => i),
    );
    assert.ok(turns >= 8, `${turns} turns of the event loop for 1,000 packets`);
  });

  test("a reserved slot is not the slot of a waiting packet", async (t) => {
    const edge = await setUp(t, kind);
    const slots = new Set<number>();
    const path = edge.pathTo(9);
    for (let i = 0; i < 10; i++) {
      slots.add(edge.udp.reserve());
      edge.udp.commit(path, 10);
    }
    assert.equal(slots.size, 10);
  });
}

function boundTests(kind: UdpKind): void {
  test("datagrams longer than a slot are dropped and counted, empty ones ignored", async (t) => {
    const edge = await setUp(t, kind);
    const far = await farEnd(t);
    await far.send(edge, Buffer.alloc(SLOT_BYTES + 1));
    await far.send(edge, Buffer.alloc(0));
    await far.send(edge, numbered(1, SLOT_BYTES));
    await edge.until(1);
    assert.deepEqual(edge.received[0]!.bytes, numbered(1, SLOT_BYTES));
    assert.equal(edge.counters.droppedTooLong, 1);
    assert.equal(edge.received.length, 1);
  });

  test("packets to unknown or gone paths are dropped and counted", async (t) => {
    const edge = await setUp(t, kind);
    const far = await farEnd(t);
    const path = edge.pathTo(far.port);
    for (const bad of [-1, 63, 64, 1 << 20]) edge.send(bad, numbered(1));
    edge.table.release(path);
    edge.table.sweep();
    edge.send(path, numbered(2));
    edge.udp.flush();
    assert.equal(edge.counters.droppedPathGone, 5);
    assert.equal(edge.counters.sent, 0);
  });

  test("a packet that the system refuses does not hold up the others", async (t) => {
    const edge = await setUp(t, kind);
    const far = await farEnd(t);
    const bad = edge.pathTo(0); // no such port
    const good = edge.pathTo(far.port);
    for (const path of [bad, good, bad, good]) edge.send(path, numbered(7));
    edge.udp.flush();
    await far.until(2);
    await waitFor(
      () => edge.counters.droppedRefused === 2,
      () => JSON.stringify(edge.counters),
    );
  });

  test("with no packet memory left, datagrams are dropped and counted, and later ones arrive again", async (t) => {
    const edge = await setUp(t, kind, { poolSlots: 256 });
    const far = await farEnd(t);
    const held: number[] = [];
    await far.send(edge, numbered(0));
    await edge.until(1);
    for (let at = edge.pool.take(); at >= 0; at = edge.pool.take()) held.push(at);
    edge.setOnBatch((batch) => {
      for (let i = 0; i < batch.count; i++) {
        held.push(batch.at[i]!);
        batch.taken[i] = 1;
      }
    });
    for (let i = 0; i < 150; i++) await far.send(edge, numbered(i));
    await waitFor(
      () => edge.counters.droppedNoMemory >= 80,
      () => JSON.stringify(edge.counters),
    );
    assert.equal(new Set(held).size, held.length, "no slot twice");
    edge.setOnBatch((batch) => void (edge.received.length = batch.count + 1));
    for (const at of held) edge.pool.give(at);
    await far.send(edge, numbered(9));
    await edge.until(2);
  });

  test("more addresses than the table holds: the surplus is dropped and counted", async (t) => {
    const edge = await setUp(t, kind, { paths: 4 });
    const fars = await Promise.all(Array.from({ length: 6 }, () => farEnd(t)));
    for (const [i, far] of fars.entries()) {
      await far.send(edge, numbered(i));
      await waitFor(
        () => edge.received.length + edge.counters.droppedNoPath === i + 1,
        () => `datagram ${i}`,
      );
      const last = edge.received.at(-1)!;
      if (edge.received.length === i + 1) edge.table.retain(last.path);
    }
    assert.equal(edge.received.length, 4);
    assert.equal(edge.counters.droppedNoPath, 2);
  });

  test("what is counted as sent arrives, over thousands of packets", async (t) => {
    const edge = await setUp(t, kind);
    const other = await setUp(t, kind);
    const path = edge.pathTo(other.udp.port);
    let got = 0;
    other.setOnBatch((batch) => (got += batch.count));
    for (let round = 1; round <= 20; round++) {
      for (let i = 0; i < 300; i++) edge.send(path, numbered(i, 1100));
      edge.udp.flush();
      await waitFor(
        () => got === round * 300,
        () => `${got} of ${JSON.stringify(edge.counters)}`,
      );
    }
    assert.equal(edge.counters.sent, 6000);
    assert.equal(other.counters.received, 6000);
  });
}

function openTests(kind: UdpKind): void {
  test("a port in use is one sentence that says what to do", async (t) => {
    const far = await farEnd(t);
    await assert.rejects(setUp(t, kind, { listen: { addresses: [V4], port: far.port } }), {
      name: "StoaError",
      code: "port_in_use",
      message: `UDP port ${far.port} is in use; choose another with --udp-port or rtc.udp_port in the configuration`,
    });
  });

  test("an address that is not ours is one sentence; an optional one is passed over", async (t) => {
    const foreign = "192.0.2.1";
    await assert.rejects(setUp(t, kind, { listen: { addresses: [{ address: foreign, optional: false }], port: 0 } }), {
      code: "bad_address",
      message: `${foreign} is not an address of this machine; udp cannot listen on it`,
    });
    const listen = { addresses: [V4, { address: foreign, optional: true }], port: 0 };
    assert.deepEqual((await setUp(t, kind, { listen })).udp.addresses, ["127.0.0.1"]);
    await assert.rejects(setUp(t, kind, { listen: { addresses: [{ address: "eth0", optional: false }], port: 0 } }), {
      code: "bad_address",
    });
  });

  test("close frees the port, may come twice, and from within a batch", async (t) => {
    const edge = await setUp(t, kind);
    const far = await farEnd(t);
    let batches = 0;
    edge.setOnBatch((batch) => {
      batches += 1;
      batch.taken[0] = 1;
      edge.udp.close();
    });
    await far.send(edge, numbered(1));
    await waitFor(
      () => batches === 1,
      () => "the batch",
    );
    edge.udp.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(edge.pool.used, 1, "only what was taken is out");
    await setUp(t, kind, { listen: { addresses: [V4], port: edge.udp.port } });
  });
}
