/** Drives livekit-client in a real headless Chromium: pages that join, publish, watch, listen. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import type { ServerProcess } from "./server-process.ts";
import { until } from "./until.ts";

const require = createRequire(import.meta.url);
/** Paths of the scripts that a test page loads: the client under test, then the harness. */
export const PAGE_SCRIPTS = [
  join(dirname(require.resolve("livekit-client")), "livekit-client.umd.js"),
  fileURLToPath(new URL("../assets/harness.js", import.meta.url)),
];

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--mute-audio",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
  "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks",
];

/** The first program of these names on the PATH. */
export function findProgram(...names: string[]): string {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? "").split(delimiter)) {
      if (existsSync(join(folder, name))) return join(folder, name);
    }
  }
  throw new Error(`none of ${names.join(", ")} is installed; npm test says how to install it`);
}

/** Starts Chromium; `executable` when it runs elsewhere (a network namespace). */
export function launchChromium(executable?: string): Promise<Browser> {
  return chromium.launch({
    executablePath: executable ?? findProgram("chromium", "chromium-browser", "google-chrome"),
    headless: true,
    args: FLAGS,
  });
}

/** What a page saw of somebody's picture. */
export interface Seen {
  readonly frames: number;
  /** Number that the newest frame carries, −1 when unreadable. */
  readonly number: number;
  readonly backwards: number;
  readonly repeated: number;
  readonly longestGapMs: number;
  readonly width: number;
  readonly height: number;
}

/** How a page joins. */
export interface JoinOptions {
  readonly room: string;
  readonly grants?: Record<string, unknown>;
  readonly token?: string;
  readonly roomOptions?: Record<string, unknown>;
  readonly connectOptions?: Record<string, unknown>;
}

/** What a browser driver must be able to do with a page. */
export interface PageDriver {
  evaluate<T, A>(fn: (arg: A) => T | Promise<T>, arg: A): Promise<T>;
  close(): Promise<void>;
}

/** One participant in a browser page of its own. */
export class CallPage {
  readonly page: PageDriver;
  readonly identity: string;
  readonly #server: ServerProcess;

  constructor(page: PageDriver, server: ServerProcess, identity: string) {
    this.page = page;
    this.#server = server;
    this.identity = identity;
  }

  async join(options: JoinOptions): Promise<{ ms: number; sid: string; serverVersion: string }> {
    const token = options.token ?? this.#server.token(this.identity, options.room, options.grants);
    return this.call("connect", this.#server.url, token, options.roomOptions ?? {}, options.connectOptions ?? {});
  }

  /** Calls a function of the harness in the page. */
  call<T>(name: string, ...args: unknown[]): Promise<T> {
    return this.page.evaluate(
      ([fn, list]) =>
        (globalThis as unknown as { harness: Record<string, (...a: unknown[]) => unknown> }).harness[fn]!(...list),
      [name, args] as const,
    ) as Promise<T>;
  }

  publishCamera(options: Record<string, unknown> = {}): Promise<string> {
    return this.call("publishCamera", options);
  }

  publishTone(hz: number, options: Record<string, unknown> = {}): Promise<string> {
    return this.call("publishTone", hz, options);
  }

  seen(identity: string, source = "camera"): Promise<Seen | undefined> {
    return this.call("seen", identity, source);
  }

  /** Waits until somebody's picture moves: the number in its frames advances by `steps`. */
  async sees(identity: string, { source = "camera", steps = 5, timeoutMs = 15_000 } = {}): Promise<number> {
    let first = -1;
    return until(
      async () => {
        const number = (await this.seen(identity, source))?.number ?? -1;
        if (number < 0) return false;
        if (first < 0) first = number;
        return ((number - first) & 0xffff) >= steps;
      },
      timeoutMs,
      `${this.identity} to see ${identity}'s ${source} move`,
    );
  }

  /** Waits until the tone is heard of somebody. */
  hears(identity: string, hz: number, { source = "microphone", timeoutMs = 15_000 } = {}): Promise<number> {
    let last = { hz: 0, db: 0 };
    return until(
      async () => {
        last = await this.call<{ hz: number; db: number }>("heard", identity, source);
        return Math.abs(last.hz - hz) < 12 && last.db > -60;
      },
      timeoutMs,
      () =>
        `${this.identity} to hear ${hz} Hz of ${identity} (last ${last.hz.toFixed(0)} Hz at ${last.db.toFixed(0)} dB)`,
    );
  }

  participants(): Promise<string[]> {
    return this.call("participants");
  }

  /** Messages received so far. */
  data(): Promise<{ text: string; from: string; topic: string }[]> {
    return this.page.evaluate(() => (globalThis as unknown as { harness: { data: never[] } }).harness.data, undefined);
  }

  /** Room events so far. */
  events(): Promise<{ name: string; at: number; about: string }[]> {
    return this.page.evaluate(
      () => (globalThis as unknown as { harness: { events: never[] } }).harness.events,
      undefined,
    );
  }

  async waitEvent(name: string, about = "", timeoutMs = 10_000): Promise<void> {
    await until(
      async () => (await this.events()).some((e) => e.name === name && e.about.includes(about)),
      timeoutMs,
      `${this.identity} to get the event ${name} ${about}`,
    );
  }

  close(): Promise<void> {
    return this.page.close();
  }
}

/** A page that has livekit-client and the harness loaded, for `identity`. */
export async function openPage(browser: Browser, server: ServerProcess, identity: string): Promise<CallPage> {
  const context = await browser.newContext();
  const page = await context.newPage();
  if (process.env.STOA_DEBUG) {
    page.on("console", (message) => console.log(`  [${identity}] ${message.text().slice(0, 300)}`));
    page.on("pageerror", (error) => console.log(`  [${identity}] ${error.message}`));
  }
  // Answered by the driver: a secure origin without a web server, inside a network namespace too.
  await page.route("http://localhost/**", (route) =>
    route.fulfill({ contentType: "text/html", body: "<!doctype html><meta charset=utf-8><title>test</title><body>" }),
  );
  await page.goto("http://localhost/");
  for (const script of PAGE_SCRIPTS) await page.addScriptTag({ content: readFileSync(script, "utf8") });
  return new CallPage(
    { evaluate: (fn, arg) => page.evaluate(fn as never, arg) as never, close: () => context.close() },
    server,
    identity,
  );
}
