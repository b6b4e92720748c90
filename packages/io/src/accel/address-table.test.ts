import { describe, test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Slab } from "@stoa/core/slab";
import { NO_PATH } from "@stoa/core/paths";
import { createRandom } from "../random.ts";
import { parseIp } from "../ip-address.ts";
import { AddressTable, SOCKADDR_BYTES, readSockaddr, writeSockaddr } from "./address-table.ts";

const CAPACITY = 8;

function setUp(capacity = CAPACITY) {
  const slab = new Slab(new ArrayBuffer(1 << 20));
  const table = new AddressTable(slab, capacity, createRandom());
  const scratch = slab.alloc(SOCKADDR_BYTES);
  const find = (address: string, port: number, socket = 0): number => {
    writeSockaddr(slab, scratch, parseIp(address)!, port);
    return table.find(socket, scratch);
  };
  return { slab, table, find };
}

describe("address table", () => {
  test("address, port and socket make a path; IPv4 and IPv6 are described", () => {
    const { table, find } = setUp();
    const path = find("192.0.2.1", 5000);
    assert.equal(find("192.0.2.1", 5000), path);
    const others = [
      find("192.0.2.1", 5001),
      find("192.0.2.2", 5000),
      find("192.0.2.1", 5000, 1),
      find("2001:db8::1", 5000),
    ];
    assert.equal(new Set([path, ...others]).size, 5);
    assert.deepEqual(table.describe(path), { protocol: "udp", address: Uint8Array.of(192, 0, 2, 1), port: 5000 });
    assert.deepEqual(table.describe(others[3]!), { protocol: "udp", address: parseIp("2001:db8::1"), port: 5000 });
    assert.equal(table.addressLength(path), 16);
    assert.equal(table.addressLength(others[3]!), 28);
    assert.equal(table.socketOf(others[2]!), 1);
    for (const none of [-1, 7, CAPACITY, 1 << 30]) assert.equal(table.describe(none), undefined);
  });

  test("IPv6 addresses that differ in the last byte or in the scope are different", () => {
    const { slab, table, find } = setUp();
    const one = find("fe80::1", 5000);
    assert.notEqual(find("fe80::2", 5000), one);
    const scoped = slab.alloc(SOCKADDR_BYTES);
    writeSockaddr(slab, scoped, parseIp("fe80::1")!, 5000);
    slab.view.setUint32(scoped + 24, 3, true);
    assert.notEqual(table.find(0, scoped), one);
  });

  test("an IPv4-mapped address is described as IPv4", () => {
    const { table, find } = setUp();
    assert.deepEqual(table.describe(find("::ffff:192.0.2.9", 7))?.address, Uint8Array.of(192, 0, 2, 9));
  });

  test("TCP handles live until the connection ended and nobody holds them", () => {
    const { table } = setUp();
    const info = { protocol: "tcp", address: Uint8Array.of(127, 0, 0, 1), port: 9 } as const;
    const path = table.addTcp(info);
    table.sweep();
    assert.deepEqual(table.describe(path), info);
    table.retain(path);
    table.drop(path);
    table.sweep();
    table.sweep();
    assert.deepEqual(table.describe(path), info);
    assert.equal(table.release(path), true);
    table.sweep();
    assert.equal(table.describe(path), undefined);
  });

  test("releasing what is not held changes nothing", () => {
    const { table, find } = setUp();
    const path = find("192.0.2.1", 1);
    assert.equal(table.release(path), false);
    assert.equal(table.release(-1), false);
    assert.equal(table.release(CAPACITY), false);
    table.retain(path);
    table.retain(path);
    assert.equal(table.release(path), false);
    assert.equal(table.release(path), true);
    assert.equal(table.release(path), false);
  });

  test("a freed handle comes back as late as possible", () => {
    const { table, find } = setUp();
    const first = find("192.0.2.1", 1);
    table.sweep();
    for (let port = 2; port <= CAPACITY; port++) assert.notEqual(find("192.0.2.1", port), first);
    assert.equal(find("192.0.2.1", 99), first);
  });

  test("behaves like a map from address to handle, whatever the order of calls", () => {
    // Few addresses and a small table, so that collisions, a full table and backward shifts are common.
    const port = fc.integer({ min: 1, max: 24 });
    const call = fc.oneof(
      fc.record({ type: fc.constant("find" as const), port }),
      fc.record({ type: fc.constant("retain" as const), port }),
      fc.record({ type: fc.constant("release" as const), port }),
      fc.record({ type: fc.constant("sweep" as const), port }),
    );
    fc.assert(
      fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
        const { table, find } = setUp();
        const model = new Map<number, { path: number; held: number }>();
        for (const { type, port: wanted } of calls) {
          const known = model.get(wanted);
          if (type === "find") {
            const path = find("192.0.2.1", wanted);
            if (known) assert.equal(path, known.path);
            else if (model.size === CAPACITY) assert.equal(path, NO_PATH);
            else {
              assert.ok(path >= 0 && ![...model.values()].some((entry) => entry.path === path));
              model.set(wanted, { path, held: 0 });
            }
          } else if (type === "retain" && known) {
            table.retain(known.path);
            known.held += 1;
          } else if (type === "release" && known && known.held > 0) {
            known.held -= 1;
            assert.equal(table.release(known.path), known.held === 0);
          } else if (type === "sweep") {
            table.sweep();
            for (const [key, entry] of model) if (entry.held === 0) model.delete(key);
          }
          assert.equal(table.size, model.size);
          for (const [key, entry] of model) assert.equal(table.describe(entry.path)?.port, key);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("socket addresses survive being written and read", () => {
    const slab = new Slab(new ArrayBuffer(1 << 16));
    const at = slab.alloc(SOCKADDR_BYTES);
    for (const text of ["0.0.0.0", "255.254.253.252", "::", "2001:db8:1:2:3:4:5:6"]) {
      const address = parseIp(text)!;
      assert.equal(writeSockaddr(slab, at, address, 65_535), address.length === 4 ? 16 : 28);
      assert.deepEqual(readSockaddr(slab, at), { address, port: 65_535 });
    }
  });
});
