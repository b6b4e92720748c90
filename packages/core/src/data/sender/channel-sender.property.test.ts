/**
 * The sender against a model: whatever happens in whatever order, every accepted frame has one fate, arrives whole and in
 * order on the channel that carried it, the bounds hold, and nothing waits that could go.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChannelSender } from "./channel-sender.ts";
import type { Fate } from "./frame-queue.ts";
import { ManualPort } from "./manual-port.test.ts";
import type { SenderOptions } from "./sender-options.ts";

const MAX_PAYLOAD = 200;

interface Offered {
  readonly payloads: readonly Uint8Array[];
  readonly bytes: number;
  fate: Fate | undefined;
}

/** What must be true of the sender; the commands drive both. */
class Model {
  nowMs = 0;
  port: ManualPort | undefined;
  readonly ports: ManualPort[] = [];
  readonly accepted: Offered[] = [];
  closed = false;
}

/** The sender with every fate noted. */
class Real {
  readonly sender: ChannelSender;
  readonly options: SenderOptions;
  /** Size of the smallest frame whose producer was told to wait. */
  blockedBytes = Number.POSITIVE_INFINITY;

  constructor(options: SenderOptions) {
    this.options = { ...options, onWritable: () => (this.blockedBytes = Number.POSITIVE_INFINITY) };
    this.sender = new ChannelSender(this.options);
  }
}

type Command = fc.Command<Model, Real>;

/** A payload that is told from all others by its identity, and from others in a report by its numbers. */
const makeFrame = (index: number, sizes: readonly number[]): Uint8Array[] =>
  sizes.map((size, part) => {
    const bytes = new Uint8Array(size);
    bytes[0] = index;
    if (size > 1) bytes[1] = part;
    return bytes;
  });

abstract class Step implements Command {
  check(model: Readonly<Model>): boolean {
    return !model.closed;
  }

  run(model: Model, real: Real): void {
    this.act(model, real);
    checkInvariants(model, real);
  }

  abstract act(model: Model, real: Real): void;
  abstract toString(): string;
}

class OfferFrame extends Step {
  readonly #sizes: readonly number[];
  constructor(sizes: readonly number[]) {
    super();
    this.#sizes = sizes;
  }

  act(model: Model, real: Real): void {
    const payloads = makeFrame(model.accepted.length, this.#sizes);
    const bytes = this.#sizes.reduce((sum, size) => sum + size, 0);
    const offered: Offered = { payloads, bytes, fate: undefined };
    // It may be accepted and lost again before the call returns, so it has its place before.
    model.accepted.push(offered);
    const before = real.sender.stats.refused;
    const answer = real.sender.offer(payloads.length === 1 ? payloads[0]! : payloads, model.nowMs, (fate) => {
      assert.equal(offered.fate, undefined, "one fate");
      offered.fate = fate;
    });
    const tooLarge =
      bytes > real.options.maxBytes! || payloads.length === 0 || this.#sizes.some((s) => s > MAX_PAYLOAD);
    assert.equal(answer === "tooLarge", tooLarge);
    if (answer === "sent") assert.equal(offered.fate, "sent");
    if (answer !== "sent" && answer !== "queued") {
      assert.equal(offered.fate, undefined, "what is refused has no fate");
      assert.equal(real.sender.stats.refused, before + 1);
      model.accepted.pop();
    }
    if (answer === "blocked") real.blockedBytes = Math.min(real.blockedBytes, bytes);
  }

  toString = () => `offer [${this.#sizes.join(", ")}]`;
}

class Drain extends Step {
  readonly #bytes: number;
  constructor(bytes: number) {
    super();
    this.#bytes = bytes;
  }

