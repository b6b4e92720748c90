/** Signal connections over real sockets, with a script in the place of the rooms. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, test } from "node:test";
import { LeaveRequest, Ping, SignalRequest, SignalResponse, UpdateVideoLayers } from "@livekit/protocol";
import { WebSocket } from "ws";
import { handmadeToken, joinClaims, KEYS, recordingLog } from "../fixtures.test.ts";
import type { ConnectRequest } from "./connect-request.ts";
import { httpFailure, type HttpFailure } from "./http-failure.ts";
import type { SignalSocket } from "./socket.ts";
import { SignalServer } from "./upgrade.ts";

type Script = (request: ConnectRequest, socket: SignalSocket) => HttpFailure | undefined;

const open: { server: Server; signal: SignalServer }[] = [];
afterEach(async () => {
  for (const { server, signal } of open.splice(0)) {
    signal.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function start(
  script: Script,
  maxMessageBytes = 2 << 20,
  perSecond = 0,
): Promise<{ port: number; signal: SignalServer }> {
  const signal = new SignalServer({
    keys: KEYS,
    door: {
      limits: { identityBytes: 256, roomNameBytes: 256, metadataBytes: 0, attributesBytes: 0 },
      findRoom: () => undefined,
      admit: () => undefined,
      join: script,
    },
    maxMessageBytes,
    messagesPerSecond: () => perSecond,
    log: recordingLog(),
    nowMs: Date.now,
  });
  const server = createServer((_, response) => response.writeHead(418).end("plain"));
  signal.serve(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ server, signal });
  return { port: (server.address() as AddressInfo).port, signal };
}

const token = (more: Record<string, unknown> = {}) => handmadeToken(joinClaims(Date.now(), more));
const first = () => new SignalResponse({ message: { case: "refreshToken", value: "first" } });

/** A raw upgrade request; resolves with everything that the server sent until it closed, or until `until` appears. */
async function raw(port: number, path: string, headers: Record<string, string> = {}, until = ""): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const lines = {
    host: "x",
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    ...headers,
  };
  socket.write(
    `GET ${path} HTTP/1.1\r\n${Object.entries(lines)
      .map(([k, v]) => `${k}: ${v}\r\n`)
      .join("")}\r\n`,
  );
  return collect(socket, until);
}

async function collect(socket: Socket, until: string): Promise<string> {
  let text = "";
  for await (const chunk of socket) {
    text += String(chunk);
    if (until !== "" && text.includes(until)) break;
  }
  return text;
}

interface Client {
  readonly ws: WebSocket;
  readonly frames: { data: Buffer; isBinary: boolean }[];
  readonly closed: Promise<number>;
  readonly next: () => Promise<{ data: Buffer; isBinary: boolean }>;
}

async function client(port: number, path = `/rtc?access_token=${token()}`, options = {}): Promise<Client> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
  const frames: { data: Buffer; isBinary: boolean }[] = [];
  let read = 0;
  let wake = () => {};
  ws.on("message", (data: Buffer, isBinary) => {
    frames.push({ data, isBinary });
    wake();
  });
  const closed = new Promise<number>((resolve) => ws.on("close", resolve));
  await once(ws, "open");
  return {
    ws,
    frames,
    closed,
    next: async () => {
      while (frames.length <= read) await new Promise<void>((resolve) => (wake = resolve));
      return frames[read++]!;
    },
  };
}

const response = ({ data }: { data: Buffer }) => SignalResponse.fromBinary(data).message;

