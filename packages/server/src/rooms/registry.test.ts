import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, test } from "node:test";
import { DisconnectReason, LeaveRequest_Action, SignalRequest } from "@livekit/protocol";
import type { WebSocket } from "ws";
import { until } from "@stoa/testkit/until";
import { KEYS } from "../fixtures.test.ts";
import { isRefused, verifyToken } from "../auth/verify.ts";
import type { ConnectRequest } from "../signal/connect-request.ts";
import { SignalSocket } from "../signal/socket.ts";
import type { RoomRegistry } from "./registry.ts";
import { join, paperSocket, request, setUp, type PaperSocket } from "./harness.test.ts";

const cases = (socket: PaperSocket) => socket.sent.map(({ message }) => message.case);

/** A WebSocket of paper, of which the client reads nothing. */
class PaperWebSocket extends EventEmitter {
  bufferedAmount = 0;
  readonly send = (): void => {};
  readonly pause = (): void => {};
  readonly resume = (): void => {};
  readonly terminate = (): void => void this.emit("close");
}

describe("a client that its connection cannot bear", () => {
  async function enter(registry: RoomRegistry) {
    const socket = new SignalSocket(4711, Date.now, () => 1);
    const ws = new PaperWebSocket();
    registry.join((await request(registry)) as ConnectRequest, socket);
    socket.attach(ws as unknown as WebSocket);
    return ws;
  }

  test("that the server cut it off is a warning, with the amount and the time, and is the reason of its end", async () => {
    const { registry, log, troubles } = setUp();
    const ws = await enter(registry);
    ws.bufferedAmount = 9 << 20;
    await join(registry, undefined, { sub: "bob" });
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
    const text = "this server cut the signal connection: it leaves 9.0 MiB unread, and has been behind for 0.0 s";
    assert.ok(log.lines.includes(`warn participant: ${text}`), log.lines.join("\n"));
    assert.deepEqual(troubles, [{ kind: "cut", text }]);
  });

  test("that it sends too fast is a warning, once", async () => {
    const { registry, log, troubles } = setUp();
    const ws = await enter(registry);
    const ping = new SignalRequest({ message: { case: "ping", value: 1n } }).toBinary();
    for (let i = 0; i < 30; i++) ws.emit("message", Buffer.from(ping), true);
    const text = "sends more than 1 signal messages a second; they wait";
    assert.deepEqual(troubles, [{ kind: "slowed", text }]);
    assert.deepEqual(
      log.lines.filter((line) => line.startsWith("warn")),
      [`warn participant: ${text}`],
    );
    ws.terminate();
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });
});

describe("joining", () => {
  test("makes the room, answers with Join first, and opens peers at the worker", async () => {
    const { registry, media } = setUp();
    const { socket, failure } = await join(registry);
    assert.equal(failure, undefined);
    assert.equal(cases(socket)[0], "join");
    assert.deepEqual(registry.names, ["lobby"]);
    assert.ok(media.commands.some(({ room, command }) => room === "lobby" && command.type === "setMember"));
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });

  test("a refresh token follows: it is valid and names the room", async () => {
    const { registry } = setUp();
    const { socket } = await join(registry, undefined, {
      name: "Ada",
      video: { roomJoin: true, room: "lobby", roomAdmin: true },
    });
    await until(() => cases(socket).includes("refreshToken"), 5000, "a refresh token");
    const { message } = socket.sent.find((one) => one.message.case === "refreshToken")!;
    const token = await verifyToken(KEYS, message.value as string, Date.now());
    assert.ok(!isRefused(token));
    assert.deepEqual(
      [
        token.grants.identity,
        token.grants.name,
        token.grants.video?.room,
        token.grants.video?.roomAdmin,
        token.grants.video?.roomJoin,
      ],
      ["ada", "Ada", "lobby", true, true],
    );
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });

  test("a full room is 429 with LiveKit's text", async () => {
    const { registry } = setUp("room: { max_participants: 1 }");
    await join(registry);
    const { failure } = await join(registry, undefined, { sub: "bob" });
    assert.deepEqual(failure, { status: 429, body: "room has exceeded its max participants" });
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });

  test("on a node at its limit: 503 with LiveKit's text; who is here may resume", async () => {
    const { registry, load } = setUp();
    await join(registry);
    load.isFull = true;
    const full = { status: 503, body: "node has exceeded its configured limit" };
    assert.deepEqual(await request(registry, undefined, { sub: "bob" }), full);
    assert.ok(!("status" in (await request(registry, "protocol=16&sdk=js&reconnect=1"))));
    load.isFull = false;
    assert.ok(!("status" in (await request(registry, undefined, { sub: "bob" }))));
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });

  test("no worker: 503, and no room is left behind", async () => {
    const { registry, media } = setUp();
    media.up = undefined;
    const { failure } = await join(registry);
    assert.equal(failure?.status, 503);
    assert.deepEqual(registry.names, []);
  });

  test("without auto_create only those who may create get in", async () => {
    const { registry } = setUp("room: { auto_create: false }");
    assert.deepEqual(await request(registry), { status: 404, body: "requested room does not exist" });
    const creator = { video: { roomJoin: true, room: "lobby", roomCreate: true } };
    assert.equal((await join(registry, undefined, creator)).failure, undefined);
    assert.equal((await join(registry, undefined, { sub: "bob" })).failure, undefined);
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });

  test("presets and the token's own configuration shape a new room", async () => {
    const { registry } = setUp(
      "room:\n  max_participants: 9\n  room_configurations:\n    small: { max_participants: 1, departuretimeout: 3 }",
    );
    assert.deepEqual(await request(registry, undefined, { roomPreset: "large" }), {
      status: 400,
      body: "unknown room configuration in create room request",
    });
    const { socket } = await join(registry, undefined, {
      roomPreset: "small",
      roomConfig: { metadata: "from token", departureTimeout: 4 },
    });
    const { message } = socket.sent[0]!;
    assert.ok(message.case === "join");
    const { room } = message.value;
    assert.deepEqual(
      [room?.maxParticipants, room?.departureTimeout, room?.emptyTimeout, room?.metadata],
      [1, 4, 300, "from token"],
    );
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });
});