  act(model: Model, { sender }: Real): void {
    if (model.port?.drain(this.#bytes)) sender.handleDrained(model.nowMs);
  }

  toString = () => `drain ${this.#bytes}`;
}

class Wait extends Step {
  readonly #ms: number;
  constructor(ms: number) {
    super();
    this.#ms = ms;
  }

  act(model: Model, { sender }: Real): void {
    const endMs = model.nowMs + this.#ms;
    while (sender.nextTimeoutMs() <= endMs) {
      model.nowMs = Math.max(model.nowMs, sender.nextTimeoutMs());
      sender.handleTimeout(model.nowMs);
      // Still full: the sender may only ask again later.
      assert.ok(sender.nextTimeoutMs() > model.nowMs, "a timeout is done when it is handled");
    }
    model.nowMs = endMs;
  }

  toString = () => `wait ${this.#ms}`;
}

class Attach extends Step {
  readonly #capacity: number;
  constructor(capacity: number) {
    super();
    this.#capacity = capacity;
  }

  act(model: Model, { sender }: Real): void {
    const port = new ManualPort();
    port.capacity = this.#capacity;
    model.port = port;
    model.ports.push(port);
    sender.attach(port, model.nowMs);
  }

  toString = () => `attach ${this.#capacity}`;
}

class Lose extends Step {
  readonly #told: boolean;
  constructor(told: boolean) {
    super();
    this.#told = told;
  }

  act(model: Model, { sender }: Real): void {
    if (model.port) model.port.open = false;
    model.port = undefined;
    if (this.#told) sender.detach();
  }

  toString = () => `lose, ${this.#told ? "told" : "not told"}`;
}

class Close extends Step {
  act(model: Model, { sender }: Real): void {
    const waiting = model.accepted.filter(({ fate }) => fate === undefined);
    const report = sender.close();
    model.closed = true;
    model.port = undefined;
    assert.deepEqual(
      report.unsent.map((payloads) => [...payloads]),
      waiting.map(({ payloads }) => [...payloads]),
      "every frame without a fate comes back, in order",
    );
    assert.equal(
      report.unsentBytes,
      waiting.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    assert.ok(waiting.every(({ fate }) => fate === "closed"));
  }

  toString = () => "close";
}

function checkInvariants(model: Model, { sender, options, blockedBytes }: Real): void {
  const waiting = model.accepted.filter(({ fate }) => fate === undefined);
  const bytes = waiting.reduce((sum, frame) => sum + frame.bytes, 0);
  assert.equal(sender.waitingFrames, waiting.length, "frames are conserved");
  assert.equal(sender.waitingBytes, bytes, "bytes are conserved");
  assert.ok(waiting.length <= options.maxFrames! && bytes <= options.maxBytes!, "bounded");
  for (const port of model.ports) checkArrivals(model, port);
  const hasRoom = waiting.length < options.maxFrames! && bytes + blockedBytes <= options.maxBytes!;
  assert.ok(!hasRoom, "a producer that waits hears as soon as there is room");
  const whole = model.accepted.filter(({ fate }) => fate === "sent");
  assert.equal(sender.stats.sent, whole.length);
  const { port } = model;
  if (!port) return;
  assert.ok(port.buffered >= 0 && port.buffered <= sender.highMarkBytes + MAX_PAYLOAD, "one payload above the mark");
  const head = waiting[0];
  // Above the low mark the channel will call; "full" is asked again by a timer; anything else would wait for ever.
  if (head && port.buffered <= port.lowWater) assert.ok(sender.nextTimeoutMs() < Number.POSITIVE_INFINITY, "no stall");
}

/** On one channel: payloads of frames in the order of the frames, those of a frame together and from its first. */
function checkArrivals(model: Model, port: ManualPort): void {
  let last = -1;
  for (let at = 0; at < port.taken.length;) {
    const index = model.accepted.findIndex(({ payloads }) => payloads[0] === port.taken[at]);
    assert.ok(index > last, "frames keep their order and begin with their first payload");
    last = index;
    const { payloads } = model.accepted[index]!;
    for (let part = 0; part < payloads.length && at < port.taken.length; part++, at++)
      assert.equal(port.taken[at], payloads[part], "nothing comes in between");
  }
}

const commands = [
  fc.array(fc.integer({ min: 1, max: MAX_PAYLOAD + 5 }), { maxLength: 4 }).map((sizes) => new OfferFrame(sizes)),
  fc.integer({ min: 1, max: MAX_PAYLOAD }).map((size) => new OfferFrame([size])),
  fc.integer({ min: 1, max: 600 }).map((bytes) => new Drain(bytes)),
  fc.integer({ min: 1, max: 120 }).map((ms) => new Wait(ms)),
  fc.constantFrom(100, 300, Number.POSITIVE_INFINITY).map((capacity) => new Attach(capacity)),
  fc.boolean().map((told) => new Lose(told)),
  fc.constant(new Close()),
];

const options: fc.Arbitrary<SenderOptions> = fc.record({
  overflow: fc.constantFrom("block" as const, "dropOldest" as const, "dropNewest" as const, "reject" as const),
  maxFrames: fc.integer({ min: 1, max: 6 }),
  maxBytes: fc.integer({ min: 100, max: 1200 }),
  maxPayloadBytes: fc.constant(MAX_PAYLOAD),
  ttlMs: fc.constantFrom(Number.POSITIVE_INFINITY, 30, 100),
  marks: fc.constantFrom(
    { minBytes: 0, maxBytes: 0, targetMs: 100 },
    { minBytes: 150, maxBytes: 150, targetMs: 100 },
    { minBytes: 50, maxBytes: 500, targetMs: 100 },
  ),
});

test("whatever happens: bytes conserved, order kept, bounds held, no stall", () => {
  fc.assert(
    fc.property(options, fc.commands(commands, { maxCommands: 80, size: "max" }), (made, script) => {
      const model = new Model();
      const real = new Real(made);
      fc.modelRun(() => ({ model, real }), script);
      if (model.closed) return;
      // However it stands: with a good channel everything that still waits arrives.
      const waiting = model.accepted.filter(({ fate }) => fate === undefined);
      new Attach(Number.POSITIVE_INFINITY).run(model, real);
      for (let i = 0; i < 200 && real.sender.waitingFrames > 0; i++) new Drain(MAX_PAYLOAD).run(model, real);
      assert.ok(waiting.every(({ fate }) => fate === "sent" || fate === "expired"));
      assert.equal(real.sender.waitingFrames, 0);
    }),
    { numRuns: 400 },
  );
});
