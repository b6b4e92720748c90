/** One test for each rule of the original, by the numbers of the decision page. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import type { SendOutcome } from "../../peer/data-transport.ts";
import { type CompatibleChannel, createCompatibleSender } from "./compatible-sender.ts";

const payload = (length: number, fill = 0) => new Uint8Array(length).fill(fill);

/** Lets every promise that can go on do so. */
const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

class ManualChannel implements CompatibleChannel {
  readonly label = "_data_track";
  readonly sent: Uint8Array[] = [];
  outcome: SendOutcome = "queued";
  callback: ((bytes: number) => void) | undefined;

  send(bytes: Uint8Array): SendOutcome {
    this.sent.push(bytes);
    return this.outcome;
  }

  onBytesSent(callback: (bytes: number) => void): void {
    assert.equal(this.callback, undefined, "one callback");
    this.callback = callback;
  }

  get lengths(): number[] {
    return this.sent.map(({ length }) => length);
  }
}

function setup(lowBufferThreshold: number) {
  const channel = new ManualChannel();
  const logs: string[] = [];
  let close = () => {};
  const closed = new Promise<void>((resolve) => (close = resolve));
  const log = (level: string, message: string) => logs.push(`${level}: ${message}`);
  const made = createCompatibleSender({ lowBufferThreshold, channel, closed, log });
  const bytesSent = async (bytes: number) => {
    channel.callback!(bytes);
    await settle();
  };
  const give = async (...lengths: number[]) => {
    for (const length of lengths) void made.input.send(payload(length));
    await settle();
  };
  return { ...made, channel, logs, close, bytesSent, give };
}

test("002-1 the input holds 128 payloads that nobody took; the producer of the 129th waits", async () => {
  const { sender, input, channel } = setup(1 << 20);
  for (let i = 0; i < 128; i++) await input.send(payload(1, i));
  let taken = false;
  const last = input.send(payload(1, 128)).then(() => (taken = true));
  await settle();
  assert.equal(taken, false);
  assert.equal(input.trySend(payload(1)), false);
  void sender.run();
  await last;
  await settle();
  assert.deepEqual(
    channel.sent.map((bytes) => bytes[0]),
    Array.from({ length: 129 }, (_, i) => i),
  );
});

test("002-2 it runs once, listens to the channel from then on, and logs its start and end with the label", async () => {
  const { sender, channel, logs, close } = setup(0);
  assert.equal(channel.callback, undefined);
  const run = sender.run();
  assert.ok(channel.callback);
  await assert.rejects(sender.run(), { code: "invalid_argument" });
  close();
  await run;
  assert.deepEqual(logs, [
    "debug: Send task started for data channel '_data_track'",
    "debug: Send task ended for data channel '_data_track'",
  ]);
});

test("002-3 bytes sent, payloads and the close signal wake it; an input that ends does not end it", async () => {
  const { sender, input, channel, close, bytesSent, give } = setup(0);
  let ended = false;
  const run = sender.run().then(() => (ended = true));
  await give(10, 20);
  assert.deepEqual(channel.lengths, [10], "woken by a payload");
  input.close();
  await settle();
  assert.equal(ended, false);
  await assert.rejects(input.send(payload(1)), { code: "sender_closed" });
  await bytesSent(10);
  assert.deepEqual(channel.lengths, [10, 20], "woken by bytes sent");
  assert.equal(ended, false);
  close();
  await run;
});

test("002-3 a close signal from before the start ends it at once, and a producer that waits hears of it", async () => {
  const { sender, input, channel, close } = setup(1000);
  for (let i = 0; i < 128; i++) input.trySend(payload(1));
  const waiting = input.send(payload(1));
  close();
  await settle();
  const refused = assert.rejects(waiting, { code: "sender_closed" });
  await sender.run();
  await refused;
  assert.deepEqual(channel.sent, []);
});

test("002-4 the count starts at nothing, grows by what is sent and shrinks by what the channel reports", async () => {
  const { sender, bytesSent, give } = setup(100);
  assert.equal(sender.bufferedBytes, 0);
  void sender.run();
  await give(30, 50);
  assert.equal(sender.bufferedBytes, 80);
  await bytesSent(20);
  assert.equal(sender.bufferedBytes, 60);
});

