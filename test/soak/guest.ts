/** One participant of a soak: a page, what the others must see of it, and what it must have received of them. */
import assert from "node:assert/strict";
import type { CallPage } from "@stoa/testkit/call-page";
import { until } from "@stoa/testkit/until";

const CAMERA = { width: 160, height: 96, fps: 10 };

/** A client that tells of its return waits two more seconds for its media; a break meanwhile makes it start anew. */
const BACK_FOR_MS = 3000;

/** What somebody does: when it may, and how long the others may need to see what came of it. */
export interface Deed {
  readonly may: (guest: Guest) => boolean;
  readonly do: (guest: Guest) => Promise<unknown>;
  /** Its connection breaks: what is under way may have to wait for the end of a resume. */
  readonly breaks?: boolean;
  /** Its session ends or is replaced: messages of that moment have no receiver. */
  readonly ends?: boolean;
}

const isIn = (guest: Guest): boolean => guest.joined;
const shows = (guest: Guest): boolean => guest.joined && guest.camera;
const breaking = (startsAnew: boolean, method: string, ...args: unknown[]): Deed => ({
  may: isIn,
  do: (guest) => guest.break(startsAnew, method, ...args),
  breaks: true,
  ends: startsAnew,
});

/** All that a guest can do, by the name that the log gives it. */
export const DEEDS: Readonly<Record<string, Deed>> = {
  join: { may: (guest) => !guest.joined, do: (guest) => guest.join(), ends: true },
  leave: { may: isIn, do: (guest) => guest.leave(), ends: true },
  publish: { may: (guest) => guest.joined && !guest.camera, do: (guest) => guest.publish() },
  unpublish: { may: shows, do: (guest) => guest.unpublish() },
  mute: { may: (guest) => shows(guest) && !guest.muted, do: (guest) => guest.mute(true) },
  unmute: { may: (guest) => shows(guest) && guest.muted, do: (guest) => guest.mute(false) },
  "break signal": breaking(false, "breakSignal"),
  "break resume": breaking(false, "simulate", "disconnect-signal-on-resume"),
  "start anew": breaking(true, "simulate", "full-reconnect"),
};

/** A page that comes and goes in one room. */
export class Guest {
  readonly page: CallPage;
  readonly #room: string;
  joined = false;
  camera = false;
  muted = false;
  /** Number of the newest message that it has sent. */
  sent = 0;
  /** What its connection was before it was broken; undefined when it is whole. */
  #broken: { readonly timesBack: number; readonly timesAnew: number; readonly startsAnew: boolean } | undefined;
  /** When it was first seen to be back. */
  #backMs: number | undefined;
  /** Numbers that have arrived, by sender. */
  readonly heard = new Map<string, number[]>();
  #read = 0;

  constructor(page: CallPage, room: string) {
    this.page = page;
    this.#room = room;
  }

  get identity(): string {
    return this.page.identity;
  }

  async join(): Promise<void> {
    await this.page.join({ room: this.#room });
    this.joined = true;
  }

  async leave(): Promise<void> {
    this.joined = this.camera = this.muted = false;
    this.#broken = this.#backMs = undefined;
    await this.page.call("leave");
  }

  async publish(): Promise<void> {
    await this.page.publishCamera(CAMERA);
    this.camera = true;
    this.muted = false;
  }

  async unpublish(): Promise<void> {
    this.camera = this.muted = false;
    await this.page.call("unpublish", "camera");
  }

  async mute(muted: boolean): Promise<void> {
    this.muted = muted;
    await this.page.call("mute", "camera", muted);
  }

  /** Breaks its connection by a function of the harness; `startsAnew`: it has to come back by a new session. */
  async break(startsAnew: boolean, method: string, ...args: unknown[]): Promise<void> {
    this.#broken = {
      timesBack: await this.#times("reconnected"),
      timesAnew: await this.#times("reconnecting"),
      startsAnew,
    };
    await this.page.call(method, ...args);
  }

  /** Its connection has not been broken, or it has noticed and is back. Throws when a new session took the place of a resume. */
  async isWhole(): Promise<boolean> {
    if (!this.#broken) return true;
    const { timesBack, timesAnew, startsAnew } = this.#broken;
    if ((await this.#times("reconnected")) === timesBack) return false;
    this.#backMs ??= performance.now();
    if (performance.now() - this.#backMs < BACK_FOR_MS) return false;
    this.#backMs = undefined;
    const anew = (await this.#times("reconnecting")) > timesAnew;
    assert.equal(anew, startsAnew, `${this.identity} ${anew ? "had to start anew" : "only resumed"}`);
    this.#broken = undefined;
    return true;
  }

  async comesBack(withinMs: number): Promise<void> {
    await until(() => this.isWhole(), withinMs, `${this.identity} to be back`);
  }

  /** How often the client told of this. */
  #times(event: string): Promise<number> {
    return this.page.call("count", event);
  }

  /** Sends the next message to everybody; its text is its number. */
  async send(): Promise<void> {
    const number = ++this.sent;
    await this.page.call("send", String(number), { reliable: true });
  }

  /** Reads what has arrived into `heard`. Throws when something came twice or after what was sent later. */
  async listen(): Promise<void> {
    const all = await this.page.data();
    for (const { from, text } of all.slice(this.#read)) {
      const numbers = this.heard.get(from) ?? [];
      this.heard.set(from, numbers);
      const number = Number(text);
      assert.ok(number > (numbers.at(-1) ?? 0), `${this.identity} got ${number} of ${from} after ${numbers.at(-1)}`);
      numbers.push(number);
    }
    this.#read = all.length;
  }
}
