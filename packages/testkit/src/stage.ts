/**
 * What most interop tests stand on: one server and one Chromium for a whole file, and pages that go away after each test, failed or not,
 * because a forgotten page encodes on and starves the next test.
 */
import { type launchChromium, openPage } from "./browser.ts";
import type { CallPage, JoinOptions } from "./call-page.ts";
import type { ServerProcess } from "./server-process.ts";

type Browser = Awaited<ReturnType<typeof launchChromium>>;

/** How a page joins; the room is told apart. */
export type EnterOptions = Omit<JoinOptions, "room"> & {
  /** Another browser than the stage's: one on a host of its own. */
  readonly browser?: Browser;
};

/** A server, a browser and the pages of the test under way. */
export class Stage {
  readonly server: ServerProcess;
  readonly browser: Browser;
  #pages: CallPage[] = [];

  constructor(server: ServerProcess, browser: Browser) {
    this.server = server;
    this.browser = browser;
  }

  /** Opens a page without joining. */
  async open(identity: string, browser: Browser = this.browser): Promise<CallPage> {
    const page = await openPage(browser, this.server, identity);
    this.#pages.push(page);
    return page;
  }

  /** Opens a page and joins. */
  async enter(room: string, identity: string, { browser, ...options }: EnterOptions = {}): Promise<CallPage> {
    const page = await this.open(identity, browser);
    await page.join({ room, ...options });
    return page;
  }

  /** Closes the pages: for `afterEach`. */
  async clear(): Promise<void> {
    const pages = this.#pages;
    this.#pages = [];
    await Promise.allSettled(pages.map((page) => page.close()));
  }

  /** Ends all: for `after`. */
  async close(): Promise<void> {
    await Promise.allSettled([this.browser.close(), this.server.stop()]);
  }
}
