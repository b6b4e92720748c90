import assert from "node:assert/strict";
import { test } from "node:test";
import { OPUS, VP8, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { SharedTables } from "./shared-tables.ts";
import { BYTES_OUT, PACKETS_OUT, Subscriber } from "./subscriber.ts";

const published = videoReceiver().codecs;

test("subscribers with the same description share tables, whatever their SSRCs and names", () => {
  const tables = new SharedTables();
  const one = tables.find(published, videoSender({ ssrc: 1, rtxSsrc: 2, cname: "a" }));
  assert.equal(tables.find(published, videoSender({ ssrc: 3, rtxSsrc: 4, cname: "b" })), one);
  assert.equal(one.codecs.payloadType[0], videoSender().codecs[0]!.payloadType);
});

test("another codec, extension or publication, and a stream without RTX, have tables of their own", () => {
  const tables = new SharedTables();
  const one = tables.find(published, videoSender({ ssrc: 1, rtxSsrc: 2 }));
  const others = [
    tables.find(published, videoSender({ codecs: [{ ...VP8, payloadType: 120 }] })),
    tables.find(published, videoSender({ extensions: { transportCc: 9 } })),
    tables.find(published, videoSender({ rtxSsrc: 0 })),
    tables.find([OPUS, ...published], videoSender({ ssrc: 1, rtxSsrc: 2 })),
  ];
  assert.equal(new Set([one, ...others]).size, 5);
  assert.equal(others[0]!.codecs.payloadType[0], 120);
  assert.equal(others[1]!.plan.transportCc, 9);
  assert.equal(others[3]!.codecs.payloadType[1], one.codecs.payloadType[0]);
});

test("many kinds of clients cost bounded memory and get right tables all the same", () => {
  const tables = new SharedTables();
  for (let i = 0; i < 1000; i++) {
    const payloadType = 96 + (i % 30);
    const absSendTime = 1 + (i % 14);
    const spec = videoSender({ codecs: [{ ...VP8, payloadType }], extensions: { absSendTime } });
    const { codecs, plan } = tables.find(published, spec);
    assert.equal(codecs.payloadType[0], payloadType);
    assert.equal(plan.absSendTime, absSendTime);
  }
});

test("what was sent is counted beyond 32 bits", () => {
  const transport = { path: 1, connected: true, protectRtp: () => 0, protectRtcp: () => 0 };
  const subscriber = new Subscriber(1, transport);
  for (let i = 0; i < 20; i++) subscriber.countSent(2 ** 29 - i);
  assert.equal(subscriber.counters[PACKETS_OUT], 20);
  assert.equal(subscriber.counters[BYTES_OUT], 20 * 2 ** 29 - 190);
});
