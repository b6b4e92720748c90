/** The server inside another program: its hooks decide and hear, its HTTP server keeps what it had. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, test } from "node:test";
import {
  DataPacket,
  DisconnectReason,
  ParticipantInfo,
  Room as RoomInfo,
  SignalResponse,
  TrackInfo,
  UserPacket,
} from "@livekit/protocol";
import type { ParticipantEventKind } from "@stoa/core/room/effects";
import { until } from "@stoa/testkit/until";
import { WebSocket, WebSocketServer } from "ws";
import { handmadeToken, joinClaims, KEY, PAPER_WORKER, recordingLog, SECRET } from "../fixtures.test.ts";
import { createServer } from "../main.ts";
import { isOurs } from "./attach.ts";
import { HookObserver } from "./hook-observer.ts";
import type { EventHooks, JoinAllowed, JoinAttempt, ServerHooks } from "./hooks.ts";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const CONFIG = { port: 0, bind_addresses: ["127.0.0.1"], keys: { [KEY]: SECRET }, rtc: { udp_port: 7882 } };
const PARTS = { workerEntry: PAPER_WORKER, cores: 1 };

async function start(hooks: ServerHooks) {
  const reasons: string[] = [];
  const log = recordingLog();
  const error = (message: string, fields: { error?: unknown } = {}) => {
    log.error(message);
    if (fields.error instanceof Error) reasons.push(fields.error.message);
  };
  const stoa = createServer({ config: CONFIG, log: { ...log, error }, hooks, parts: PARTS });
  const { port } = await stoa.start();
  open.push(() => stoa.close());
  return { log, reasons, base: `127.0.0.1:${port}` };
}

const query = (claims: Record<string, unknown> = {}) => {
  return `protocol=16&sdk=js&version=2.0.0&access_token=${handmadeToken(joinClaims(Date.now(), claims))}`;
};

/** Joins; gives the JoinResponse, or the status and text of the refusal. */
async function join(base: string, claims: Record<string, unknown> = {}) {
  const ws = new WebSocket(`ws://${base}/rtc?${query(claims)}`);
  open.push(() => ws.terminate());
  ws.on("error", () => {});
  const refused = once(ws, "unexpected-response").then(async ([, response]) => {
    let body = "";
    for await (const chunk of response) body += String(chunk);
    return { status: response.statusCode as number, body, join: undefined };
  });
  const joined = once(ws, "message").then(([data]) => {
    const { message } = SignalResponse.fromBinary(data as Buffer);
    assert.ok(message.case === "join");
    return { status: 101, body: "", join: message.value };
  });
  return Promise.race([refused, joined]);
}

const validate = async (base: string) => {
  const response = await fetch(`http://${base}/rtc/validate?${query()}`);
  return [response.status, await response.text()];
};

describe("beforeJoin", () => {
  test("is told who comes, and lets in by saying nothing", async () => {
    const attempts: JoinAttempt[] = [];
    const { base } = await start({ beforeJoin: (attempt) => void attempts.push(attempt) });
    const { join: answer } = await join(base, { name: "Ada", attributes: { a: "1" } });
    assert.equal(answer!.participant!.name, "Ada");
    const [{ room, identity, name, kind, attributes, grants, apiKey, client, dryRun }] = attempts as [JoinAttempt];
    assert.deepEqual([room, identity, name, kind, apiKey, dryRun], ["lobby", "ada", "Ada", "standard", KEY, false]);
    assert.deepEqual(
      [attributes, grants.canPublish, client.sdk, client.address],
      [{ a: "1" }, true, "JS", "127.0.0.1"],
    );
  });

  test("changes name, metadata, attributes and rights", async () => {
    const { base } = await start({
      beforeJoin: async () => ({
        allow: true,
        name: "Renamed",
        metadata: "m",
        attributes: { team: "red" },
        grants: { canPublish: false, hidden: true },
      }),
    });
    const { join: answer } = await join(base);
    const { name, metadata, attributes, permission } = answer!.participant!;
    assert.deepEqual([name, metadata, attributes], ["Renamed", "m", { team: "red" }]);
    assert.deepEqual([permission!.canPublish, permission!.canSubscribe, permission!.hidden], [false, true, true]);
  });

  test("denies with its own words, in the dry run as well", async () => {
    const { base, log } = await start({ beforeJoin: () => ({ allow: false, reason: "the bar is closed" }) });
    assert.deepEqual(await join(base), { status: 403, body: "the bar is closed", join: undefined });
    assert.deepEqual(await validate(base), [403, "the bar is closed"]);
    assert.ok(log.lines.includes("info join denied by the beforeJoin hook"));
  });

  test("denies the one request when it throws or hangs, and says so in the log", async () => {
    const mistaken = (): never => null as never;
    const deeds = [() => assert.fail("broken"), () => new Promise<never>(() => {}), mistaken, () => undefined];
    const { base, log } = await start({ deadlineMs: 100, beforeJoin: () => deeds.shift()!() });
    for (let i = 0; i < 3; i++) {
      const answer = await join(base);
      assert.deepEqual([answer.status, answer.body], [503, "the server could not decide about this join"]);
    }
    assert.equal((await join(base)).status, 101);
    assert.equal(log.lines.filter((line) => line.startsWith("error the beforeJoin hook failed")).length, 3);
  });
});

