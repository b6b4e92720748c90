/** Chromium as a side of a transfer: a page with one RTCPeerConnection. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launchChromium } from "@stoa/testkit/browser";
import type { Side } from "./program.ts";

type Browser = Awaited<ReturnType<typeof launchChromium>>;
type Page = Awaited<ReturnType<Browser["newPage"]>>;

const SCRIPT = fileURLToPath(new URL("../../sctp/page.js", import.meta.url));

/** See the file's head. Its CPU time is that of all of Chromium's processes. */
export class BrowserSide implements Side {
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #messageBytes: number;

  private constructor(browser: Browser, page: Page, messageBytes: number) {
    this.#browser = browser;
    this.#page = page;
    this.#messageBytes = messageBytes;
  }

  static async open(messageBytes: number): Promise<BrowserSide> {
    const browser = await launchChromium();
    const page = await browser.newPage();
    await page.addScriptTag({ content: readFileSync(SCRIPT, "utf8") });
    return new BrowserSide(browser, page, messageBytes);
  }

  offer(): Promise<string> {
    return this.#call("sctpOffer", this.#messageBytes);
  }

  answer(offer: string): Promise<string> {
    return this.#call("sctpAnswer", offer);
  }

  async accept(answer: string): Promise<void> {
    await this.#call("sctpAccept", answer);
  }

  receivedBytes(): Promise<number> {
    return this.#call("sctpReceived");
  }

  async cpuMs(): Promise<number> {
    const session = await this.#browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    await session.detach();
    return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime * 1000, 0);
  }

  close(): Promise<void> {
    return this.#browser.close();
  }

  #call<T>(name: string, ...args: unknown[]): Promise<T> {
    return this.#page.evaluate(
      ([known, list]) =>
        (globalThis as unknown as Record<string, (...all: readonly unknown[]) => unknown>)[known]!(...list),
      [name, args] as const,
    ) as Promise<T>;
  }
}
