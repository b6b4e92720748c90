/**
 * One round of a soak: guests do several things at once and one after the other, without waiting for what comes of them; then
 * everybody must see the same. Messages go to everybody all the time, and arrive once and in order.
 */
import type { Random } from "@stoa/core/crypto";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "@stoa/testkit/until";
import { DEEDS, type Deed, type Guest } from "./guest.ts";

/** After a round without a break everybody sees what happened within this. */
const SETTLE_MS = 5000;
/** A goodbye that a broken connection could not carry is noticed when its media is gone, and five seconds more. */
const SETTLE_AFTER_BREAK_MS = 30_000;
const MESSAGE_EVERY_MS = 40;
const LONGEST_PAUSE_MS = 400;
const MOST_DEEDS = 3;

/** What came of a round. */
export interface RoundResult {
  readonly settledMs: number;
  readonly deeds: number;
  readonly messages: number;
  readonly broke: boolean;
}

/** "ada: 120 ms, mute; 3 ms, leave;", a line for each guest that did something. */
export type Story = string[];

/** Throws when something is not as it should be; `story` then holds what was done. */
export async function playRound(guests: readonly Guest[], random: Random, story: Story): Promise<RoundResult> {
  const steady = new Set(guests.filter((guest) => guest.joined));
  const sentBefore = new Map(guests.map((guest) => [guest, guest.sent]));
  const round = { deeds: 0, broke: false, over: false };
  const talks = [...steady].map((guest) => talk(guest, () => !round.over && steady.has(guest)));
  const act = async (guest: Guest): Promise<void> => {
    const line = story.push(`${guest.identity}:`) - 1;
    for (let left = 1 + below(random, MOST_DEEDS); left > 0; left--) {
      const pauseMs = below(random, LONGEST_PAUSE_MS);
      await pause(pauseMs);
      const [name, deed] = choose(guest, random);
      // Clients do not resume twice at once, and give up what they were publishing; leaving is always allowed.
      if (name !== "leave") await guest.comesBack(SETTLE_AFTER_BREAK_MS);
      story[line] += ` ${pauseMs} ms, ${name};`;
      round.deeds++;
      round.broke ||= deed.breaks ?? false;
      if (deed.ends) steady.delete(guest);
      await deed.do(guest);
    }
  };
  const busy = guests.filter(() => below(random, 2) === 0);
  try {
    await Promise.all(busy.map(act));
  } finally {
    round.over = true;
    await Promise.allSettled(talks);
  }
  await Promise.all(talks);
  const withinMs = round.broke ? SETTLE_AFTER_BREAK_MS : SETTLE_MS;
  const settledMs = await settle(guests, withinMs);
  const messages = await allArrive([...steady], sentBefore, withinMs);
  return { settledMs, deeds: round.deeds, messages, broke: round.broke };
}

/** Something that the guest may do now. */
function choose(guest: Guest, random: Random): [string, Deed] {
  const possible = Object.entries(DEEDS).filter(([, deed]) => deed.may(guest));
  return possible[below(random, possible.length)]!;
}

async function talk(guest: Guest, goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    // One who leaves meanwhile is not asked what became of it.
    await guest.send().catch((error: unknown) => {
      if (goesOn()) throw error;
    });
    await pause(MESSAGE_EVERY_MS);
  }
}

/** Waits until everybody who is in sees the others as they are; gives the milliseconds. */
async function settle(guests: readonly Guest[], withinMs: number): Promise<number> {
  const inside = guests.filter((guest) => guest.joined);
  const pairs = inside.flatMap((one) => inside.filter((other) => other !== one).map((other) => [one, other] as const));
  const startMs = performance.now();
  let wrong: string | undefined;
  await until(
    async () => {
      const wrongs = await Promise.all([
        ...inside.map((guest) => wrongCompany(guest, inside)),
        ...pairs.map(([one, other]) => wrongPicture(one, other)),
      ]);
      wrong = wrongs.find((text) => text !== undefined);
      return wrong === undefined;
    },
    withinMs,
    () => `everybody to see the same: ${wrong}`,
  );
  const settledMs = performance.now() - startMs;
  const moving = pairs.filter(([, other]) => other.camera && !other.muted);
  await Promise.all(moving.map(([one, other]) => one.page.sees(other.identity, { steps: 2, timeoutMs: withinMs })));
  return settledMs;
}

async function wrongCompany(guest: Guest, inside: readonly Guest[]): Promise<string | undefined> {
  if (!(await guest.isWhole())) return `${guest.identity} is not back`;
  const others = inside.filter((other) => other !== guest).map(({ identity }) => identity);
  const seen = await guest.page.participants();
  return seen.join() === others.sort().join() ? undefined : `${guest.identity} sees ${seen.join()} in the room`;
}

async function wrongPicture(one: Guest, other: Guest): Promise<string | undefined> {
  // Whether there is a picture of one that is muted depends on who was there first.
  if (other.muted) return undefined;
  const seen = (await one.page.seen(other.identity)) !== undefined;
  return seen === other.camera
    ? undefined
    : `${one.identity} ${seen ? "still sees" : "does not see"} ${other.identity}`;
}

/** Waits until each has what the others have sent in this round, whole; gives their number. */
async function allArrive(
  steady: readonly Guest[],
  sentBefore: ReadonlyMap<Guest, number>,
  withinMs: number,
): Promise<number> {
  let missing = "";
  let count = 0;
  const complete = async (): Promise<boolean> => {
    await Promise.all(steady.map((guest) => guest.listen()));
    missing = "";
    count = 0;
    for (const to of steady) {
      for (const from of steady) {
        if (from === to) continue;
        const first = sentBefore.get(from)! + 1;
        const heard = (to.heard.get(from.identity) ?? []).filter((number) => number >= first).length;
        count += heard;
        if (heard < from.sent - first + 1)
          missing = `${to.identity} has ${heard} of ${first} to ${from.sent} of ${from.identity}`;
      }
    }
    return missing === "";
  };
  await until(complete, withinMs, () => `all messages: ${missing}`);
  return count;
}

function below(random: Random, bound: number): number {
  return random.uint32() % bound;
}