describe("what beforeJoin changes", () => {
  const attributes = (bytes: number) => ({ key: "x".repeat(bytes - 3) });
  const denied = { status: 503, body: "the server could not decide about this join", join: undefined };

  test("is held to the limits of a token; beyond them the join is denied, and the log says which", async () => {
    const mistakes: [Partial<JoinAllowed>, string][] = [
      [{ name: "é".repeat(129) }, "its name would take 258 bytes; limit.max_participant_name_length allows 256"],
      [
        { metadata: "m".repeat(524_289) },
        "its metadata would take 524289 bytes; limit.max_metadata_size allows 524288",
      ],
      [
        { attributes: attributes(65_537) },
        "its attributes would take 65537 bytes; limit.max_attributes_size allows 65536",
      ],
      [{ name: 7 as never }, "its name must be text"],
      [{ attributes: { a: 1 as never } }, "its attributes must be text"],
    ];
    const answers = mistakes.map(([change]) => change);
    const { base, reasons } = await start({ beforeJoin: () => ({ allow: true, ...answers.shift() }) });
    for (const [, reason] of mistakes) {
      assert.deepEqual(await join(base), denied);
      assert.equal(reasons.at(-1), reason);
    }
  });

  test("may be as large as the limits say", async () => {
    const most = { name: "n".repeat(256), metadata: "m".repeat(524_288), attributes: attributes(65_536) };
    const { base } = await start({ beforeJoin: () => ({ allow: true, ...most }) });
    const { join: answer } = await join(base);
    const { name, metadata, attributes: given } = answer!.participant!;
    assert.deepEqual({ name, metadata, attributes: given }, most);
  });
});

describe("the event hooks", () => {
  function observe(hooks: EventHooks) {
    const log = recordingLog();
    const observer = new HookObserver(hooks, log);
    const happen = (kind: ParticipantEventKind, track?: TrackInfo) => {
      const disconnectReason = kind === "left" ? DisconnectReason.CLIENT_INITIATED : DisconnectReason.UNKNOWN_REASON;
      const participant = new ParticipantInfo({ sid: "PA_1", identity: "ada", disconnectReason });
      observer.onParticipant("lobby", { type: "participantEvent", kind, participant, track, detail: "why", atMs: 0 });
    };
    return { observer, happen, log };
  }
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  test("tell of rooms, participants and tracks, in order", async () => {
    const told: string[] = [];
    const { observer, happen } = observe({
      roomStarted: ({ room }) => told.push(`started ${room.name}`),
      roomFinished: ({ room }) => told.push(`finished ${room.name}`),
      participantJoined: ({ room, participant }) => told.push(`${participant.identity} joined ${room}`),
      participantLeft: ({ participant, detail }) => told.push(`${participant.identity} left: ${detail}`),
      trackPublished: ({ track }) => told.push(`published ${track.sid}`),
      trackUnpublished: ({ track }) => told.push(`unpublished ${track.sid}`),
    });
    const track = new TrackInfo({ sid: "TR_1" });
    observer.onRoomCreated({ room: new RoomInfo({ name: "lobby" }) });
    happen("joined");
    happen("active");
    happen("trackPublished", track);
    happen("trackUnpublished", track);
    happen("left");
    observer.onRoomClosed({ room: new RoomInfo({ name: "lobby" }) });
    assert.deepEqual(told, []); // never inside of what they tell of
    await settled();
    const expected = ["started lobby", "ada joined lobby", "published TR_1", "unpublished TR_1", "ada left: why"];
    assert.deepEqual(told, [...expected, "finished lobby"]);
  });

  test("nobody hears of one who never got in", async () => {
    const told: unknown[] = [];
    const { happen } = observe({
      participantJoined: (event) => told.push(event),
      participantLeft: (event) => told.push(event),
    });
    happen("joined");
    happen("left");
    await settled();
    assert.deepEqual(told, []);
  });

  test("give data with its sender and topic", async () => {
    const told: unknown[] = [];
    const { observer, happen } = observe({
      data: ({ identity, topic, payload, reliable }) =>
        told.push([identity, topic, String.fromCharCode(...payload!), reliable]),
    });
    happen("joined");
    const value = new UserPacket({ payload: Buffer.from("hi"), topic: "chat" });
    const packet = new DataPacket({ value: { case: "user", value } }).toBinary();
    observer.onMedia("lobby", { type: "data", participant: "PA_1", reliable: true, packet });
    await settled();
    assert.deepEqual(told, [["ada", "chat", "hi", true]]);
  });

  test("that throw or reject are lines in the log", async () => {
    const { observer, log } = observe({
      roomStarted: () => assert.fail("x"),
      roomFinished: () => Promise.reject(new Error("y")),
    });
    observer.onRoomCreated({ room: new RoomInfo() });
    observer.onRoomClosed({ room: new RoomInfo() });
    await settled();
    assert.deepEqual(log.lines, ["error a hook failed", "error a hook failed"]);
  });
});

