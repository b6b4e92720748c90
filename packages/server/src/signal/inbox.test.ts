/** The pace of what a client sends, in a time that the tests turn on. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { LeaveRequest, Ping, SignalRequest, SimulateScenario, UpdateVideoLayers } from "@livekit/protocol";
import fc from "fast-check";
import { decodeRequest, type FrameFormat } from "./encode.ts";
import { SignalInbox, type Frame } from "./inbox.ts";

type Message = Exclude<SignalRequest["message"], { case: undefined }>;

function frame(message: Message, format: FrameFormat = "binary"): Frame {
  const request = new SignalRequest({ message });
  return { data: Buffer.from(format === "binary" ? request.toBinary() : request.toJsonString()), format };
}

const numbered = (n: number, more = "") =>
  frame({ case: "updateLayers", value: new UpdateVideoLayers({ trackSid: `${n} ${more}` }) });
const PING = { case: "pingReq", value: new Ping({ timestamp: 5n, rtt: 1n }) } as const;
const LEAVE = { case: "leave", value: new LeaveRequest() } as const;

function setUp(t: TestContext, perSecond: number) {
  t.mock.timers.enable({ apis: ["setTimeout", "setImmediate", "Date"], now: 1_800_000_000_000 });
  const got: string[] = [];
  const paused: boolean[] = [];
  const slowed: number[] = [];
  const overflowed: number[] = [];
  const rate = { perSecond };
  const inbox = new SignalInbox(
    {
      handle: ({ data, format }) => {
        const { message } = decodeRequest(data, format)!;
        got.push(message.case === "updateLayers" ? message.value.trackSid.split(" ")[0]! : String(message.case));
      },
      setPaused: (value) => void paused.push(value),
      slowed: (limit) => void slowed.push(limit),
      overflowed: (bytes) => {
        overflowed.push(bytes);
        inbox.clear();
      },
    },
    () => rate.perSecond,
    Date.now,
  );
  const flood = (count: number, from = 0, more = "") => {
    for (let i = 0; i < count; i++) inbox.receive(numbered(from + i, more));
  };
  /** Milliseconds go by, in steps as short as timers are. */
  const pass = (ms: number) => {
    for (let i = 0; i < ms; i++) t.mock.timers.tick(1);
  };
  return { inbox, got, paused, slowed, overflowed, rate, flood, pass };
}

test("a burst is handled a few in each turn, without a wait and in order", (t) => {
  const { got, flood, pass, slowed } = setUp(t, 100);
  flood(400);
  assert.ok(got.length > 0 && got.length <= 16, `${got.length} in the first turn`);
  pass(100);
  assert.deepEqual(
    got,
    Array.from({ length: 400 }, (_, i) => String(i)),
  );
  assert.deepEqual(slowed, []);
});

test("after the burst as many as allowed are handled each second, which is said once, and again when it happens again", (t) => {
  const { got, flood, pass, slowed } = setUp(t, 100);
  flood(1000);
  pass(500);
  const atOnce = got.length;
  assert.ok(atOnce >= 500 && atOnce <= 560, `${atOnce} at once`);
  pass(1000);
  assert.ok(Math.abs(got.length - atOnce - 100) <= 2, `${got.length - atOnce} in a second`);
  pass(5000);
  assert.deepEqual(
    got,
    Array.from({ length: 1000 }, (_, i) => String(i)),
  );
  assert.deepEqual(slowed, [100]);
  pass(60_000);
  flood(600);
  pass(500);
  assert.deepEqual(slowed, [100, 100]);
});

test("long messages count for several", (t) => {
  const { got, flood, pass } = setUp(t, 100);
  flood(1000, 0, "x".repeat(4096 * 9));
  pass(1000);
  assert.ok(got.length >= 50 && got.length <= 65, `${got.length} at once`);
});

test("when too much waits nothing is read until there is room, and nothing is lost", (t) => {
  const { got, flood, pass, paused } = setUp(t, 1000);
  flood(5000);
  pass(1000);
  flood(7000, 5000, "x".repeat(200));
  assert.deepEqual(paused, [true]);
  pass(20_000);
  assert.deepEqual(
    got,
    Array.from({ length: 12_000 }, (_, i) => String(i)),
  );
  assert.deepEqual(paused, [true, false]);
});

