/**
 * Sound and picture of one publisher stay in step at a subscriber, by what its sender reports say: each packet's moment of
 * capture, as a player works it out, against the true one.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rtp, vp8 } from "./harness-packets.test.ts";
import { rtcpKind } from "./harness-rtcp.test.ts";
import { audioReceiver, audioSender, videoReceiver, videoSender } from "./harness-specs.test.ts";
import { World } from "./harness.test.ts";

const PUBLISHER = 1;
const VIEWER = 2;
const VIDEO_OUT = 0x90000001;
const AUDIO_OUT = 0x90000003;
const MAX_SKEW_MS = 20;
const ABS_CAPTURE_TIME = 7;
/** The publisher's wall clock runs before ours. */
const WALL_AHEAD_MS = 123_456;
const NTP_UNIX_SECONDS = 2_208_988_800;

function ntp(unixMs: number): [seconds: number, fraction: number] {
  const seconds = Math.floor(unixMs / 1000);
  return [(seconds + NTP_UNIX_SECONDS) >>> 0, Math.floor((unixMs / 1000 - seconds) * 2 ** 32)];
}

/** One stream of the publisher: its timestamps start anywhere and go on with its own time, which can stand still. */
class Source {
  readonly ssrc: number;
  readonly clockRate: number;
  #sequence: number;
  readonly #origin: number;
  /** When its time began, and how long it stood still since. */
  readonly #sinceMs: number;
  stoodMs = 0;

  constructor(ssrc: number, clockRate: number, origin: number, sinceMs: number) {
    this.ssrc = ssrc;
    this.clockRate = clockRate;
    this.#origin = origin;
    this.#sequence = origin & 0x7fff;
    this.#sinceMs = sinceMs;
  }

