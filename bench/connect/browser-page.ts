/** A page in Chromium with livekit-client, the publisher's harness and the stop watch of `page.js`. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type launchChromium, PAGE_SCRIPTS } from "@stoa/testkit/browser";

type Browser = Awaited<ReturnType<typeof launchChromium>>;

const STOP_WATCH = fileURLToPath(new URL("../../connect/page.js", import.meta.url));
const SOURCES = [...PAGE_SCRIPTS, STOP_WATCH].map((file) => readFileSync(file, "utf8"));

/** Calls one of the page's global functions, with a path such as "harness.connect". */
export interface BenchPage {
  call<T>(path: string, ...args: unknown[]): Promise<T>;
  close(): Promise<void>;
}

/** Opens a page in a context of its own: no cache, no connection is shared with another. */
export async function openBenchPage(browser: Browser): Promise<BenchPage> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.route("http://localhost/**", (route) =>
    route.fulfill({ contentType: "text/html", body: "<!doctype html><meta charset=utf-8><title>bench</title><body>" }),
  );
  await page.goto("http://localhost/");
  for (const content of SOURCES) await page.addScriptTag({ content });
  return {
    call: <T>(path: string, ...args: unknown[]) =>
      page.evaluate(
        ([names, list]) => {
          let found: unknown = globalThis;
          for (const name of names) found = (found as Record<string, unknown>)[name];
          return (found as (...all: readonly unknown[]) => unknown)(...list);
        },
        [path.split("."), args] as const,
      ) as Promise<T>,
    close: () => context.close(),
  };
}
