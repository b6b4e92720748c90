/** When a stream counts as speech, by the levels in its packets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AudioLevel, DEFAULT_AUDIO_LEVEL } from "./audio-level.ts";

const RATE = 48_000;

/** A stream of packets of 20 ms. */
class Stream {
  readonly level: AudioLevel;
  timestamp = 0xfffff000 | 0;

  constructor(options = {}) {
    this.level = new AudioLevel({ ...DEFAULT_AUDIO_LEVEL, ...options });
    this.level.observe(127, this.timestamp, RATE);
  }

  send(packets: number, level: number): this {
    for (let i = 0; i < packets; i++) {
      this.timestamp = (this.timestamp + 960) | 0;
      this.level.observe(level, this.timestamp, RATE);
    }
    return this;
  }

  /** Nothing is sent for a while. */
  pause(ms: number): this {
    this.timestamp = (this.timestamp + ms * 48) | 0;
    return this;
  }
}

test("speech is louder than the active level for long enough", () => {
  assert.ok(new Stream().send(20, 30).level.endWindow() > 0);
  assert.equal(new Stream().send(20, 36).level.endWindow(), 0, "too soft");
  assert.ok(new Stream().send(12, 127).send(8, 20).level.endWindow() > 0, "8 of 20 packets are 40 %");
  assert.equal(new Stream().send(13, 127).send(7, 20).level.endWindow(), 0, "7 are not");
  assert.ok(new Stream({ activeLevel: 50 }).send(20, 45).level.endWindow() > 0);
});

test("the level is that of the loudest packet, less when only a part was speech, and smoothed", () => {
  const steady = new Stream({ smoothIntervals: 0 }).send(20, 20);
  assert.ok(Math.abs(steady.level.endWindow() - 0.1) < 1e-9, "−20 dBov is a tenth");
  const half = new Stream({ smoothIntervals: 0 }).send(10, 127).send(10, 20);
  assert.ok(Math.abs(half.level.endWindow() - 0.05) < 1e-9);
  const smooth = new Stream().send(20, 20);
  const levels = [
    smooth.level.endWindow(),
    smooth.send(20, 20).level.endWindow(),
    smooth.send(20, 20).level.endWindow(),
  ];
  assert.ok(levels[0]! < levels[1]! && levels[1]! < levels[2]! && levels[2]! < 0.1, levels.join(" "));
});

test("silence ends speech with its first window", () => {
  const stream = new Stream().send(20, 10);
  assert.ok(stream.level.endWindow() > 0);
  assert.equal(stream.send(20, 127).level.endWindow(), 0);
});

test("the gaps of discontinuous transmission are not speech, however loud the packets between them", () => {
  const stream = new Stream();
  for (let i = 0; i < 20; i++) {
    stream.pause(380).send(1, 5);
    assert.equal(stream.level.endWindow(), 0);
  }
  assert.equal(stream.pause(60_000).send(1, 5).level.endWindow(), 0);
});

test("one window without packets is a hiccup of the network, two are silence", () => {
  const stream = new Stream().send(20, 10);
  const spoken = stream.level.endWindow();
  assert.equal(stream.level.endWindow(), spoken);
  assert.equal(stream.level.endWindow(), 0);
  assert.equal(stream.level.endWindow(), 0);
});

test("a source that begins anew counts from there", () => {
  const stream = new Stream().send(20, 10);
  stream.level.endWindow();
  stream.timestamp = -1_000_000_000;
  stream.send(1, 127).send(20, 10);
  assert.ok(stream.level.endWindow() > 0);
});

test("whatever the packets say, a level lies between 0 and 1", () => {
  const packet = fc.tuple(fc.nat(127), fc.integer({ min: -0x80000000, max: 0x7fffffff }));
  fc.assert(
    fc.property(fc.array(fc.array(packet, { maxLength: 30 }), { maxLength: 10 }), (windows) => {
      const level = new AudioLevel(DEFAULT_AUDIO_LEVEL);
      for (const packets of windows) {
        for (const [loudness, timestamp] of packets) level.observe(loudness, timestamp, RATE);
        const now = level.endWindow();
        assert.ok(now >= 0 && now <= 1, `${now}`);
      }
    }),
  );
});