  timestamp(nowMs: number): number {
    return (this.#origin + Math.round(((nowMs - this.#sinceMs - this.stoodMs) * this.clockRate) / 1000)) >>> 0;
  }

  packet(nowMs: number, key: boolean): Uint8Array {
    const sequence = (this.#sequence = (this.#sequence + 1) & 0xffff);
    const video = this.clockRate === 90_000;
    const capture = ntp(nowMs + WALL_AHEAD_MS).flatMap((word) => [24, 16, 8, 0].map((bits) => (word >>> bits) & 255));
    return rtp({
      payloadType: video ? 96 : 111,
      sequence,
      timestamp: this.timestamp(nowMs),
      ssrc: this.ssrc,
      marker: true,
      payload: video ? vp8({ key, pictureId: sequence & 0x7fff, tl0: sequence }) : [1, 2, 3],
      extensions: { [ABS_CAPTURE_TIME]: capture },
    });
  }

  report(nowMs: number): Uint8Array {
    const words = [this.ssrc, ...ntp(nowMs + WALL_AHEAD_MS), this.timestamp(nowMs), 1, 1];
    const view = new DataView(new ArrayBuffer(28));
    view.setUint32(0, 0x80c80006);
    words.forEach((word, i) => view.setUint32(4 + 4 * i, word));
    return new Uint8Array(view.buffer);
  }
}

/** What a player knows of one stream: its newest report. */
interface Mapping {
  wallMs: number;
  timestamp: number;
}

/** A call: two layers of video (10 and 30 ms from capture to us), sound (40 ms); reports at browsers' intervals. */
class Call {
  readonly world = new World();
  video: Source[];
  audio: Source;
  readonly #mappings = new Map<number, Mapping>();
  /** Differences from the truth, in milliseconds, by what they are of. */
  readonly errors = { audio: [] as number[], video: [] as number[] };
  reports = 0;
  #tick = 0;
  muted = false;

  constructor() {
    const { nowMs } = this.world;
    this.video = [new Source(1000, 90_000, 0xfffffc00, nowMs), new Source(1010, 90_000, 12_345, nowMs)];
    this.audio = new Source(500, 48_000, 77_777, nowMs);
    this.negotiate();
    this.world.addPeer(
      VIEWER,
      [],
      [videoSender({ extensions: { absCaptureTime: 9 } }), audioSender({ extensions: { absCaptureTime: 9 } })],
    );
  }

  /** The publisher's description, also after it came back with other SSRCs. */
  negotiate(): void {
    const extensions = { mid: 1, absCaptureTime: ABS_CAPTURE_TIME };
    const ssrcs = this.video.map(({ ssrc }) => ({ ssrc, rtxSsrc: 0 }));
    const receivers = [
      videoReceiver({ ssrcs, extensions }),
      audioReceiver({ ssrcs: [{ ssrc: this.audio.ssrc, rtxSsrc: 0 }], extensions }),
    ];
    if (this.world.transports.has(PUBLISHER)) this.world.forwarder.setReceivers(PUBLISHER, receivers);
    else this.world.addPeer(PUBLISHER, receivers, []);
  }

  layer(maxSpatial: number): void {
    const settings = { disabled: false, maxSpatial, fps: 0, priority: 0 };
    this.world.forwarder.setDownlink(VIEWER, "TR_v", settings);
  }

  /** Lets the call go on; what arrives is compared with the truth. */
  run(durationMs: number): void {
    const { world } = this;
    for (let i = 0; i < durationMs / 10; i++, this.#tick++) {
      const t = this.#tick;
      if (t % 3 === 0) this.video.forEach((source) => this.#feed(source.packet(world.nowMs, t % 60 === 0), 10));
      if (t % 2 === 0 && !this.muted) this.#feed(this.audio.packet(world.nowMs, false), 40);
      if (t % 100 === 50) for (const source of this.video) this.#feed(source.report(world.nowMs), 0);
      if (t % 500 === 70 && !this.muted) this.#feed(this.audio.report(world.nowMs), 0);
      world.advance(10);
      this.#listen();
    }
  }

  readonly #waiting: { bytes: Uint8Array; dueMs: number }[] = [];

  /** From the publisher, after some time on the way. */
  #feed(bytes: Uint8Array, delayMs: number): void {
    this.#waiting.push({ bytes, dueMs: this.world.nowMs + delayMs });
    this.#waiting.sort((a, b) => a.dueMs - b.dueMs);
    while (this.#waiting.length > 0 && this.#waiting[0]!.dueMs <= this.world.nowMs) {
      this.world.feed(PUBLISHER, this.#waiting.shift()!.bytes);
    }
  }

  #listen(): void {
    for (const packet of this.world.takeRtcp(VIEWER)) {
      if (rtcpKind(packet) !== "200/0") continue;
      const view = new DataView(packet.buffer, packet.byteOffset);
      const wallMs = (view.getUint32(8) - NTP_UNIX_SECONDS + view.getUint32(12) / 2 ** 32) * 1000;
      this.#mappings.set(view.getUint32(4), { wallMs, timestamp: view.getUint32(16) });
      this.reports++;
    }
    for (const packet of this.world.takeRtp(VIEWER)) {
      const mapping = this.#mappings.get(packet.ssrc);
      const capture = packet.extensions.get(9);
      if (!mapping || !capture) continue;
      const truth = new DataView(Uint8Array.from(capture).buffer);
      const trueMs = (truth.getUint32(0) - NTP_UNIX_SECONDS + truth.getUint32(4) / 2 ** 32) * 1000;
      const rate = packet.ssrc === AUDIO_OUT ? 48_000 : 90_000;
      const playedMs = mapping.wallMs + (((packet.timestamp - mapping.timestamp) | 0) * 1000) / rate;
      this.errors[packet.ssrc === VIDEO_OUT ? "video" : "audio"].push(playedMs - trueMs);
    }
  }

  /** The greatest skew between sound and picture so far; forgets what it looked at. */
  skewMs(): number {
    const { audio, video } = this.errors;
    assert.ok(audio.length > 50 && video.length > 50, `${audio.length} packets of sound, ${video.length} of video`);
    const all = [...audio, ...video];
    this.errors.audio = [];
    this.errors.video = [];
    return Math.max(...all) - Math.min(...all);
  }
}

function assertInStep(call: Call, when: string): void {
  const skew = call.skewMs();
  assert.ok(skew < MAX_SKEW_MS, `${skew.toFixed(1)} ms of skew ${when}`);
}

test("sound and picture are in step from the first reports on, through changes of the layer", () => {
  const call = new Call();
  call.layer(0);
  call.run(12_000);
  assertInStep(call, "at the start");
  for (const layer of [1, 0, 1]) {
    call.layer(layer);
    call.run(6000);
    assertInStep(call, `after the change to layer ${layer}`);
  }
});

for (const stands of [true, false]) {
  test(`and through a mute of ten seconds in which the publisher's timestamps ${stands ? "stand still" : "go on"}`, () => {
    const call = new Call();
    call.run(12_000);
    call.skewMs();
    call.muted = true;
    call.world.forwarder.muteTrack("TR_a", true);
    call.run(10_000);
    call.errors.audio = [];
    call.errors.video = [];
    if (stands) call.audio.stoodMs += 10_000;
    call.muted = false;
    call.world.forwarder.muteTrack("TR_a", false);
    for (const when of ["after the mute", "some reports later"]) {
      call.run(6000);
      assertInStep(call, when);
    }
  });
}

test("and when the sound pauses without a word, once its sender has reported", () => {
  const call = new Call();
  call.run(12_000);
  call.skewMs();
  call.muted = true;
  call.run(1500);
  call.audio.stoodMs += 1500;
  call.muted = false;
  // Up to five seconds until the publisher says it; before that nobody can know, and nothing false is said.
  call.run(9000);
  call.errors.audio = [];
  call.errors.video = [];
  call.run(3000);
  assertInStep(call, "after a silent pause");
});

test("and when the publisher comes back with other streams", () => {
  const call = new Call();
  call.run(12_000);
  call.skewMs();
  const { nowMs } = call.world;
  call.video = [new Source(2000, 90_000, 999, nowMs), new Source(2010, 90_000, 0x7fffff00, nowMs)];
  call.audio = new Source(600, 48_000, 0xffffff00, nowMs);
  call.negotiate();
  call.run(9000);
  assertInStep(call, "after the publisher came back");
});

test("a receiver that asks when it is hears how long ago that was", () => {
  const call = new Call();
  call.run(3000);
  const request = new DataView(new ArrayBuffer(20));
  [0x80cf0004, 4711, 0x04000002, 0x0000abcd, 0x12340000].forEach((word, i) => request.setUint32(4 * i, word));
  call.world.feed(VIEWER, new Uint8Array(request.buffer));
  const askedMs = call.world.nowMs;
  const answers: DataView[] = [];
  while (answers.length === 0 && call.world.nowMs < askedMs + 5000) {
    call.world.feed(PUBLISHER, call.audio.packet(call.world.nowMs, false));
    call.world.advance(20);
    for (const packet of call.world.takeRtcp(VIEWER)) {
      if (packet[1] === 207) answers.push(new DataView(packet.buffer, packet.byteOffset));
    }
  }
  const [answer] = answers;
  assert.ok(answer, "an answer within the interval of sender reports");
  assert.deepEqual(
    [8, 12, 16].map((at) => answer.getUint32(at)),
    [0x05000003, 4711, 0xabcd1234],
  );
  const delayMs = (answer.getUint32(20) * 1000) / 65_536;
  assert.ok(Math.abs(delayMs - (call.world.nowMs - askedMs)) < 30, `${delayMs} ms`);
});
