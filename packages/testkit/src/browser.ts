/** Starts a real headless Chromium and opens pages with livekit-client in it. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { CallPage } from "./call-page.ts";
import type { ServerProcess } from "./server-process.ts";

const require = createRequire(import.meta.url);
const CLIENT_FOLDER = dirname(require.resolve("livekit-client"));
/** Paths of the scripts that a test page loads: the client under test, then what measures, then the harness. */
export const PAGE_SCRIPTS = [
  join(CLIENT_FOLDER, "livekit-client.umd.js"),
  fileURLToPath(new URL("../assets/meters.js", import.meta.url)),
  fileURLToPath(new URL("../assets/data-tracks.js", import.meta.url)),
  fileURLToPath(new URL("../assets/channels.js", import.meta.url)),
  fileURLToPath(new URL("../assets/harness.js", import.meta.url)),
];
/** The client's worker for end-to-end encryption; a page asks for it under this name. */
const E2EE_WORKER = { path: "/e2ee-worker.js", file: join(CLIENT_FOLDER, "livekit-client.e2ee.worker.js") };

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
    new URL(route.request().url()).pathname === E2EE_WORKER.path
      ? route.fulfill({ contentType: "text/javascript", path: E2EE_WORKER.file })
      : route.fulfill({
          contentType: "text/html",
          body: "<!doctype html><meta charset=utf-8><title>test</title><body>",
        }),
  );
  await page.goto("http://localhost/");
  for (const script of PAGE_SCRIPTS) await page.addScriptTag({ content: readFileSync(script, "utf8") });
  return new CallPage(
    { evaluate: (fn, arg) => page.evaluate(fn as never, arg) as never, close: () => context.close() },
    server,
    identity,
  );
}
