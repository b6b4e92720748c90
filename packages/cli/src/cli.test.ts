/** The commands as a user runs them: `bin/stoa.mjs` in a process of its own. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const STOA = fileURLToPath(new URL("../bin/stoa.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "stoa-cli-"));
after(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function stoa(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env["PATH"] ?? "", ...env }, timeout: 30_000 };
    execFile(process.execPath, [STOA, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr });
    });
  });
}

function payload(token: string): Record<string, unknown> & { video: Record<string, unknown> } {
  return JSON.parse(Buffer.from(token.trim().split(".")[1]!, "base64url").toString());
}

async function created(args: readonly string[], env?: Record<string, string>) {
  const { code, stdout, stderr } = await stoa(["token", "create", "--token-only", ...args], env);
  assert.equal(code, 0, stderr);
  return payload(stdout);
}

describe("stoa", () => {
  test("--version and --help", async () => {
    assert.match((await stoa(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
    const { code, stdout } = await stoa(["--help"]);
    assert.equal(code, 0);
    for (const word of ["serve", "dev", "token", "generate-keys", "Examples:", "stoa token create --join"])
      assert.ok(stdout.includes(word), word);
  });

  test("help of a command in a group", async () => {
    const { code, stdout } = await stoa(["help", "token", "create"]);
    assert.equal(code, 0);
    assert.equal(stdout, (await stoa(["token", "create", "--help"])).stdout);
    assert.equal((await stoa(["help"])).stdout, (await stoa(["--help"])).stdout);
    assert.match((await stoa(["help", "room", "list"])).stdout, /^Usage: stoa room list /);
    const unknown = await stoa(["help", "token", "creat"]);
    assert.deepEqual([unknown.code, unknown.stdout], [1, ""]);
    assert.match(unknown.stderr, /^stoa: there is no command "token creat"; did you mean "token create"\?\n/);
  });

  test("every mistake begins with the name of the program", async () => {
    const mistakes = [["serv"], ["serve", "--confg"], ["token", "create"], ["room", "list"], ["room", "remove"]];
    for (const args of [...mistakes, ["serve", "--config", "/none.yaml"]]) {
      assert.match((await stoa(args)).stderr, /^stoa: (?!error)/, args.join(" "));
    }
  });

  test("an unknown command or flag is named, with what was meant", async () => {
    const command = await stoa(["serv"]);
    assert.deepEqual(
      [command.code, /unknown command 'serv'\s+\(Did you mean serve\?\)/.test(command.stderr)],
      [1, true],
    );
    const flag = await stoa(["serve", "--confg", "x"]);
    assert.deepEqual(
      [flag.code, /unknown option '--confg'\s+\(Did you mean --config\?\)/.test(flag.stderr)],
      [1, true],
    );
  });
});

describe("stoa serve", () => {
  test("a mistake in the configuration is one sentence and exit code 1", async () => {
    const file = join(folder, "livekit.yaml");
    writeFileSync(file, "port: 7880\nrtc:\n  udp_prt: 7882\n");
    const { code, stdout, stderr } = await stoa(["serve", "--config", file]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.equal(stderr, `stoa: ${file}, line 3: unknown key "rtc.udp_prt"; did you mean "rtc.udp_port"?\n`);
  });

  test("no keys is one sentence too", async () => {
    const { code, stderr } = await stoa(["serve"]);
    assert.equal(code, 1);
    assert.match(stderr, /^stoa: No API keys: .*\n$/);
  });

  test("the help shows livekit-server's flags; help-verbose those of every key", async () => {
    const short = (await stoa(["serve", "--help"])).stdout;
    for (const flag of [
      "--config <file>",
      "--config-body",
      "--keys",
      "--key-file",
      "--node-ip",
      "--udp-port",
      "--bind",
      "--redis-host",
      "--turn-cert",
      "--dev",
      "--port <",
      "--rtc.tcp_port <",
    ]) {
      assert.ok(short.includes(flag), flag);
    }
    assert.ok(!short.includes("--rtc.use_ice_lite"));
    const long = (await stoa(["help-verbose"])).stdout;
    assert.ok(long.includes("--rtc.use_ice_lite") && long.includes("LIVEKIT_RTC_USE_ICE_LITE"));
  });
});

describe("stoa help-verbose", () => {
  test("a reader that stops early is no error", async () => {
    const child = spawn(process.execPath, [STOA, "help-verbose"], { stdio: ["ignore", "pipe", "pipe"] });
    let complaint = "";
    child.stderr.on("data", (chunk) => (complaint += String(chunk)));
    child.stdout.destroy();
    const [code] = (await once(child, "close")) as [number];
    assert.deepEqual([code, complaint], [0, ""]);
  });
});

describe("stoa ports", () => {
  test("lists what a firewall must let through", async () => {
    const { stdout } = await stoa(["ports", "--dev", "--port", "8080", "--udp-port", "9000"]);
    assert.equal(stdout, "TCP Ports\n8080 - HTTP service\n7881 - ICE/TCP\nUDP Ports\n9000 - ICE/UDP\n");
  });
});

describe("stoa generate-keys", () => {
  test("prints a pair in LiveKit's form, another each time", async () => {
    const first = (await stoa(["generate-keys"])).stdout;
    assert.match(first, /^API Key: {2}API\w{12}\nAPI Secret: {2}\w{43}\n$/);
    assert.notEqual((await stoa(["generate-keys"])).stdout, first);
  });
});

describe("stoa token create", () => {
  test("--dev --join", async () => {
    const claims = await created(["--dev", "--join", "--room", "lobby", "--identity", "ada"]);
    assert.deepEqual(
      [claims["iss"], claims["sub"], claims["name"], claims.video],
      ["devkey", "ada", "ada", { room: "lobby", roomJoin: true }],
    );
    assert.equal(Number(claims["exp"]) - Number(claims["nbf"]), 300);
  });

  test("every flag has its claim", async () => {
    const file = join(folder, "attributes.json");
    writeFileSync(file, '{"from": "file"}');
    const flags =
      "--api-key k --api-secret s --room r --identity i --name n --metadata m --join --create --list --admin --egress --ingress " +
      "--hidden --allow-update-metadata --inference --allow-source camera,microphone --attribute a=1 --attribute b=x=y " +
      "--valid-for 1h10m --agent helper --job-metadata j --room-preset p";
    const grant = '{"canSubscribe": false}';
    const claims = await created([...flags.split(" "), "--grant", grant, "--attribute-file", file]);
    assert.deepEqual(claims.video, {
      room: "r",
      roomJoin: true,
      roomCreate: true,
      roomList: true,
      roomAdmin: true,
      roomRecord: true,
      ingressAdmin: true,
      hidden: true,
      canUpdateOwnMetadata: true,
      canPublishSources: ["camera", "microphone"],
      canSubscribe: false,
    });
    assert.deepEqual(claims["attributes"], { a: "1", b: "x=y", from: "file" });
    assert.deepEqual(
      [claims["name"], claims["metadata"], claims["roomPreset"], claims["inference"]],
      ["n", "m", "p", { perform: true }],
    );
    assert.deepEqual(claims["roomConfig"], { agents: [{ agentName: "helper", metadata: "j" }] });
    assert.equal(Number(claims["exp"]) - Number(claims["nbf"]), 4200);
  });

  test("--recorder watches unseen", async () => {
    const { video } = await created(["--dev", "--join", "--room", "r", "--recorder"]);
    assert.deepEqual(
      [video["hidden"], video["recorder"], video["canPublish"], video["canPublishData"]],
      [true, true, false, false],
    );
  });

  test("key and URL from the environment; flags win", async () => {
    const env = { LIVEKIT_API_KEY: "ek", LIVEKIT_API_SECRET: "es", LIVEKIT_URL: "wss://here" };
    assert.equal((await created(["--create"], env))["iss"], "ek");
    assert.equal((await created(["--create", "--dev"], env))["iss"], "devkey");
    assert.equal((await created(["--create", "--dev", "--api-key", "k", "--api-secret", "s"], env))["iss"], "k");
    const json = JSON.parse((await stoa(["token", "create", "--json", "--list"], env)).stdout) as Record<
      string,
      string
    >;
    assert.equal(json["project_url"], "wss://here");
    assert.ok(payload(json["access_token"]!).video["roomList"]);
    const text = (await stoa(["token", "create", "--list"], env)).stdout;
    assert.match(text, /Token grants:\n[^]*Project URL: wss:\/\/here\nAccess token: \S+\n$/);
  });

  test("mistakes are one sentence", async () => {
    const table: readonly (readonly [readonly string[], RegExp])[] = [
      [["--join"], /no API key: give --api-key and --api-secret/],
      [["--dev"], /the token would allow nothing: add --join/],
      [["--dev", "--room", "r"], /the token would allow nothing/],
      [["--dev", "--join", "--allow-source", "laser"], /--allow-source: "laser" is none of camera/],
      [["--dev", "--join", "--attribute", "a"], /--attribute: "a" is not key=value/],
      [["--dev", "--join", "--valid-for", "5"], /--valid-for: "5" is no time/],
      [["--dev", "--grant", "{"], /--grant: this is not JSON/],
      [
        ["--dev", "--grant", '{"canPublsh": true}'],
        /--grant: "canPublsh" is no video grant; did you mean "canPublish"\?/,
      ],
      [["--dev", "--grant", '{"canPublish": "yes"}'], /--grant: "canPublish" must be a boolean/],
      [
        ["--dev", "--join", "--attribute-file", "/none.json"],
        /^stoa: \/none\.json: the file of attributes does not exist\n/,
      ],
    ];
    for (const [args, expected] of table) {
      const { code, stdout, stderr } = await stoa(["token", "create", ...args]);
      assert.deepEqual([args.join(" "), code, stdout], [args.join(" "), 1, ""]);
      assert.match(stderr, expected);
    }
  });
});
