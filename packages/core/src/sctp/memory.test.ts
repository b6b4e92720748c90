/** What an association can be made to hold, measured in V8's heap and not by its own counts. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readI32, readU32 } from "@stoa/wire/sctp/bytes";
import { INIT, INIT_ACK } from "@stoa/wire/sctp/chunk-types";
import { FLAG_BEGIN, FLAG_END, writeDataHeader } from "@stoa/wire/sctp/data";
import { PPID_BINARY, PPID_DCEP, writeDcepOpen } from "@stoa/wire/sctp/dcep";
import { finishPacket, startPacket } from "@stoa/wire/sctp/packet";
import { Pair } from "./pair.test.ts";

const MIB = 1 << 20;
/** As `SctpLimits` says for the defaults. */
const RECEIVE_BOUND = 4 * 4 * MIB;
const CHANNEL_BOUND = 12 * MIB;
const SEND_BOUND = 16 * MIB;
const BOTH = FLAG_BEGIN | FLAG_END;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heldBytes(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A client that says what it likes once it is connected, and never acknowledges anything. */
class Stranger {
  readonly pair = new Pair({}, {});
  readonly #packet = new Uint8Array(1200);
  tsn = 0;
  #tag = 0;
  #end = 0;

  constructor() {
    this.pair.filter = (bytes, from) => {
      if (from === this.pair.client && bytes[12] !== INIT) this.#tag = readU32(bytes, 4);
      if (from === this.pair.client && (bytes[12] === INIT || bytes[12] === INIT_ACK)) this.tsn = readI32(bytes, 28);
      return bytes;
    };
    this.pair.connect();
    this.pair.filter = () => undefined;
    // Whether the owner polls is part of each attack.
    this.pair.server.paused = true;
    this.#start();
  }

  get server() {
    return this.pair.server.association;
  }

  /** Adds a chunk to the packet, which goes out when it is full. */
  data(flags: number, stream: number, ssn: number, payload: Uint8Array, tsn: number, ppid = PPID_BINARY): void {
    if (this.#end + 20 + payload.length > this.#packet.length) this.flush();
    this.#packet.set(payload, this.#end + 16);
    this.#end = writeDataHeader(this.#packet, this.#end, flags, tsn | 0, stream, ssn & 0xffff, ppid, payload.length);
  }

  flush(): void {
    finishPacket(this.#packet, this.#end);
    this.server.handlePacket(this.#packet.subarray(0, this.#end), this.pair.nowMs);
    while (this.server.pollPacket(this.pair.nowMs));
    this.#start();
  }

  open(stream: number, label: string): void {
    const spec = { label, protocol: "", ordered: true, priority: 256 };
    const bytes = writeDcepOpen({ ...spec, maxRetransmits: undefined, maxPacketLifeTimeMs: undefined })!;
    const pieces = Math.ceil(bytes.length / 1100);
    for (let i = 0; i < pieces; i++) {
      const flags = (i === 0 ? FLAG_BEGIN : 0) | (i === pieces - 1 ? FLAG_END : 0);
      this.data(flags, stream, 0, bytes.subarray(i * 1100, (i + 1) * 1100), this.tsn++, PPID_DCEP);
    }
  }

  #start(): void {
    this.#end = startPacket(this.#packet, 5000, 5000, this.#tag);
  }
}

function growth(attack: (stranger: Stranger) => void): number {
  const stranger = new Stranger();
  const before = heldBytes();
  attack(stranger);
  stranger.flush();
  const grown = heldBytes() - before;
  assert.ok(stranger.server.connected);
  return grown;
}

const TINY = Uint8Array.of(1);
const LONG = new Uint8Array(1100);

test("nothing that a peer sends makes it hold more than it says", () => {
  const attacks: Record<string, (stranger: Stranger) => void> = {
    "messages before the first of their stream": (s) => {
      for (let i = 1; i < 60_000; i++) s.data(BOTH, 0, i, TINY, s.tsn++);
    },
    "the same on thousands of streams": (s) => {
      for (let i = 0; i < 200_000; i++) s.data(BOTH, i % 5000, 1 + i / 5000, TINY, s.tsn++);
    },
    "long ones": (s) => {
      for (let i = 1; i < 20_000; i++) s.data(BOTH, 0, i, LONG, s.tsn++);
    },
    "messages that nobody takes": (s) => {
      s.open(0, "x");
      for (let i = 1; i < 200_000; i++) s.data(BOTH, 0, i, TINY, s.tsn++);
    },
    "first fragments behind gaps": (s) => {
      for (let i = 1; i < 30_000; i++) s.data(FLAG_BEGIN, i & 1023, 0, LONG, s.tsn + 2 * i);
    },
    "fragments that join, of messages without an end": (s) => {
      for (let i = 1; i < 60_000; i++) s.data(i % 200 === 1 ? FLAG_BEGIN : 0, 0, i / 200, LONG, s.tsn + i);
    },
    "every second TSN": (s) => {
      for (let i = 1; i < 32_000; i++) s.data(BOTH, 0, i, TINY, s.tsn + 2 * i);
    },
  };
  for (const [name, attack] of Object.entries(attacks)) {
    const bytes = growth(attack);
    assert.ok(bytes < RECEIVE_BOUND, `${name}: ${(bytes / MIB).toFixed(1)} MiB`);
  }
});

test("channels with long labels, opened all over again, while nobody polls", () => {
  const bytes = growth((s) => {
    for (let i = 0; i < 20_000; i++) s.open((2 * i) & 0xffff, `${i}`.padEnd(4000, "ä"));
  });
  assert.ok(bytes < RECEIVE_BOUND + CHANNEL_BOUND, `${(bytes / MIB).toFixed(1)} MiB`);
});

test("a peer that never acknowledges stops the sender at its bound", () => {
  for (const length of [1, 100, 60_000]) {
    const bytes = growth((s) => {
      s.open(0, "x");
      s.flush();
      for (let i = 0; i < 1_000_000; i++) {
        if (s.server.send(0, new Uint8Array(length), true, s.pair.nowMs) !== "queued") break;
        while (s.server.pollPacket(s.pair.nowMs));
      }
      for (let i = 0; i < 6; i++) {
        s.pair.nowMs += 3000;
        s.server.handleTimeout(s.pair.nowMs);
        while (s.server.pollPacket(s.pair.nowMs));
      }
      assert.ok(s.server.sendHeldBytes <= SEND_BOUND);
    });
    // The data of a message is its owner's; V8 needs about half as much again for a tiny one.
    assert.ok(bytes < 1.5 * SEND_BOUND + CHANNEL_BOUND, `${length}: ${(bytes / MIB).toFixed(1)} MiB`);
  }
});
