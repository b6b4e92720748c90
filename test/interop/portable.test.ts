/** The portable packet path (Node's own ciphers and sockets) carries a call as the fast one does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import { startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

test("without native sockets and ciphers two pages see, hear and message each other", async () => {
  const server = await startServer({ env: { STOA_ACCEL: "portable" } });
  const browser = await launchChromium();
  try {
    assert.match(server.log(), /accel: .*node ciphers and sockets/);
    const [a, b] = await Promise.all([openPage(browser, server, "ada"), openPage(browser, server, "bob")]);
    await Promise.all([a.join({ room: "portable" }), b.join({ room: "portable" })]);
    await Promise.all([a.publishCamera(), b.publishTone(660), a.publishTone(440)]);
    await Promise.all([b.sees("ada"), b.hears("ada", 440), a.hears("bob", 660)]);
    await a.call("send", "hello", { reliable: true });
    await until(async () => (await b.data()).length === 1, 5000, "a message");
  } finally {
    await Promise.allSettled([browser.close(), server.stop()]);
  }
});
