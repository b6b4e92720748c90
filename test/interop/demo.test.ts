/** The demo page as a person uses it: on a laptop and on a phone, with the browser's fake camera, microphone and screen. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RoomServiceClient } from "livekit-server-sdk";
import { launchChromium } from "@stoa/testkit/browser";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

type Browser = Awaited<ReturnType<typeof launchChromium>>;
type Page = Awaited<ReturnType<Browser["newPage"]>>;

const LAPTOP = { width: 1280, height: 760 };
const PHONE = { width: 390, height: 844 };

let server: ServerProcess;
let browser: Browser;
const mistakes: string[] = [];

before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(name: string, viewport: typeof LAPTOP): Promise<Page> {
  const context = await browser.newContext({ viewport, permissions: ["camera", "microphone"] });
  const page = await context.newPage();
  page.on("pageerror", (error) => mistakes.push(error.message));
  page.on("console", (message) => message.type() === "error" && mistakes.push(message.text()));
  page.on(
    "response",
    (response) => response.status() >= 400 && mistakes.push(`${response.status()} ${response.url()}`),
  );
  page.on("request", (request) => {
    if (!request.url().startsWith(server.http)) mistakes.push(`asks a stranger: ${request.url()}`);
  });
  await page.goto(`${server.http}/demo`);
  await page.fill("input[name=identity]", name);
  await page.click("button[type=submit]");
  await page.waitForSelector("#call:not([hidden])");
  return page;
}

/** What a tile shows: whether a picture moves in it, and its line of figures. */
async function tile(page: Page, identity: string, source = "camera") {
  // in one go: the tile may go away at any moment
  const found = await page.locator(`.tile[data-identity="${identity}"][data-source="${source}"]`).evaluateAll((boxes) =>
    boxes.map((box) => {
      const element = box as unknown as {
        innerText: string;
        querySelector(of: string): { currentTime: number } | null;
      };
      return { seconds: element.querySelector("video")?.currentTime ?? 0, text: element.innerText };
    }),
  );
  return found[0];
}

async function fitsTheScreen(page: Page): Promise<void> {
  const { width, height } = page.viewportSize()!;
  for (const box of await page.locator("#call .tile, #call nav button").all()) {
    const at = (await box.boundingBox())!;
    assert.ok(at.x >= 0 && at.y >= 0 && at.x + at.width <= width && at.y + at.height <= height, JSON.stringify(at));
  }
}

test("two people meet on the demo page: see, figures, mute, share the screen, leave", async () => {
  const ada = await open("Ada", LAPTOP);
  const grace = await open("Grace", PHONE);
  for (const [page, other] of [
    [ada, "Grace"],
    [grace, "Ada"],
  ] as const) {
    await until(async () => ((await tile(page, other))?.seconds ?? 0) > 1, 10_000, `${other}'s picture to move`);
    const figures = /\d+×\d+ · [\d.]+ [kM]bit\/s · \d+ ms/;
    await until(
      async () => figures.test((await tile(page, other))?.text ?? ""),
      10_000,
      "bitrate, size and round-trip time",
    );
  }
  assert.equal(await ada.innerText("#people"), "2 people");
  await fitsTheScreen(ada);

  await grace.click("#mic");
  await until(
    async () => (await ada.locator('.tile[data-identity="Grace"] .name.muted').count()) === 1,
    5000,
    "the mark of a muted microphone",
  );
  await grace.click("#cam");
  await until(
    async () => (await ada.locator('.tile[data-identity="Grace"] video').count()) === 0,
    5000,
    "the face instead of the picture",
  );

  await ada.click("#screen");
  await until(async () => ((await tile(grace, "Ada", "screen_share"))?.seconds ?? 0) > 0, 10_000, "the shared screen");
  await fitsTheScreen(grace);
  await ada.click("#screen");
  await until(
    async () => (await tile(grace, "Ada", "screen_share")) === undefined,
    5000,
    "the shared screen to go away",
  );

  await ada.click("#leave");
  await ada.waitForSelector("#lobby:not([hidden])");
  assert.equal(await ada.innerText("#problem"), "");
  await until(async () => (await grace.innerText("#people")) === "only you", 5000, "Ada to be gone");
  await new RoomServiceClient(server.http, server.key, server.secret).removeParticipant("lobby", "Grace");
  await grace.waitForSelector("#lobby:not([hidden])");
  assert.equal(await grace.innerText("#problem"), "You were removed from the call.");
  assert.deepEqual(mistakes, []);
});
