/** A client that says what it believes, and answers sender reports: what its link is taken to carry. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RembSide } from "./remb-side.ts";

const RTT_MS = 40;
const SENT_BPS = 1_000_000;

/** A client that gets a megabit each second, answers each question at once, and has a queue as told. */
class Client {
  readonly side = new RembSide();
  nowMs = 0;
  queueMs = 0;
  /** How often the rate was cut. */
  cuts = 0;

  constructor() {
    this.side.rate.set(SENT_BPS);
    this.side.handleRemb(1_400_000, SENT_BPS, RTT_MS, 0);
    this.run(3000);
  }

  run(durationMs: number, rembBps = 0): void {
    for (const endMs = this.nowMs + durationMs; this.nowMs < endMs;) {
      this.nowMs += 100;
      if (rembBps > 0 && this.side.handleRemb(rembBps, SENT_BPS, RTT_MS, this.nowMs)) this.cuts++;
      if (this.side.tick(false, SENT_BPS, RTT_MS, this.nowMs)) this.cuts++;
      if (this.side.takeReportWish()) this.#answer();
    }
  }

  #answer(): void {
    const rttMs = RTT_MS + this.queueMs;
    this.side.handleReport(0, 50, rttMs, 0, this.nowMs + rttMs);
  }
}

describe("a queue seen by round trips", () => {
  test("is overuse when it stands, without the client's value falling", () => {
    const client = new Client();
    client.queueMs = 120;
    client.run(3000);
    assert.ok(client.cuts > 0);
    assert.ok(client.side.rate.rateBps < 0.9 * SENT_BPS);
    client.queueMs = 0;
    client.run(1000);
    assert.ok(client.side.rate.rateBps > 0.9 * SENT_BPS, "back when the queue is gone");
  });

  test("is none when one answer was late", () => {
    const client = new Client();
    for (let i = 0; i < 10; i++) {
      client.queueMs = 150;
      client.run(200);
      client.queueMs = 0;
      client.run(1500);
    }
    assert.equal(client.cuts, 0);
  });

  test("an answer to an old question says nothing new", () => {
    const { side, nowMs } = new Client();
    const before = side.queueMs;
    for (let i = 0; i < 5; i++) side.handleReport(0, 50, RTT_MS + 200, 5000, nowMs + i * 300);
    assert.equal(side.queueMs, before);
  });
});

test("a client's fall is believed, and forgotten when there is no queue", () => {
  const client = new Client();
  client.run(100, 850_000);
  assert.equal(client.cuts, 1);
  assert.ok(client.side.rate.rateBps < 0.9 * SENT_BPS);
  client.run(1000, 850_000);
  assert.ok(client.side.rate.rateBps > 0.9 * SENT_BPS, "the answer came first");
});

describe("a probe", () => {
  const probe = (queueMs: number): { carried: boolean; rateBps: number } => {
    const client = new Client();
    const { side } = client;
    side.ask(client.nowMs + 200);
    side.handleReport(0, 50, RTT_MS + queueMs, 0, client.nowMs + 300 + queueMs);
    assert.ok(side.answered);
    const carried = side.concludeProbe(1_500_000, 200, RTT_MS, client.nowMs + 300 + queueMs);
    return { carried, rateBps: side.rate.rateBps };
  };

  test("that leaves no queue was carried", () => {
    assert.deepEqual(probe(0), { carried: true, rateBps: 1_500_000 });
  });

  test("that leaves a queue says by its length what the link carries", () => {
    const { carried, rateBps } = probe(45);
    assert.equal(carried, false);
    assert.ok(rateBps > 1_100_000 && rateBps < 1_300_000, `${rateBps}`);
    assert.ok(probe(150).rateBps < SENT_BPS, "a long one drains first");
  });
});
