/** What strangers and mistaken clients send: each gets its answer, and a running call does not notice. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { after, before, test } from "node:test";
import { createAccessToken } from "@stoa/testkit/access-token";
import { launchChromium, openPage } from "@stoa/testkit/browser";
import type { CallPage } from "@stoa/testkit/call-page";
import { plainJoinRequest, RawSignal } from "@stoa/testkit/raw-signal";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";

let server: ServerProcess;
let browser: Awaited<ReturnType<typeof launchChromium>>;
let ada: CallPage;
let bob: CallPage;

before(async () => {
  server = await startServer({ config: { room: { auto_create: true } } });
  browser = await launchChromium();
  [ada, bob] = (await Promise.all(["ada", "bob"].map((name) => openPage(browser, server, name)))) as [
    CallPage,
    CallPage,
  ];
  await Promise.all([ada.join({ room: "calm" }), bob.join({ room: "calm" })]);
  await Promise.all([ada.publishCamera({ width: 320, height: 180 }), ada.publishTone(440)]);
  await Promise.all([bob.sees("ada"), bob.hears("ada", 440)]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** The call of the other two goes on: the picture moves, no frame was shown twice or backwards meanwhile. */
async function undisturbed(): Promise<void> {
  await bob.sees("ada", { steps: 10 });
  assert.equal((await bob.seen("ada"))?.backwards, 0);
}

test("datagrams that are garbage or nearly right are dropped while the call goes on", async () => {
  const socket = createSocket("udp4");
  const stun = Buffer.from("000100582112a442" + "00".repeat(12) + "0006000961626364" + "3a61626364000000", "hex");
  const hostile = [
    Buffer.alloc(0),
    Buffer.from([0x16, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
    Buffer.concat([stun, randomBytes(40)]),
    Buffer.from([0xbf, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
    Buffer.concat([Buffer.from([0xb0, 96, 0, 1]), randomBytes(40), Buffer.from([255])]),
    Buffer.concat([Buffer.from([0x80, 200, 0xff, 0xff]), randomBytes(12)]),
    randomBytes(1400),
    randomBytes(9000),
  ];
  for (let i = 0; i < 2000; i++) {
    const datagram = i % 2 ? hostile[i % hostile.length]! : randomBytes(1 + (i % 1200));
    await new Promise((resolve) => socket.send(datagram, server.ports.udp, "127.0.0.1", resolve));
  }
  socket.close();
  await undisturbed();
});

test("a client whose offer makes no sense is told so; the room goes on", async () => {
  const raw = await RawSignal.connect(server, "mallory", "calm");
  raw.send({ case: "offer", value: { type: "offer", sdp: "v=0\r\nthis is no sdp" } as never });
  const leave = await raw.wait("leave");
  assert.notEqual(leave.reason, 0);
  await raw.closed();
  await undisturbed();
});

test("requests about things that do not exist are answered or ignored, never fatal", async () => {
  const raw = await RawSignal.connect(server, "mallory", "calm");
  const requests = [
    { case: "mute", value: { sid: "TR_none", muted: true } },
    { case: "subscription", value: { trackSids: ["TR_none"], subscribe: true } },
    { case: "trackSetting", value: { trackSids: ["TR_none"], disabled: true } },
    { case: "trickle", value: { candidateInit: "{not json", target: 0 } },
    { case: "answer", value: { type: "answer", sdp: "junk" } },
    { case: "updateLayers", value: { trackSid: "TR_none" } },
    { case: "syncState", value: {} },
    { case: "pingReq", value: { timestamp: 5n, rtt: 1n } },
  ];
  for (const request of requests) raw.send(request as never);
  const pong = await raw.wait("pongResp");
  assert.equal(pong.lastPingTimestamp, 5n);
  assert.ok(Math.abs(Number(pong.timestamp) - Date.now()) < 5000);
  raw.close();
  await undisturbed();
});

test("a signal frame over 2 MiB closes that socket with 1009", async () => {
  const raw = await RawSignal.connect(server, "mallory", "calm");
  raw.socket.send(Buffer.alloc(2 * 1024 * 1024 + 1));
  assert.equal(await raw.closed(), 1009);
  await undisturbed();
});

test("each refused join has its status, its sentence and CORS headers", async () => {
  const { key, secret } = server;
  const good = server.token("zoe", "calm");
  const join = `join_request=${encodeURIComponent(plainJoinRequest())}`;
  const table: readonly (readonly [string, number, string])[] = [
    [`/rtc/validate?access_token=${good}`, 200, "success"],
    [`/rtc/v1/validate?access_token=${good}&${join}`, 200, "success"],
    ["/rtc/validate", 401, "no permissions to access the room"],
    ["/rtc/validate?access_token=garbage", 401, "invalid authorization token"],
    [
      `/rtc/validate?access_token=${createAccessToken("APInobody", secret, "zoe", { roomJoin: true, room: "calm" })}`,
      401,
      "invalid API key",
    ],
    [
      `/rtc/validate?access_token=${createAccessToken(key, "wrong-secret", "zoe", { roomJoin: true, room: "calm" })}`,
      401,
      "invalid authorization token",
    ],
    [`/rtc/validate?access_token=${createAccessToken(key, secret, "zoe", { room: "calm" })}`, 401, "permissions"],
    [
      `/rtc/validate?access_token=${createAccessToken(key, secret, "", { roomJoin: true, room: "calm" })}`,
      400,
      "identity cannot be empty",
    ],
    [`/rtc/v1/validate?access_token=${good}`, 400, "join_request is required"],
    [`/rtc/v1/validate?access_token=${good}&join_request=%21%21%21`, 400, ""],
    ["/nowhere", 404, ""],
  ];
  for (const [path, status, body] of table) {
    const answer = await fetch(server.http + path, { headers: { origin: "https://app.example" } });
    const text = await answer.text();
    assert.equal(answer.status, status, `${path.slice(0, 40)}: ${text}`);
    assert.ok(text.includes(body), `${path.slice(0, 40)}: ${text}`);
    assert.ok(
      ["*", "https://app.example"].includes(answer.headers.get("access-control-allow-origin") ?? ""),
      path.slice(0, 40),
    );
  }
});
