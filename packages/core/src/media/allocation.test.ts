/** Forwarding allocates nothing per packet and subscriber. The time per packet is printed, not judged. */
import assert from "node:assert/strict";
import { test } from "node:test";
import v8 from "node:v8";
import vm from "node:vm";
import type { PacketSink } from "../paths.ts";
import { PacketPool, SLOT_BYTES, Slab } from "../slab.ts";
import { Forwarder } from "./forwarder.ts";
import { OPUS, VP8, audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import type { MediaTransport } from "./transport.ts";

v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void;

const SUBSCRIBERS = 200;
const BATCHES = 4000;
/** Batches between two looks at the heap: what they would allocate stays below what starts a collection. */
const CHUNK = 20;
const PAYLOAD_BYTES = 1100;

function setUp(isVideo: boolean, nack: boolean) {
  const slab = new Slab(new ArrayBuffer(16 << 20));
  const pool = new PacketPool(slab, 4096);
  const slot = slab.alloc(SLOT_BYTES);
  const counts = new Int32Array(1);
  const sink: PacketSink = {
    reserve: () => slot,
    commit: () => {
      counts[0]!++;
    },
    send: () => undefined,
    flush: () => undefined,
  };
  let drawn = 1;
  const random = { bytes: (length: number) => new Uint8Array(length), uint32: () => (drawn += 99) };
  const forwarder = new Forwarder({ slab, pool, sink, random });
  const transport = (path: number): MediaTransport => ({
    path,
    connected: true,
    protectRtp: (_at, header, _from, payload) => header + payload,
    protectRtcp: (_at, length) => length,
  });
  const extensions = { absSendTime: 3, transportCc: 4, audioLevel: 6 };
  forwarder.addPeer(1, transport(1));
  forwarder.setReceivers(1, [isVideo ? videoReceiver() : audioReceiver({ extensions: { audioLevel: 4 } })]);
  forwarder.peerConnected(1, 1000.5);
  for (let id = 2; id < 2 + SUBSCRIBERS; id++) {
    forwarder.addPeer(id, transport(id));
    const sender = isVideo ? videoSender({ extensions }) : audioSender({ extensions, codecs: [{ ...OPUS, nack }] });
    forwarder.setSenders(id, [sender]);
    forwarder.peerConnected(id, 1000.5);
  }
  return { slab, pool, forwarder, counts };
}

for (const [what, isVideo, nack] of [
  ["video", true, true],
  ["audio", false, false],
  ["audio that can be asked for again", false, true],
] as const) {
  test(`${what} to ${SUBSCRIBERS} subscribers`, (t) => {
    const { slab, pool, forwarder, counts } = setUp(isVideo, nack);
    const { view } = slab;
    const times = Array.from({ length: 2 * BATCHES }, (_, i) => 1001.25 + i);
    let sequence = 0;
    const run = (from: number, batches: number) => {
      for (let i = from; i < from + batches; i++) {
        const nowMs = times[i]!;
        for (let k = 0; k < 2; k++) {
          const at = pool.take();
          sequence = (sequence + 1) & 0xffff;
          view.setInt32(at, 0x90000000 | ((isVideo ? VP8 : OPUS).payloadType << 16) | sequence);
          view.setInt32(at + 4, (0x7fffff00 + i * 3000) | 0);
          view.setInt32(at + 8, isVideo ? 1000 : 500);
          view.setInt32(at + 12, 0xbede0001 | 0);
          view.setInt32(at + 16, 0x40110000);
          // VP8: all optional fields, the first packet begins a key frame.
          view.setInt32(at + 20, 0x90f08000 | (sequence & 0x7f));
          view.setInt32(at + 24, sequence === 1 ? 0x00200000 : 0x00200100);
          if (!forwarder.handleRtp(1, at, 20 + PAYLOAD_BYTES, nowMs)) pool.give(at);
        }
        forwarder.endBatch(nowMs);
        if (nowMs >= forwarder.nextTimeoutMs()) forwarder.handleTimeout(nowMs);
        while (forwarder.pollEvent());
      }
    };
    run(0, BATCHES);
    collectGarbage();
    const sentBefore = counts[0]!;
    let grown = 0;
    let micros = 0;
    for (let done = 0; done < BATCHES; done += CHUNK) {
      const heapBefore = process.memoryUsage().heapUsed;
      const started = process.hrtime.bigint();
      run(BATCHES + done, CHUNK);
      micros += Number(process.hrtime.bigint() - started) / 1000;
      // A collection in between makes it shrink; the other pieces tell.
      grown += Math.max(0, process.memoryUsage().heapUsed - heapBefore);
    }
    const sent = counts[0]! - sentBefore;
    assert.ok(sent >= 2 * BATCHES * SUBSCRIBERS, `${sent} sent`);
    t.diagnostic(`${(micros / sent).toFixed(3)} µs and ${(grown / sent).toFixed(3)} bytes of heap per packet sent`);
    // One number on the heap would be 16 bytes. Reports and the timer's work are in here too.
    assert.ok(grown / sent < 2, `${grown / sent} bytes per packet sent`);
  });
}
