/** `stoa room` as a user runs it, against a server of its own and against servers that are none. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { RawSignal } from "@stoa/testkit/raw-signal";
import { startServer, type ServerProcess } from "@stoa/testkit/server-process";

const STOA = fileURLToPath(new URL("../bin/stoa.mjs", import.meta.url));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let server: ServerProcess;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

function stoa(args: readonly string[], env: Record<string, string>): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env["PATH"] ?? "", ...env }, timeout: 30_000 };
    execFile(process.execPath, [STOA, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr });
    });
  });
}

/** With the variables that LiveKit's tools read. */
function room(...args: string[]): Promise<Outcome> {
  const { url, key, secret } = server;
  return stoa(["room", ...args], { LIVEKIT_URL: url, LIVEKIT_API_KEY: key, LIVEKIT_API_SECRET: secret });
}

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await room(...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function json(...args: string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await ok(...args, "--json")) as Record<string, unknown>;
}

/** The sentence of a command that fails. */
async function mistake(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await room(...args);
  assert.deepEqual([code, stdout], [1, ""]);
  return stderr;
}

describe("rooms", () => {
  test("created, listed, changed, deleted: tables for people, JSON for programs", async () => {
    assert.equal(await ok("list", "office"), "no rooms\n");
    const created = await ok("create", "office", "--empty-timeout", "77", "--metadata", "m");
    assert.match(
      created,
      /^Name +Room ID +Participants +Publishers +Created +Metadata\noffice +RM_\w{12} +0 +0 +20\S+Z +m\n$/,
    );
    const again = await json("create", "office", "--max-participants", "3");
    assert.deepEqual([again["empty_timeout"], again["max_participants"], again["metadata"]], [77, 3, "m"]);
    assert.equal((await json("update", "office", "--metadata", "news"))["metadata"], "news");
    const list = await json("list", "office", "absent");
    assert.deepEqual(
      (list["rooms"] as { name: string }[]).map(({ name }) => name),
      ["office"],
    );
    assert.equal(await ok("delete", "office"), "deleted office\n");
    assert.match(await mistake("delete", "office"), /^stoa: requested room does not exist \(not_found\)\n/);
  });

  test("what others wrote cannot move the cursor", async () => {
    await ok("create", "evil", "--metadata", "\u001b[2Jgone\nand more");
    const line = (await ok("list", "evil")).split("\n")[1]!;
    assert.match(line, /·\[2Jgone·and more$/);
    await ok("delete", "evil");
  });
});

test("participants: listed, shown, changed, muted, sent to, removed", async () => {
  const signal = await RawSignal.connect(server, "ada", "lobby");
  assert.equal(await ok("participants", "nowhere"), "no participants\n");
  assert.match(
    await ok("participants", "lobby"),
    /^Identity +Name +Kind +State +Joined +Tracks\nada +standard +joined +20\S+Z\n$/,
  );

  const who = ["--room", "lobby", "--identity", "ada"];
  await ok("update-participant", ...who, "--name", "Ada", "--attribute", "seat=1", "--attribute", "hat=");
  const changed = await json("update-participant", ...who, "--permissions", '{"canPublish": false, "hidden": true}');
  const permission = changed["permission"] as Record<string, unknown>;
  assert.deepEqual(
    [
      changed["name"],
      changed["attributes"],
      permission["can_publish"],
      permission["hidden"],
      permission["can_subscribe"],
    ],
    ["Ada", { seat: "1" }, false, true, true],
  );
  const shown = await ok("participants", "lobby", "--identity", "ada");
  assert.match(shown, /^Identity +ada\n(?:.*\n)*Name +Ada\n(?:.*\n)*Attribute seat +1\n$/);

  assert.equal(await ok("mute", ...who), "ada publishes no sound\n");
  assert.match(await mistake("mute", ...who, "TR_none"), /^stoa: track is not found \(not_found\)/);
  assert.equal(
    await ok("send-data", "--room", "lobby", "--topic", "t", "hällo"),
    "sent 6 bytes to everybody in lobby\n",
  );
  assert.equal(await ok("send-data", "-r", "lobby", "-i", "ada", "-i", "bob", "x"), "sent 1 bytes to ada, bob\n");
  assert.equal(await ok("remove", ...who), "removed ada from lobby\n");
  await signal.wait("leave");
  assert.match(await mistake("remove", ...who), /^stoa: participant does not exist \(not_found\)/);
  signal.close();
});

test("timelines: who was there, and what happened to one of them", async () => {
  assert.equal(await ok("timeline", "hall"), "nobody is or was there of late\n");
  const signal = await RawSignal.connect(server, "eve", "hall");
  await ok("update-participant", "--room", "hall", "--identity", "eve", "--name", "Eve");
  assert.match(
    await ok("timeline", "hall"),
    /^Identity +Participant ID +Joined +Left +Reason +Round trip +Link\neve +PA_\w{12} +20\S+Z +is there\n$/,
  );
  await ok("remove", "--room", "hall", "--identity", "eve");
  await signal.wait("leave");
  const told = await ok("timeline", "hall", "eve");
  assert.match(told, /^eve \(PA_\w{12}\)\nAt +Kind +What\n20\S+Z +joined +joined \(.*\n20\S+Z +updated +name,/);
  assert.match(told, /\n20\S+Z +left +left \(it was removed through the API\)\n$/);
  const { sessions } = (await json("timeline", "hall", "eve")) as { sessions: { leftReason: string }[] };
  assert.deepEqual(
    sessions.map(({ leftReason }) => leftReason),
    ["PARTICIPANT_REMOVED"],
  );
  assert.match(await mistake("timeline", "hall", "nobody"), /^stoa: participant does not exist, or left too long ago/);
  signal.close();
});

describe("mistakes are one sentence", () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [["update-participant", "-r", "a", "-i", "b"], /nothing to change: add --name/],
    [["update-participant", "-r", "a", "-i", "b", "--attribute", "x"], /--attribute: "x" is not key=value/],
    [["update-participant", "-r", "a", "-i", "b", "--permissions", "{"], /--permissions: this is not JSON/],
    [
      ["update-participant", "-r", "a", "-i", "b", "--permissions", '{"fly": true}'],
      /--permissions: "fly" is none of can_subscribe/,
    ],
    [["update-participant", "-r", "a", "-i", "b", "--permissions", '{"hidden": 1}'], /"hidden" must be true or false/],
    [["create", "a", "--max-participants", "many"], /It is not a whole number/],
    [["remove", "--room", "a"], /required option '-i, --identity <id>' not specified/],
    [["list", "--url", "nowhere"], /"nowhere" is no URL such as/],
    [
      ["list", "--api-secret", "wrong"],
      /refuses the API key or its secret: invalid authorization token: token signature is invalid\n/,
    ],
  ];
  for (const [args, expected] of cases) {
    test(args.join(" "), async () => {
      assert.match(await mistake(...args), expected);
    });
  }

  test("without a server or a key", async () => {
    assert.match((await stoa(["room", "list"], {})).stderr, /^stoa: no server: give --url/);
    const { stderr } = await stoa(["room", "list"], { LIVEKIT_URL: "ws://127.0.0.1:1" });
    assert.match(stderr, /^stoa: no API key: give --api-key/);
  });

  test("a server that is down, and one that is something else", async () => {
    const key = ["--api-key", "k", "--api-secret", "s"];
    const down = await stoa(["room", "list", "--url", "ws://127.0.0.1:1", ...key], {});
    assert.match(down.stderr, /^stoa: http:\/\/127\.0\.0\.1:1 cannot be reached \(.+\); is the server running\?\n$/);
    const other = createServer((_, response) => response.end("<html>"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const strange = await stoa(["room", "list", "--url", `http://127.0.0.1:${port}/`, ...key], {});
    assert.match(strange.stderr, /answered with something that is not JSON; is it a LiveKit server\?/);
    other.close();
  });

  test("a server that is not Stoa has no timelines", async () => {
    const other = createServer((_, response) => response.writeHead(404).end("404 page not found"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { stderr } = await stoa(["room", "timeline", "a", "--url", url, "--api-key", "k", "--api-secret", "s"], {});
    assert.equal(stderr, `stoa: ${url} keeps no timelines; is it Stoa?\n`);
    other.close();
  });
});
