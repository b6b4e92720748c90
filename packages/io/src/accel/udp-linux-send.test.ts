import { describe, test } from "node:test";
import assert from "node:assert/strict";
import koffi from "koffi";
import { PacketPool, Slab } from "@stoa/core/slab";
import { createRandom } from "../random.ts";
import { AddressTable, SOCKADDR_BYTES, readSockaddr, writeSockaddr } from "./address-table.ts";
import { MMSGHDR_BYTES } from "./message-vector.ts";
import type { LibC } from "./native.ts";
import { ERRNO } from "./native.ts";
import { SendQueue } from "./udp-linux-send.ts";
import { createCounters } from "./udp.ts";

/** Any address that is not 0: only differences matter, and the slab lies across a border of 4 GiB. */
const BASE = 2 ** 32 - (1 << 20);

/** One `sendmmsg` message as the kernel would see it: destination port, first byte of each packet, segment size. */
interface Message {
  readonly port: number;
  readonly packets: readonly number[];
  readonly segment: number;
}

/** What the system does at one call: takes so many messages, or fails with an error number. */
type Answer = { readonly take: number } | { readonly errno: number };

function setUp(gso = true) {
  const slab = new Slab(new ArrayBuffer(8 << 20));
  const table = new AddressTable(slab, 16, createRandom());
  const counters = createCounters();
  const answers: Answer[] = [];
  const calls: Message[][] = [];
  const taken: Message[] = [];
  const pointer = (at: number): number =>
    slab.view.getUint32(at, true) + slab.view.getUint32(at + 4, true) * 2 ** 32 - BASE;
  const readMessage = (at: number): Message => {
    const iovecs = pointer(at + 16);
    const packets = Array.from(
      { length: slab.view.getUint32(at + 24, true) },
      (_, i) => slab.u8[pointer(iovecs + i * 16)]!,
    );
    const segmented = slab.view.getUint32(at + 40, true) > 0;
    const segment = segmented ? slab.view.getUint16(pointer(at + 32) + 16, true) : 0;
    return { port: readSockaddr(slab, pointer(at)).port, packets, segment };
  };
  const sendmmsg = (_fd: number, headers: number, count: number): number => {
    const messages = Array.from({ length: count }, (_, i) => readMessage(headers - BASE + i * MMSGHDR_BYTES));
    calls.push(messages);
    const answer = answers.shift() ?? { take: count };
    if ("errno" in answer) {
      koffi.errno(answer.errno);
      return -1;
    }
    taken.push(...messages.slice(0, answer.take));
    return answer.take;
  };
  const context = { slab, pool: new PacketPool(slab, 0), table, counters, beforeBatch: () => {}, onBatch: () => {} };
  const queue = new SendQueue(context, BASE, { sendmmsg } as unknown as LibC, [3], gso);
  const path = (port: number): number => {
    const at = slab.alloc(SOCKADDR_BYTES);
    writeSockaddr(slab, at, Uint8Array.of(127, 0, 0, 1), port);
    return table.find(0, at);
  };
  const send = (to: number, mark: number, length = 100): void => {
    slab.u8[queue.reserve()] = mark;
    queue.commit(to, length);
  };
  /** Marks of everything that went out, in order. */
  const sentMarks = (): number[] => taken.flatMap((message) => message.packets);
  return { slab, table, counters, answers, calls, taken, queue, path, send, sentMarks };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe("send queue", () => {
  test("neighbours of one path and length are one message with a segment size; a shorter one may end it", () => {
    const { path, send, queue, taken } = setUp();
    const [one, two] = [path(1001), path(1002)];
    send(one, 1);
    send(one, 2);
    send(one, 3, 50);
    send(one, 4);
    send(two, 5);
    send(one, 6);
    queue.flush();
    assert.deepEqual(taken, [
      { port: 1001, packets: [1, 2, 3], segment: 100 },
      { port: 1001, packets: [4], segment: 0 },
      { port: 1002, packets: [5], segment: 0 },
      { port: 1001, packets: [6], segment: 0 },
    ]);
  });

  test("a run never exceeds what the kernel takes in one message", () => {
    const { path, send, queue, taken } = setUp();
    const one = path(1001);
    for (const i of range(0, 64)) send(one, i, 1200);
    queue.flush();
    assert.ok(taken.every((message) => message.packets.length * 1200 <= 65_000));
    assert.deepEqual(
      taken.flatMap((message) => message.packets),
      range(0, 64),
    );
  });

  test("without GSO every packet is a message", () => {
    const { path, send, queue, taken } = setUp(false);
    const one = path(1001);
    for (const i of range(0, 5)) send(one, i);
    queue.flush();
    assert.equal(taken.length, 5);
    assert.ok(taken.every((message) => message.segment === 0));
  });

  test("what the system takes in parts goes out in order", () => {
    const { path, send, queue, answers, sentMarks, counters } = setUp(false);
    const one = path(1001);
    for (const i of range(0, 10)) send(one, i);
    answers.push({ take: 3 }, { errno: ERRNO.EINTR }, { take: 2 });
    queue.flush();
    assert.deepEqual(sentMarks(), range(0, 10));
    assert.equal(counters.sent, 10);
  });

  for (const errno of [ERRNO.EAGAIN, ERRNO.ENOBUFS]) {
    test(`after errno ${errno} the rest stays, in order, before what comes later`, () => {
      const { path, send, queue, answers, sentMarks, counters } = setUp(false);
      const [one, two] = [path(1001), path(1002)];
      for (const i of range(0, 10)) send(i % 2 === 0 ? one : two, i);
      answers.push({ take: 4 }, { errno });
      queue.flush();
      assert.equal(queue.pending, 6);
      for (const i of range(10, 20)) send(one, i);
      queue.flush();
      assert.deepEqual(sentMarks(), range(0, 20));
      assert.equal(queue.pending, 0);
      assert.equal(counters.sent, 20);
    });
  }

  test("a full system bounds the queue: the surplus is dropped and counted, no slot is lost", () => {
    const { path, send, queue, answers, sentMarks, counters, calls } = setUp(false);
    const one = path(1001);
    for (let i = 0; i < 2000; i++) answers.push({ errno: ERRNO.EAGAIN });
    for (let i = 0; i < 1000; i++) send(one, i & 0xff);
    assert.equal(queue.pending, 512);
    assert.equal(counters.droppedFull, 488);
    assert.ok(calls.length < 20, "a full system is not asked at every packet");
    answers.length = 0;
    queue.flush();
    assert.deepEqual(
      sentMarks(),
      range(0, 512).map((i) => i & 0xff),
    );
    const slots = new Set<number>();
    for (const i of range(0, 60)) {
      slots.add(queue.reserve());
      send(one, i);
    }
    assert.equal(slots.size, 60);
  });

  test("a refused packet is dropped, the others go", () => {
    const { path, send, queue, answers, sentMarks, counters } = setUp(false);
    const [one, two] = [path(1001), path(1002)];
    for (const i of range(0, 6)) send(i === 2 ? two : one, i);
    answers.push({ take: 2 }, { errno: 1 /* EPERM */ });
    queue.flush();
    assert.deepEqual(sentMarks(), [0, 1, 3, 4, 5]);
    assert.equal(counters.droppedRefused, 1);
  });

  for (const [errno, again] of [
    [ERRNO.EIO, false],
    [ERRNO.EINVAL, false],
    [ERRNO.EMSGSIZE, true],
  ] as const) {
    test(`a segmented message refused with errno ${errno} goes as single packets; later ${again ? "again" : "no more"} segmented`, () => {
      const { path, send, queue, answers, taken, sentMarks, counters } = setUp();
      const one = path(1001);
      for (const i of range(0, 4)) send(one, i);
      answers.push({ errno });
      queue.flush();
      assert.deepEqual(sentMarks(), range(0, 4));
      assert.equal(taken.length, 4);
      for (const i of range(4, 8)) send(one, i);
      queue.flush();
      assert.deepEqual(sentMarks(), range(0, 8));
      assert.equal(taken.length, again ? 5 : 8);
      assert.equal(counters.droppedRefused, 0);
    });
  }
});