describe("refusals are plain HTTP answers before the 101", () => {
  const never: Script = () => assert.fail("nobody may join");
  const table: readonly (readonly [string, string, Record<string, string>, number, string])[] = [
    ["no token", "/rtc", {}, 401, "no permissions to access the room"],
    ["a bad token", "/rtc?access_token=xx", {}, 401, "invalid authorization token"],
    [
      "a header without Bearer",
      "/rtc",
      { authorization: "xx" },
      401,
      "invalid authorization header. Must start with Bearer ",
    ],
    ["v1 without join_request", `/rtc/v1?access_token=${token()}`, {}, 400, "join_request is required"],
    ["no identity", `/rtc?access_token=${token({ sub: "" })}`, {}, 400, "identity cannot be empty"],
    [
      "a bad handshake",
      `/rtc?access_token=${token()}`,
      { "sec-websocket-key": "short" },
      400,
      "Bad Request: not a WebSocket handshake",
    ],
  ];
  for (const [name, path, headers, status, body] of table) {
    test(name, async () => {
      const { port } = await start(never);
      const answer = await raw(port, path, { origin: "https://app.example", ...headers });
      const [head, text] = answer.split("\r\n\r\n");
      assert.match(head!, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(head!, /^access-control-allow-origin: https:\/\/app\.example\r?$/im);
      assert.equal(text, body);
    });
  }

  test("what the room answers, with its status", async () => {
    const { port, signal } = await start(() =>
      httpFailure("resource_exhausted", "room has exceeded its max participants"),
    );
    const answer = await raw(port, `/rtc?access_token=${token()}`);
    assert.match(answer, /^HTTP\/1\.1 429 .*room has exceeded its max participants$/s);
    assert.equal(signal.size, 0);
  });

  test("an upgrade of another path, or to another protocol, is a plain request", async () => {
    const { port } = await start(never);
    assert.match(await raw(port, "/nope"), /^HTTP\/1\.1 418 .*plain/s);
    assert.match(await raw(port, "/rtc", { upgrade: "h2c" }), /^HTTP\/1\.1 418 /);
  });
});

describe("a connection", () => {
  test("the first frame is the first response of the join", async () => {
    let seen: ConnectRequest | undefined;
    const { port } = await start((request, socket) => {
      seen = request;
      socket.send(first());
      socket.send(new SignalResponse({ message: { case: "refreshToken", value: "second" } }));
      return undefined;
    });
    const { next } = await client(port, `//rtc?access_token=${token()}&sdk=js`);
    assert.deepEqual(response(await next()), first().message);
    assert.equal(response(await next()).value, "second");
    assert.equal(seen?.claims.identity, "ada");
    assert.equal(seen?.client.address, "127.0.0.1");
  });

  test("the token may stand in the header", async () => {
    const { port } = await start((_, socket) => void socket.send(first()));
    const { next } = await client(port, "/rtc", { headers: { authorization: `Bearer ${token()}` } });
    assert.equal(response(await next()).value, "first");
  });

  test("requests arrive in their order, pings too: they tell that the client is there", async () => {
    const requests: string[] = [];
    const { port } = await start((_, socket) => {
      socket.send(first());
      socket.listen({
        onRequest: ({ message }) => {
          requests.push(message.case!);
          if (message.case === "pingReq") socket.send(first());
        },
        onClosed: () => {},
      });
      return undefined;
    });
    const { ws, next } = await client(port);
    await next();
    ws.send(new SignalRequest({ message: { case: "leave", value: new LeaveRequest() } }).toBinary());
    ws.send(new SignalRequest({ message: { case: "ping", value: 7n } }).toBinary());
    ws.send(
      new SignalRequest({ message: { case: "pingReq", value: new Ping({ timestamp: 99n, rtt: 3n }) } }).toBinary(),
    );
    await next();
    assert.deepEqual(requests, ["leave", "ping", "pingReq"]);
  });

  test("of one that sends more than fits, no more is read; in the end all of it arrives, in order", async () => {
    const got: string[] = [];
    const troubles: number[] = [];
    const { port } = await start(
      (_, socket) => {
        socket.listen({
          onRequest: ({ message }) => void (message.case === "updateLayers" && got.push(message.value.trackSid)),
          onSlowed: (perSecond) => void troubles.push(perSecond),
          onClosed: () => {},
        });
        return undefined;
      },
      2 << 20,
      2000,
    );
    const { ws } = await client(port, undefined, { perMessageDeflate: false });
    // 10,000 may come at once; the megabyte that may wait is full long before the end.
    const sent = Array.from({ length: 12_000 }, (_, i) => `${i} ${"x".repeat(i < 10_000 ? 0 : 1000)}`);
    for (const trackSid of sent) {
      ws.send(
        new SignalRequest({
          message: { case: "updateLayers", value: new UpdateVideoLayers({ trackSid }) },
        }).toBinary(),
      );
    }
    await until(() => got.length === sent.length);
    assert.deepEqual([got, troubles], [sent, [2000]]);
  });

  test("whoever sends JSON gets JSON, until the next binary frame", async () => {
    const { port } = await start((_, socket) => {
      socket.listen({ onRequest: () => void socket.send(first()), onClosed: () => {} });
      return undefined;
    });
    const { ws, next } = await client(port);
    ws.send(JSON.stringify({ pingReq: { timestamp: "5" }, unheardOf: { a: 1 } }));
    const text = await next();
    assert.equal(text.isBinary, false);
    assert.deepEqual(JSON.parse(String(text.data)), { refreshToken: "first" });
    ws.send(new SignalRequest({ message: { case: "ping", value: 1n } }).toBinary());
    assert.equal((await next()).isBinary, true);
  });

  test("permessage-deflate is negotiated when it is offered", async () => {
    const { port } = await start(
      (_, socket) =>
        void socket.send(new SignalResponse({ message: { case: "refreshToken", value: "x".repeat(5000) } })),
    );
    const offered = await client(port);
    assert.match(offered.ws.extensions, /permessage-deflate/);
    assert.equal((response(await offered.next()).value as string).length, 5000);
    const plain = await client(port, undefined, { perMessageDeflate: false });
    assert.equal(plain.ws.extensions, "");
    assert.equal((response(await plain.next()).value as string).length, 5000);
  });
});

describe("the end of a connection", () => {
  test("a message over the limit closes with 1009, one that inflates over it without a code", async () => {
    let closed = 0;
    const { port, signal } = await start((_, socket) => {
      socket.listen({ onRequest: () => void socket.send(first()), onClosed: () => void closed++ });
      return undefined;
    }, 1000);
    const good = await client(port, undefined, { perMessageDeflate: false });
    good.ws.send(Buffer.from(new SignalRequest({ message: { case: "ping", value: 1n } }).toBinary()));
    assert.equal(response(await good.next()).value, "first");
    good.ws.send(Buffer.alloc(1001));
    assert.equal(await good.closed, 1009);
    const bomb = await client(port);
    bomb.ws.send(Buffer.alloc(100_000)); // some hundred bytes on the wire
    assert.equal(await bomb.closed, 1006);
    await until(() => closed === 2 && signal.size === 0);
  });

  test("a frame that is no request ends it with 1000", async () => {
    const { port } = await start(() => undefined);
    for (const frame of [Buffer.from([255, 255, 255]), "{not json"]) {
      const { ws, closed } = await client(port);
      ws.send(frame);
      assert.equal(await closed, 1000);
    }
  });

  test("end flushes what was sent, and closes with 1000; nothing follows", async () => {
    let told = 0;
    const { port } = await start((_, socket) => {
      socket.listen({ onRequest: () => {}, onClosed: () => void told++ });
      for (let i = 0; i < 50; i++)
        socket.send(new SignalResponse({ message: { case: "refreshToken", value: `${i}`.repeat(2000) } }));
      socket.end(true);
      assert.equal(socket.send(first()), "closed");
      return undefined;
    });
    const { frames, closed } = await client(port);
    assert.equal(await closed, 1000);
    assert.equal(frames.length, 50);
    await until(() => told === 1);
  });

  test("a client that never answers the close frame is cut off", async () => {
    const { port, signal } = await start((_, socket) => {
      socket.end(true);
      return undefined;
    });
    const socket = connect(port, "127.0.0.1");
    socket.write(
      `GET /rtc?access_token=${token()} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
        "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    assert.match(await collect(socket, ""), /^HTTP\/1\.1 101 /);
    await until(() => signal.size === 0);
  });

  test("a client that does not read is cut off before it costs memory without end, and its owner hears why", async () => {
    let socket: SignalSocket | undefined;
    let why = "";
    const { port } = await start((_, joined) => {
      socket = joined;
      socket.listen({ onRequest: () => {}, onClosed: (cut) => void (why = cut) });
      return undefined;
    });
    const deaf = await client(port, undefined, { perMessageDeflate: false });
    deaf.ws.pause();
    const message = new SignalResponse({ message: { case: "refreshToken", value: "x".repeat(1 << 20) } });
    let sent = 0;
    while (socket!.send(message) === "queued") {
      sent++;
      assert.ok(sent < 100, "it goes on taking messages");
    }
    deaf.ws.resume();
    assert.equal(await deaf.closed, 1006);
    await until(() => why !== "");
    assert.match(why, /^it leaves (8|9)\.\d MiB unread, and has been behind for \d+\.\d s$/);
  });

  test("a client that vanishes is reported once", async () => {
    let told = 0;
    const { port } = await start((_, socket) => {
      socket.listen({ onRequest: () => {}, onClosed: (cut) => void (told += cut === "" ? 1 : 100) });
      return undefined;
    });
    const { ws } = await client(port);
    ws.terminate();
    await until(() => told > 0);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(told, 1);
  });
});

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 500, "it did not happen within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
