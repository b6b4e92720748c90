/** Breaks of every kind in a room with data: whatever happens to a connection, nothing is lost, doubled or out of order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UpdateParticipantMetadata } from "@livekit/protocol";
import fc from "fast-check";
import { Member } from "./room-member.ts";
import { RoomWorld } from "./room-world.ts";

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Ada writes to bob, who may be hard to reach. */
function call(seed: number, bobs: "single" | "dual" = "dual") {
  const world = new RoomWorld(seed, { delayMs: 20 });
  const [ada, bob, cleo] = [world.join("ada"), world.join("bob", bobs), world.join("cleo", "dual")];
  world.run(5000);
  return { world, ada, bob, cleo };
}

/** One message every `everyMs`. */
function write(world: RoomWorld, from: Member, first: number, count: number, everyMs: number): void {
  for (let i = 0; i < count; i++) {
    from.send(first + i, 100);
    world.run(everyMs);
  }
}

/** Everybody is in the session of the beginning, and sees the others as the room does. */
function assertWhole(world: RoomWorld, replaced: ReadonlySet<Member> = new Set()): void {
  const everybody = world.room.participants();
  assert.equal(everybody.length, world.members.length);
  for (const member of world.members) {
    assert.deepEqual([member.restarts, member.sawLeave], [0, []], member.identity);
    if (!replaced.has(member)) assert.equal(member.duplicates, 0);
    for (const info of everybody) {
      if (info.sid !== member.sid) assert.ok(member.others.get(info.sid)?.equals(info), `${member.identity} sees all`);
    }
  }
}

test("300 numbered messages through two socket cuts and an ICE break arrive once each, in order", () => {
  const { world, ada, bob, cleo } = call(1);
  for (let i = 0; i < 300; i++) {
    if (i === 60) ada.cutSignal();
    if (i === 140) bob.loseSignal();
    if (i === 200) ada.block(true);
    if (i === 260) ada.block(false);
    ada.send(i, 200);
    world.run(50);
  }
  world.run(10_000);
  for (const member of [bob, cleo]) assert.deepEqual(member.received.get("ada"), upTo(300), member.identity);
  assert.ok(ada.resumes >= 1 && bob.resumes === 1);
  assertWhole(world);
});

test("a client that comes back is told how far its reliable data has come, and sends no more than the rest again", () => {
  const { world, ada, bob } = call(9);
  write(world, ada, 0, 30, 20);
  world.run(500);
  ada.cutSignal();
  world.run(5000);
  assert.deepEqual([ada.resumes, ada.acknowledged], [1, 30]);
  write(world, ada, 30, 30, 20);
  world.run(2000);
  assert.deepEqual([bob.received.get("ada"), bob.duplicates], [upTo(60), 0]);
});

test("messages are named by who really sent them, whatever they claim", () => {
  const { world, ada, bob } = call(2);
  ada.send(0);
  world.run(500);
  assert.deepEqual([...bob.received], [["ada", [0]]]);
});

test("a client that was suspended for twelve seconds has missed nothing, and nobody saw it leave", () => {
  const { world, ada, bob, cleo } = call(3);
  bob.suspend();
  write(world, ada, 0, 120, 100);
  ada.request({ case: "updateMetadata", value: new UpdateParticipantMetadata({ metadata: "new" }) });
  bob.wake();
  world.run(10_000);
  for (const member of [bob, cleo]) assert.deepEqual(member.received.get("ada"), upTo(120), member.identity);
  assert.equal(bob.others.get(ada.sid)?.metadata, "new");
  assertWhole(world);
});

test("a client that is gone for good is removed twenty seconds later, is seen to leave once, and starts anew when it returns", () => {
  const { world, ada, bob, cleo } = call(4);
  bob.suspend();
  const beganMs = world.nowMs;
  assert.ok(world.run(60_000, () => ada.sawLeave.length > 0));
  const tookMs = world.nowMs - beganMs;
  assert.ok(tookMs > 15_000 && tookMs < 25_000, `${Math.round(tookMs)} ms`);
  world.run(10_000);
  assert.deepEqual([ada.sawLeave, cleo.sawLeave], [["bob"], ["bob"]]);
  assert.equal(world.room.participants().length, 2);
  bob.wake();
  world.run(1000);
  assert.equal(bob.restarts, 1);
});

test("a client that moves to another network, and resumes or not, goes on where it was", () => {
  for (const resumes of [false, true]) {
    const { world, ada, bob, cleo } = call(resumes ? 5 : 6);
    write(world, ada, 0, 20, 20);
    ada.move(9);
    if (resumes) ada.loseSignal();
    write(world, ada, 20, 200, 20);
    world.run(10_000);
    for (const member of [bob, cleo]) assert.deepEqual(member.received.get("ada"), upTo(220), member.identity);
    assert.equal(ada.resumes, resumes ? 1 : 0);
    assertWhole(world);
  }
});