describe("resuming", () => {
  test("into a room that is gone: Leave with RECONNECT, and no room is made", async () => {
    const { registry } = setUp();
    const { socket, failure } = await join(registry, "protocol=16&reconnect=1&sid=PA_old");
    assert.equal(failure, undefined);
    const { message } = socket.sent[0]!;
    assert.ok(message.case === "leave");
    assert.deepEqual(
      [message.value.action, message.value.reason],
      [LeaveRequest_Action.RECONNECT, DisconnectReason.STATE_MISMATCH],
    );
    assert.deepEqual([socket.ended, registry.names.length], ["flush", 0]);
  });

  test("old clients are told with can_reconnect", async () => {
    const { registry } = setUp();
    const { socket } = await join(registry, "protocol=9&reconnect=1&sid=PA_old");
    const { message } = socket.sent[0]!;
    assert.ok(message.case === "leave" && message.value.canReconnect);
  });

  test("of a stranger's session in a room that is there: Leave too", async () => {
    const { registry } = setUp();
    await join(registry);
    const { socket } = await join(registry, "protocol=16&reconnect=1&sid=PA_other");
    assert.deepEqual([cases(socket), socket.ended], [["leave"], "flush"]);
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });

  test("one's own session moves to the new socket; the end of the old one changes nothing", async () => {
    const { registry } = setUp();
    const first = await join(registry, "protocol=16&sdk=js&version=2.0");
    const { message } = first.socket.sent[0]!;
    assert.ok(message.case === "join");
    const second = await join(
      registry,
      `protocol=16&sdk=js&version=2.0&reconnect=1&sid=${message.value.participant!.sid}`,
    );
    assert.equal(cases(second.socket)[0], "reconnect");
    assert.equal(first.socket.ended, "flush");
    first.socket.fail();
    const third = await join(registry, undefined, { sub: "bob" });
    const joined = third.socket.sent[0]!.message;
    assert.ok(joined.case === "join");
    assert.deepEqual(
      joined.value.otherParticipants.map(({ identity }) => identity),
      ["ada"],
    );
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });
});

describe("the end", () => {
  test("closeAll tells everybody SERVER_SHUTDOWN, and nobody gets in any more", async () => {
    const { registry, media, closed } = setUp();
    const { socket } = await join(registry);
    const late = await request(registry);
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
    const { message } = socket.sent.at(-1)!;
    assert.ok(message.case === "leave" && message.value.reason === DisconnectReason.SERVER_SHUTDOWN);
    assert.deepEqual([socket.ended, registry.names, closed, media.released], ["flush", [], ["lobby"], ["lobby"]]);
    assert.ok(!("status" in late));
    assert.equal(registry.join(late, paperSocket())?.status, 503);
    assert.deepEqual(await request(registry), { status: 503, body: "server is shutting down" });
  });

  test("a lost worker sends everybody of its rooms to a new session, and the name is free again", async () => {
    const { registry, media, closed } = setUp();
    const { socket } = await join(registry);
    media.up = 1;
    const other = await join(registry, undefined, { sub: "bob", video: { roomJoin: true, room: "other" } });
    media.listener!.onWorkerLost(0);
    const { message } = socket.sent.at(-1)!;
    assert.ok(message.case === "leave" && message.value.action === LeaveRequest_Action.RECONNECT);
    assert.deepEqual([socket.ended, closed, registry.names], ["flush", ["lobby"], ["other"]]);
    assert.equal(other.socket.ended, undefined);
    socket.fail();
    const again = await join(registry);
    assert.equal(cases(again.socket)[0], "join");
    assert.equal(media.commands.at(-1)?.worker, 1);
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });

  test("a signal connection that breaks before media is up removes its participant", async () => {
    const { registry } = setUp();
    const ada = await join(registry);
    const bob = await join(registry, undefined, { sub: "bob" });
    ada.socket.fail();
    const cleo = await join(registry, undefined, { sub: "cleo" });
    const { message } = cleo.socket.sent[0]!;
    assert.ok(message.case === "join");
    assert.deepEqual(
      message.value.otherParticipants.map(({ identity }) => identity),
      ["bob"],
    );
    assert.equal(bob.socket.ended, undefined);
    registry.closeAll(DisconnectReason.SERVER_SHUTDOWN);
  });
});
