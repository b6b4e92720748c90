/** The tools of a clone explain themselves, and say in a sentence what is wrong; nothing else happens meanwhile. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** Longer than any explanation takes; a suite or a scenario takes minutes. */
const TIMEOUT_MS = 20_000;

function tool(path: string, ...args: string[]) {
  const options = { cwd: ROOT, encoding: "utf8", timeout: TIMEOUT_MS } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, path), ...args], options);
  return { status, stdout, stderr };
}

const TOOLS = [
  ["tools/test.mjs", "npm test -- "],
  ["tools/plot-congestion.mjs", "npm run plot:congestion"],
  ["tools/go-tests.mjs", "npm run interop:go-tests -- FOLDER"],
  ["tools/python-sdks.mjs", "npm run interop:python-sdks -- FOLDER"],
  ["bench/dist/sctp.js", "npm run bench:sctp -- "],
] as const;

for (const [path, usage] of TOOLS) {
  test(`${path} --help`, () => {
    const { status, stdout, stderr } = tool(path, "--help");
    assert.deepEqual([status, stderr], [0, ""]);
    assert.ok(stdout.startsWith(usage), stdout);
  });

  test(`${path} with an option that does not exist`, () => {
    const { status, stdout, stderr } = tool(path, "--nonsense");
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /^[^\n]*--nonsense[^]*\n\nnpm (?:test|run)/);
    assert.doesNotMatch(stderr, /node:internal|^ +at /m);
  });
}

test("a suite, a folder or a program that is not there is one sentence", () => {
  const cases: [string[], RegExp][] = [
    [["tools/test.mjs", "units"], /^There is no suite "units"\./],
    [["tools/go-tests.mjs"], /^Say where a checkout of livekit\/livekit is\./],
    [["tools/go-tests.mjs", "/none"], /^\/none is no checkout of livekit\/livekit\.\n$/],
    [["tools/python-sdks.mjs", "/none"], /^\/none is no checkout of livekit\/python-sdks\.\n$/],
    [["bench/dist/sctp.js", "--pion", "/none"], /^--pion: \/none does not exist\n$/],
    [
      ["bench/dist/sctp.js", "--pairs", "pion-pion", "--pion", "none-such"],
      /: none-such cannot be started \(ENOENT\)\n$/,
    ],
    [["bench/dist/sctp.js", "--pairs", "pion-pion", "--pion", "false"], /: false ended by itself with code 1\n$/],
    [
      ["bench/dist/sctp.js", "--pairs", "pion-pion", "--pion", "echo"],
      /: echo printed a line that is no JSON object: send/,
    ],
  ];
  for (const [[path, ...args], expected] of cases) {
    const { status, stdout, stderr } = tool(path!, ...args);
    assert.deepEqual([args, status, stdout], [args, 1, ""]);
    assert.match(stderr, expected);
  }
});
