/**
 * What most interop tests stand on: one server and one Chromium for a whole file, and pages that go away after each test, failed or not,
 * because a forgotten page encodes on and starves the next test.
 */
import { launchChromium, openPage } from "./browser.ts";
import type { CallPage, JoinOptions } from "./call-page.ts";
import { type ServerOptions, type ServerProcess, startServer } from "./server-process.ts";

type Browser = Awaited<ReturnType<typeof launchChromium>>;

/** How a page joins; the room is told apart. */
export type EnterOptions = Omit<JoinOptions, "room"> & {
  /** Another browser than the stage's: one on a host of its own. */
  readonly browser?: Browser;
};

/** A page for each name. */
type Pages<Names extends readonly string[]> = { readonly [Name in keyof Names]: CallPage };

/** Something of a test that must not outlive it. */
interface Closable {
  close(): Promise<unknown>;
}

/** A server, a browser and the pages of the test under way. */
export class Stage {
  readonly server: ServerProcess;
  readonly browser: Browser;
  #kept: Closable[] = [];

  constructor(server: ServerProcess, browser: Browser) {
    this.server = server;
    this.browser = browser;
  }

  /** Opens a page without joining. */
  async open(identity: string, browser: Browser = this.browser): Promise<CallPage> {
    return this.keep(await openPage(browser, this.server, identity));
  }

  /** Opens a page and joins. */
  async enter(room: string, identity: string, { browser, ...options }: EnterOptions = {}): Promise<CallPage> {
    const page = await this.open(identity, browser);
    await page.join({ room, ...options });
    return page;
  }

  /** Opens a page for each name; they join at the same time. */
  async enterAll<const Names extends readonly string[]>(
    room: string,
    names: Names,
    { browser, ...options }: EnterOptions = {},
  ): Promise<Pages<Names>> {
    const pages = await Promise.all(names.map((name) => this.open(name, browser)));
    await Promise.all(pages.map((page) => page.join({ room, ...options })));
    return pages as unknown as Pages<Names>;
  }

  /** The same, and waits until each page knows of all the others. */
  async meet<const Names extends readonly string[]>(room: string, names: Names): Promise<Pages<Names>> {
    const pages = await this.enterAll(room, names);
    await Promise.all(pages.map((page) => page.knows(names.length - 1)));
    return pages;
  }

  /** Closes this with the pages: for clients of other kinds. */
  keep<Kept extends Closable>(kept: Kept): Kept {
    this.#kept.push(kept);
    return kept;
  }

  /** Closes the pages: for `afterEach`. */
  async clear(): Promise<void> {
    const kept = this.#kept;
    this.#kept = [];
    await Promise.allSettled(kept.map((one) => one.close()));
  }

  /** Ends all: for `after`. */
  async close(): Promise<void> {
    await this.clear();
    await Promise.allSettled([this.browser.close(), this.server.stop()]);
  }
}

/** Starts a server and a Chromium: for `before`. */
export async function openStage(options: ServerOptions = {}): Promise<Stage> {
  const server = await startServer(options);
  try {
    return new Stage(server, await launchChromium());
  } catch (error) {
    await server.stop();
    throw error;
  }
}
