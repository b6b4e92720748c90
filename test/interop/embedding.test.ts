/** The server inside other programs: the two examples, and hooks that hear of real media and data. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { after, afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createServer, createToken } from "@stoa/server/index";
import { NodeClient, shutdownNodeClients } from "@stoa/testkit/node-client";
import { freeTcpPort, freeUdpPort } from "@stoa/testkit/free-ports";
import { until } from "@stoa/testkit/until";

const EXAMPLES = fileURLToPath(new URL("../../../examples/", import.meta.url));
const PAIR = { key: "APIembedded", secret: "a secret of more than thirty-two characters" };

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});
after(() => shutdownNodeClients());

async function runExample(name: string) {
  const port = await freeTcpPort();
  const env = { ...process.env, PORT: String(port), MEDIA_PORT: String(await freeUdpPort()) };
  const child: ChildProcess = spawn(process.execPath, [EXAMPLES + name], { env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk) => (printed += String(chunk)));
  const ended = once(child, "exit");
  open.push(async () => {
    if (child.exitCode === null) child.kill("SIGKILL");
    await ended;
  });
  const prints = async (pattern: RegExp) => {
    const found = () => pattern.exec(printed);
    await until(
      () => found() !== null,
      15_000,
      () => `${pattern} of the example; it printed:\n${printed}`,
    );
    return found()!;
  };
  await prints(/listening on/);
  const end = async () => {
    child.kill("SIGTERM");
    const [code] = (await ended) as [number | null];
    return code;
  };
  return { port, prints, end };
}

async function connect(identity: string, port: number, token: string): Promise<NodeClient> {
  const client = new NodeClient(identity);
  await client.room.connect(`ws://127.0.0.1:${port}`, token, { autoSubscribe: true, dynacast: false });
  open.push(() => client.close());
  return client;
}

test("the example with its own HTTP server serves its page, tokens and a call on one port", async () => {
  const { port, end } = await runExample("own-http-server.mjs");
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  assert.match(await (await get("/")).text(), /On one port/);
  assert.equal((await get("/nothing")).status, 404);
  const tokenOf = async (identity: string) => {
    return ((await (await get(`/token?identity=${identity}`)).json()) as { token: string }).token;
  };
  const ada = await connect("ada", port, await tokenOf("ada"));
  const bob = await connect("bob", port, await tokenOf("bob"));
  await ada.publishTone(440);
  await bob.hears("ada", 440);
  await Promise.all([ada.close(), bob.close()]);
  assert.equal(await end(), 0);
});

test("the example with a doorman denies one, lets one speak and one listen, and tells what happens", async () => {
  const { port, prints, end } = await runExample("moderated-room.mjs");
  const tokenOf = async (identity: string) => (await prints(new RegExp(`token of ${identity}: (\\S+)`)))[1]!;
  await assert.rejects(connect("mallory", port, await tokenOf("mallory")), /mallory is not welcome here/);
  const ada = await connect("ada", port, await tokenOf("ada"));
  const bob = await connect("bob", port, await tokenOf("bob"));
  assert.equal(bob.room.localParticipant!.attributes["role"], "listener");
  await ada.publishTone(440);
  await bob.hears("ada", 440);
  await prints(/ada publishes audio\//);
  const text = new TextEncoder().encode("hello");
  await ada.room.localParticipant!.publishData(text, { reliable: true, topic: "chat" });
  await prints(/ada says \[chat\] hello/);
  await bob.close();
  await prints(/bob left: the client left/);
  await ada.close();
  assert.equal(await end(), 0);
});

test("a server in this very process is started, hears of its rooms, and is closed twice", async () => {
  const told: string[] = [];
  const [port, udp] = [await freeTcpPort(), await freeUdpPort()];
  const stoa = createServer({
    config: {
      port,
      bind_addresses: ["127.0.0.1"],
      keys: { [PAIR.key]: PAIR.secret },
      rtc: { udp_port: udp, tcp_port: 0, node_ip: "127.0.0.1", enable_loopback_candidate: true },
      logging: { level: "error" },
    },
    hooks: {
      on: {
        roomStarted: ({ room }) => told.push(`${room.name} started`),
        participantJoined: ({ participant }) => told.push(`${participant.identity} joined`),
        trackPublished: ({ participant }) => told.push(`${participant.identity} published`),
        trackUnpublished: ({ participant }) => told.push(`${participant.identity} unpublished`),
        participantLeft: ({ participant }) => told.push(`${participant.identity} left`),
        roomFinished: ({ room }) => told.push(`${room.name} finished`),
      },
    },
  });
  open.push(() => stoa.close());
  await stoa.start();
  const token = await createToken(PAIR, { identity: "ada", video: { roomJoin: true, room: "inside" } }, Date.now());
  const ada = await connect("ada", port, token);
  await ada.publishTone(440);
  await until(() => told.includes("ada published"), 5000, "the track");
  await stoa.close();
  await stoa.close();
  await until(() => told.includes("inside finished"), 1000, "the end of the room");
  const expected = ["inside started", "ada joined", "ada published", "ada unpublished", "ada left", "inside finished"];
  assert.deepEqual(told, expected);
});
