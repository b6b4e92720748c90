/** The demo page as a person uses it: on a laptop and on a phone, with the browser's fake camera, microphone and screen. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RoomServiceClient } from "livekit-server-sdk";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

type Browser = Awaited<ReturnType<typeof launchChromium>>;
type Page = Awaited<ReturnType<Browser["newPage"]>>;

const LAPTOP = { width: 1280, height: 760 };
const PHONE = { width: 390, height: 844 };
/** Topics of LiveKit's chat: of text streams, and of data messages before there were any. */
const CHAT = "lk.chat";
const OLD_CHAT = "lk-chat-topic";

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

/** The page before it is loaded; what goes wrong in it is noted. */
async function blankPage(viewport: typeof LAPTOP): Promise<Page> {
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
  return page;
}

async function open(name: string, viewport: typeof LAPTOP, room = "lobby"): Promise<Page> {
  const page = await blankPage(viewport);
  await page.goto(`${server.http}/demo?room=${room}`);
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

/** Who said what, as the page shows it. */
function chatOf(page: Page): Promise<string[]> {
  return page
    .locator("#messages li")
    .evaluateAll((lines) => lines.map((line) => [...line.childNodes].map(({ textContent }) => textContent).join(": ")));
}

const textsOf = () => (globalThis as unknown as { harness: { texts: { from: string; text: string }[] } }).harness.texts;

async function fitsTheScreen(page: Page): Promise<void> {
  const { width, height } = page.viewportSize()!;
  for (const box of await page.locator("#call .tile, #call nav button").all()) {
    const at = (await box.boundingBox())!;
    assert.ok(at.x >= 0 && at.y >= 0 && at.x + at.width <= width && at.y + at.height <= height, JSON.stringify(at));
  }
}

/** Contrast (WCAG 2) of each label's text and mark with the label, over a picture that is white. */
function labelContrasts(page: Page): Promise<number[]> {
  return page.locator(".tile .name.muted, .tile .stats:visible").evaluateAll((labels) => {
    const { getComputedStyle: styleOf } = globalThis as unknown as {
      getComputedStyle: (of: unknown) => Record<"color" | "stroke" | "backgroundColor", string>;
    };
    const brightness = (colour: string): number => {
      const [red = 0, green = 0, blue = 0, alpha = 1] = colour.match(/[\d.]+/g)!.map(Number);
      const [r, g, b] = [red, green, blue].map((value) => {
        const over = (value * alpha + 255 * (1 - alpha)) / 255;
        return over <= 0.04045 ? over / 12.92 : ((over + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    return labels.flatMap((label) => {
      const style = styleOf(label);
      const mark = label.querySelector(".mark");
      const inks = [style.color, ...(mark ? [styleOf(mark).stroke] : [])];
      return inks.map((ink) => (brightness(ink) + 0.05) / (brightness(style.backgroundColor) + 0.05));
    });
  });
}

async function isScreenFirst(page: Page): Promise<boolean> {
  const tiles = await page.locator(".tile").all();
  const boxes = await Promise.all(tiles.map(async (one) => (await one.boundingBox())!));
  const [first, ...others] = boxes.map(({ width, height }) => width * height);
  const screen = (await tiles[0]!.getAttribute("data-source")) === "screen_share";
  const before = boxes.slice(1).every(({ x, y }) => x > boxes[0]!.x || y > boxes[0]!.y);
  return screen && before && others.every((area) => area < first!);
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
  for (const colorScheme of ["light", "dark"] as const) {
    await ada.emulateMedia({ colorScheme });
    for (const contrast of await labelContrasts(ada)) assert.ok(contrast >= 4.5, `${colorScheme}: ${contrast}`);
  }
  await grace.click("#cam");
  await until(
    async () => (await ada.locator('.tile[data-identity="Grace"] video').count()) === 0,
    5000,
    "the face instead of the picture",
  );

  await ada.click("#screen");
  await until(async () => ((await tile(grace, "Ada", "screen_share"))?.seconds ?? 0) > 0, 10_000, "the shared screen");
  assert.equal(await ada.innerText(".tile.screen .name"), "Your screen");
  assert.equal(await grace.innerText(".tile.screen .name"), "Ada’s screen");
  for (const viewport of [PHONE, { width: PHONE.height, height: PHONE.width }, LAPTOP]) {
    await grace.setViewportSize(viewport);
    await until(() => isScreenFirst(grace), 5000, "the shared screen to be the first tile and the largest");
    await fitsTheScreen(grace);
  }
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

test("what is typed while the page still loads stays", async () => {
  const page = await blankPage(PHONE);
  let goOn = (): void => undefined;
  const typed = new Promise<void>((resolve) => (goOn = resolve));
  await page.route("**/demo/config.json", async (route) => {
    await typed;
    await route.continue();
  });
  await page.goto(`${server.http}/demo?identity=Ada&room=hall`, { waitUntil: "commit" });
  await page.fill("input[name=identity]", "Grace");
  await page.fill("input[name=room]", "salon");
  goOn();
  await page.waitForSelector("button[type=submit]:not([disabled])");
  const values = [await page.inputValue("input[name=identity]"), await page.inputValue("input[name=room]")];
  assert.deepEqual(values, ["Grace", "salon"]);
  await page.goto(`${server.http}/demo?identity=Ada&room=hall`);
  await page.waitForSelector("button[type=submit]:not([disabled])");
  assert.equal(await page.inputValue("input[name=identity]"), "Ada", "nobody has typed");
  await page.fill("input[name=identity]", "   ");
  await page.click("button[type=submit]");
  assert.equal(await page.innerText("#problem"), "Your name is missing.");
  await page.context().close();
  assert.deepEqual(mistakes, []);
});

test("chat shows the messages of LiveKit's clients of every age once, and no other data", async () => {
  const ada = await open("Ada", LAPTOP, "chat");
  const grace = await open("Grace", PHONE, "chat");
  const guest = await openPage(browser, server, "Guest");
  await guest.join({ room: "chat" });
  await guest.call("takeTexts", CHAT);
  const old = (message: string, more = {}) => JSON.stringify({ id: message, timestamp: 1, message, ...more });
  const send = (text: string, topic: string) => guest.call("send", text, { reliable: true, topic });
  await send("{}", "robot-arm");
  await send("no topic", "");
  await guest.call("sendText", "a log line", { topic: "log" });
  await send("{", OLD_CHAT);
  await send(old("said as a stream too", { ignoreLegacy: true }), OLD_CHAT);
  await guest.call("sendText", "as a stream", { topic: CHAT });
  await guest.call("sendChat", "as a chat packet");
  await send(old("as JSON"), OLD_CHAT);
  await grace.waitForSelector("#say input:visible");
  await grace.fill("#say input", "from the page");
  await grace.press("#say input", "Enter");
  const expected = ["as a stream", "as a chat packet", "as JSON"].map((text) => `Guest: ${text}`);
  for (const [page, who] of [
    [ada, "Grace"],
    [grace, "You"],
  ] as const) {
    await until(async () => (await chatOf(page)).length >= 4, 5000, "four messages");
    assert.deepEqual((await chatOf(page)).toSorted(), [...expected, `${who}: from the page`].toSorted());
  }
  await until(async () => (await guest.data()).some(({ topic }) => topic === OLD_CHAT), 5000, "the message as JSON");
  assert.deepEqual(await guest.page.evaluate(textsOf, undefined), [{ from: "Grace", text: "from the page" }]);
  const { from, text } = (await guest.data()).find(({ topic }) => topic === OLD_CHAT)!;
  const { message, ignoreLegacy } = JSON.parse(text) as Record<string, unknown>;
  assert.deepEqual([from, message, ignoreLegacy], ["Grace", "from the page", true], "for clients that know no streams");
  for (const page of [ada, grace]) await page.context().close();
  await guest.close();
  assert.deepEqual(mistakes, []);
});