describe("on an HTTP server of somebody else", () => {
  test("serves LiveKit's paths, leaves the others alone, and leaves it as it was", async () => {
    const httpServer = createHttpServer((request, response) => response.end(`mine: ${request.url}`));
    const mine = new WebSocketServer({ server: httpServer, path: "/mine" });
    mine.on("connection", (ws) => ws.send("hello"));
    const stoa = createServer({ config: CONFIG, log: recordingLog(), httpServer, parts: PARTS });
    open.push(
      () => stoa.close(),
      () => mine.clients.forEach((ws) => ws.terminate()),
      () => httpServer.closeAllConnections(),
      () => httpServer.close(),
    );
    await stoa.start();
    await new Promise<void>((resolve) => httpServer.listen(0, "127.0.0.1", resolve));
    const { port } = httpServer.address() as AddressInfo;
    assert.equal(stoa.address.port, port);
    const base = `127.0.0.1:${port}`;
    const get = async (path: string) => (await fetch(`http://${base}${path}`)).text();
    assert.equal(await get("/"), "mine: /");
    assert.equal(await get("/rtcx"), "mine: /rtcx");
    assert.deepEqual(await validate(base), [200, "success"]);
    assert.equal((await join(base)).status, 101);
    const ws = new WebSocket(`ws://${base}/mine`);
    assert.equal(String((await once(ws, "message"))[0]), "hello");

    await stoa.close();
    assert.equal(await get("/rtc/validate"), "mine: /rtc/validate");
    assert.equal(ws.readyState, WebSocket.OPEN);
    ws.terminate();
  });

  test("serves everything where nobody else does", async () => {
    const httpServer = createHttpServer();
    const stoa = createServer({ config: CONFIG, log: recordingLog(), httpServer, parts: PARTS });
    await stoa.start();
    open.push(
      () => httpServer.close(),
      () => httpServer.closeAllConnections(),
      () => stoa.close(),
    );
    await new Promise<void>((resolve) => httpServer.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}`;
    await until(async () => (await (await fetch(url)).text()) === "OK", 2000, "the health check");
  });

  test("knows its own paths", () => {
    for (const path of [
      "/rtc",
      "/rtc/v1?x",
      "//rtc",
      "/twirp/livekit.RoomService/ListRooms",
      "/agent",
      "/stoa/v1/x",
      "/whip/v1",
    ]) {
      assert.ok(isOurs(path), path);
    }
    for (const path of ["/", "/rtcx", "/twirpy", "/api/rtc", "/agents", ""]) assert.ok(!isOurs(path), path);
  });
});

test("a wrong configuration is one sentence before anything starts", () => {
  assert.throws(() => createServer({ config: { keys: { a: "b" }, no_such_key: 1 } }), /no_such_key/);
  assert.throws(() => createServer({}), { code: "no_keys" });
  assert.ok(createServer({ config: `keys: { a: ${SECRET} }`, log: recordingLog(), parts: PARTS }));
});