test("002-5 a payload joins the queue before the queue is sent; a report is subtracted before it is", async () => {
  const { sender, channel, bytesSent, give } = setup(0);
  void sender.run();
  await give(5, 6, 7);
  assert.deepEqual(channel.lengths, [5]);
  await bytesSent(5);
  assert.deepEqual(channel.lengths, [5, 6], "the oldest, not the newest");
  await give(8);
  assert.deepEqual(channel.lengths, [5, 6]);
});

test("002-6 it sends while the count is at or below the threshold, so it passes it by one payload at most", async () => {
  const { sender, channel, bytesSent, give } = setup(100);
  void sender.run();
  await give(100, 60, 1);
  assert.deepEqual(channel.lengths, [100, 60], "exactly at the threshold still sends");
  assert.equal(sender.bufferedBytes, 160);
  await bytesSent(59);
  assert.equal(channel.sent.length, 2, "101 is above");
  await bytesSent(1);
  assert.equal(channel.sent.length, 3);
});

test("002-6 a threshold of zero sends one at a time", async () => {
  const { sender, channel, bytesSent, give } = setup(0);
  void sender.run();
  await give(10, 10, 10);
  for (let sent = 1; sent <= 3; sent++) {
    assert.equal(channel.sent.length, sent);
    await bytesSent(10);
  }
});

test("002-7 a payload that cannot be sent is logged and lost; the sender goes on, its count stays raised", async () => {
  const { sender, channel, logs, give } = setup(100);
  void sender.run();
  channel.outcome = "closed";
  await give(40);
  channel.outcome = "queued";
  await give(41);
  assert.deepEqual(channel.lengths, [40, 41]);
  assert.equal(sender.bufferedBytes, 81);
  assert.ok(logs.includes("error: Failed to send data: closed"));
});

test("002-8 a report above the count is logged, sets it to nothing and sends nothing", async () => {
  const { sender, channel, logs, bytesSent, give } = setup(10);
  void sender.run();
  await give(20, 30);
  await bytesSent(21);
  assert.equal(sender.bufferedBytes, 0);
  assert.deepEqual(channel.lengths, [20], "no sending for this report");
  assert.ok(logs.includes("error: Unexpected buffer amount"));
  await give(5);
  assert.deepEqual(channel.lengths, [20, 30], "the next payload wakes it again");
});

test("002-9 at the end it logs how many bytes were left, if any", async () => {
  const { sender, logs, close, give } = setup(0);
  const run = sender.run();
  await give(10, 200, 33);
  close();
  await run;
  assert.ok(logs.includes("info: 233 byte(s) remain in queue"));
});

test("002-10 the channel does not keep the sender alive, and reports after the end are ignored", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const channel = new ManualChannel();
  const logs: string[] = [];
  const start = async () => {
    const log = (level: string, message: string) => logs.push(`${level}: ${message}`);
    const { sender, input } = createCompatibleSender({
      lowBufferThreshold: 0,
      channel,
      closed: Promise.resolve(),
      log,
    });
    await input.send(payload(1));
    await sender.run();
    return new WeakRef(sender);
  };
  const sender = await start();
  const before = logs.length;
  channel.callback!(1_000_000);
  await settle();
  assert.equal(logs.length, before);
  let alive = true;
  for (let i = 0; i < 10 && alive; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    alive = sender.deref() !== undefined;
  }
  assert.equal(alive, false, "nothing holds it but the callback, which does not");
  channel.callback!(1);
});

test("002-11 whatever comes when, payloads go out whole and in their order", async () => {
  const steps = fc.array(fc.oneof(fc.record({ give: fc.nat(300) }), fc.record({ drain: fc.nat(500) })), {
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(400), async (script, threshold) => {
      const { sender, input, channel, bytesSent, close } = setup(threshold);
      const run = sender.run();
      const given: Uint8Array[] = [];
      for (const step of script) {
        if ("give" in step) {
          given.push(payload(step.give, given.length));
          await input.send(given.at(-1)!);
          await settle();
        } else await bytesSent(Math.min(step.drain, sender.bufferedBytes));
        assert.ok(sender.bufferedBytes <= threshold + 300);
        assert.deepEqual(channel.sent, given.slice(0, channel.sent.length));
      }
      close();
      await run;
    }),
    { numRuns: 60 },
  );
});