test("small ones too are only so many", (t) => {
  const { inbox, paused } = setUp(t, 1);
  const empty = { data: Buffer.alloc(0), format: "binary" } as const;
  for (let i = 0; i < 20_100; i++) inbox.receive(empty);
  assert.deepEqual(paused, [true]);
});

test("of what inflates to more than memory allows, the end is said", (t) => {
  const { flood, overflowed } = setUp(t, 1);
  flood(40, 0, "x".repeat(500_000));
  assert.equal(overflowed.length > 0 && overflowed[0]! < 9 << 20, true);
});

test("one message of any size is taken", (t) => {
  const { inbox, got, overflowed, flood, pass } = setUp(t, 1);
  flood(20);
  pass(40_000);
  got.length = 0;
  inbox.receive(numbered(7, "x".repeat(9 << 20)));
  pass(5000);
  assert.deepEqual([got, overflowed], [["7"], []]);
});

for (const format of ["binary", "json"] as const) {
  test(`a ping does not wait behind the client's own flood, a flood of pings does; ${format}`, (t) => {
    const { inbox, got, flood, pass } = setUp(t, 10);
    flood(1000);
    pass(500);
    got.length = 0;
    for (let i = 0; i < 50; i++) inbox.receive(frame(PING, format));
    assert.deepEqual(got, ["pingReq"]);
    pass(1000);
    inbox.receive(frame({ case: "ping", value: 1n }, format));
    assert.equal(got.at(-1), "ping");
  });

  test(`a Leave does not wait either; ${format}`, (t) => {
    const { inbox, got, flood, pass } = setUp(t, 10);
    flood(1000);
    pass(500);
    inbox.receive(frame(LEAVE, format));
    assert.equal(got.at(-1), "leave");
  });
}

test("what begins like a ping and is something else keeps its turn", (t) => {
  const { inbox, got, flood, pass } = setUp(t, 10);
  flood(1000);
  pass(500);
  got.length = 0;
  inbox.receive(frame({ case: "simulate", value: new SimulateScenario() }));
  inbox.receive({ data: Buffer.from([0x70]), format: "binary" });
  inbox.receive({ data: Buffer.from('{"ping'), format: "json" });
  assert.deepEqual(got, []);
});

test("when the client is gone, what it was entitled to is handled and the rest is not", (t) => {
  const { inbox, got, flood, pass } = setUp(t, 10);
  flood(100);
  inbox.finish();
  const count = got.length;
  assert.ok(count >= 50 && count < 70, `${count} handled`);
  pass(60_000);
  assert.equal(got.length, count);
});

test("without a limit everything is handled at once, a few in each turn; a limit may come and go", (t) => {
  const { got, flood, pass, rate } = setUp(t, 0);
  flood(5000);
  assert.ok(got.length <= 16);
  pass(1000);
  assert.equal(got.length, 5000);
  rate.perSecond = 10;
  flood(100);
  pass(1000);
  assert.ok(got.length < 5080);
  rate.perSecond = 0;
  pass(1000);
  assert.equal(got.length, 5100);
});

test("whatever comes in whatever pace: each message is handled once, in order", (t) => {
  const burst = fc.record({ count: fc.nat(80), waitMs: fc.nat(300), bytes: fc.constantFrom(0, 0, 100, 20_000) });
  fc.assert(
    fc.property(fc.array(burst, { maxLength: 12 }), fc.constantFrom(0, 5, 100), (bursts, perSecond) => {
      t.mock.timers.reset();
      const { got, flood, pass } = setUp(t, perSecond);
      let sent = 0;
      for (const { count, waitMs, bytes } of bursts) {
        flood(count, sent, "x".repeat(bytes));
        sent += count;
        pass(waitMs);
      }
      for (let i = 0; i < 1000 && got.length < sent; i++) t.mock.timers.tick(1000);
      assert.deepEqual(
        got,
        Array.from({ length: sent }, (_, i) => String(i)),
      );
    }),
    { numRuns: 30, seed: 20_261_126 },
  );
});