test("a client that replaces its channel when it has come back gets what was under way on the former one", () => {
  const { world, ada, bob, cleo } = call(7, "single");
  bob.replacesChannel = true;
  for (let i = 0; i < 400; i++) {
    if (i === 100) bob.loseSignal();
    // Nothing gets through while the channel is replaced, so that much is under way.
    if (i === 130) bob.block(true);
    if (i === 170) bob.block(false);
    ada.send(i, 2000);
    world.run(10);
  }
  world.run(10_000);
  for (const member of [bob, cleo]) assert.deepEqual(member.received.get("ada"), upTo(400), member.identity);
  assertWhole(world, new Set([bob]));
});

test("what was written while somebody joined waits for its channel, from the moment on that the others could see it", () => {
  for (const mode of ["single", "dual"] as const) {
    const { world, ada } = call(8);
    const dora = new Member(world, "dora", mode);
    world.members.push(dora);
    ada.send(999);
    world.run(200);
    dora.enter();
    assert.ok(!dora.isOpen);
    write(world, ada, 0, 100, 5);
    assert.ok(dora.isOpen);
    world.run(1000);
    assert.deepEqual(dora.received.get("ada"), upTo(100), mode);
  }
});

type Break = "cutSignal" | "loseSignal" | "suspend" | "block" | "move";
const BREAKS: readonly Break[] = ["cutSignal", "loseSignal", "suspend", "block", "move"];

interface Step {
  readonly who: number;
  readonly what: Break | "write" | "whisper" | "profile" | "replace";
  readonly amount: number;
  readonly waitMs: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(2),
  what: fc.constantFrom(
    ...BREAKS,
    "write" as const,
    "write" as const,
    "whisper" as const,
    "profile" as const,
    "replace" as const,
  ),
  amount: fc.nat(20),
  waitMs: fc.constantFrom(0, 10, 100, 700, 3000),
});

/** Performs random steps; what each sent to each. */
class Life {
  readonly world: RoomWorld;
  readonly sent = new Map<string, number[]>();
  readonly #replaced = new Set<Member>();
  #number = 0;
  #moves = 0;

  constructor(seed: number) {
    this.world = new RoomWorld(seed, { loss: 0.02, delayMs: 15, jitterMs: 10 });
    this.world.join("ada");
    this.world.join("bob", "dual");
    this.world.join("cleo");
    this.world.run(3000);
  }

  perform({ who, what, amount, waitMs }: Step): void {
    const { world } = this;
    const member = world.members[who]!;
    if (what === "write" || what === "whisper") this.#write(member, what === "whisper", amount);
    else if (what === "profile") {
      member.request({ case: "updateMetadata", value: new UpdateParticipantMetadata({ metadata: `m${amount}` }) });
    } else if (what === "replace") {
      member.replacesChannel = true;
      this.#replaced.add(member);
    } else if (!member.suspended) this.#break(member, what, amount);
    world.run(waitMs);
  }

  #write(member: Member, whisper: boolean, count: number): void {
    if (member.suspended) return;
    const names = this.world.members.map(({ identity }) => identity).filter((name) => name !== member.identity);
    const to = whisper ? [names[count % 2]!] : [];
    for (let i = 0; i < count; i++) {
      const number = this.#number++;
      member.send(number, 37 * i, to);
      for (const name of whisper ? to : names) {
        const route = `${member.identity} ${name}`;
        this.sent.set(route, [...(this.sent.get(route) ?? []), number]);
      }
    }
  }

  #break(member: Member, what: Break, amount: number): void {
    const { world } = this;
    if (what === "suspend") {
      member.suspend();
      world.worker.clock.after(400 * amount, () => member.wake());
    } else if (what === "block") {
      member.block(true);
      world.worker.clock.after(300 * amount, () => member.suspended || member.block(false));
    } else if (what === "move") member.move(1 + (this.#moves++ % 250));
    else if (member.signal === "up") member[what]();
  }

  settle(): void {
    const { world } = this;
    world.run(30_000);
    for (const from of world.members) {
      for (const to of world.members) {
        if (from === to) continue;
        const numbers = to.received.get(from.identity) ?? [];
        assert.deepEqual(
          numbers,
          this.sent.get(`${from.identity} ${to.identity}`) ?? [],
          `${from.identity} to ${to.identity}`,
        );
      }
    }
    assertWhole(world, this.#replaced);
  }
}

test("random breaks, moves, messages and changes: everything arrives once and in order, and everybody stays", () => {
  fc.assert(
    fc.property(fc.nat(1 << 30), fc.array(step, { maxLength: 25, size: "max" }), (seed, steps) => {
      const life = new Life(seed);
      for (const one of steps) life.perform(one);
      life.settle();
    }),
    { numRuns: 25, seed: 20_261_128 },
  );
});
