/** Drives livekit-client in Firefox through WebDriver BiDi. Firefox never uses loopback for media: run it inside a namespace. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, launch } from "puppeteer-core";
import { findProgram, PAGE_SCRIPTS } from "./browser.ts";
import { CallPage } from "./call-page.ts";
import type { ServerProcess } from "./server-process.ts";

/** Pitch of the fake microphone. */
export const FIREFOX_TONE_HZ = 660;

const PREFERENCES = {
  "media.autoplay.default": 0,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.navigator.permission.disabled": true,
  "media.navigator.streams.fake": true,
  "media.navigator.audio.fake_frequency": FIREFOX_TONE_HZ,
  // VP8 and VP9 only: whether H264 is there would hang on a download, and a test needs a Firefox that cannot take AV1.
  "media.gmp-gmpopenh264.enabled": false,
  "media.webrtc.codec.video.av1.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "app.normandy.enabled": false,
  "browser.safebrowsing.downloads.enabled": false,
};

/** A headless Firefox with the test page's web server. */
export class Firefox {
  readonly #browser: Browser;
  readonly #web: Server;

  private constructor(browser: Browser, web: Server) {
    this.#browser = browser;
    this.#web = web;
  }

  static async launch(): Promise<Firefox> {
    const web = createServer((request, response) => {
      const script = PAGE_SCRIPTS[Number(request.url?.slice(1) || "-1")];
      response.setHeader("content-type", script ? "text/javascript" : "text/html; charset=utf-8");
      const tags = PAGE_SCRIPTS.map((_, i) => `<script src="/${i}"></script>`).join("");
      response.end(script ? readFileSync(script) : `<!doctype html><title>test</title><body>${tags}`);
    });
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    const browser = await launch({
      browser: "firefox",
      executablePath: findProgram("firefox-esr", "firefox"),
      headless: true,
      extraPrefsFirefox: PREFERENCES,
    });
    return new Firefox(browser, web);
  }

  async open(server: ServerProcess, identity: string): Promise<CallPage> {
    const page = await this.#browser.newPage();
    await page.goto(`http://127.0.0.1:${(this.#web.address() as AddressInfo).port}/`);
    return new CallPage(
      { evaluate: (fn, arg) => page.evaluate(fn as never, arg as never) as never, close: () => page.close() },
      server,
      identity,
    );
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await new Promise((resolve) => this.#web.close(resolve));
  }
}
