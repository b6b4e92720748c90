import assert from "node:assert/strict";
import { test } from "node:test";
import { recordingLog } from "./fixtures.test.ts";
import { PacedLines } from "./paced-lines.ts";

test("of a flood a hundred lines are written, then ten a second, and now and then how many are missing", () => {
  let nowMs = 0;
  const log = recordingLog();
  const lines = new PacedLines(log, () => nowMs);
  for (let i = 0; i < 40_000; i++) {
    lines.debug("PA_1", `line ${i}`, {});
    nowMs += 0.25;
  }
  assert.ok(log.lines.length >= 150 && log.lines.length < 250, `${log.lines.length} lines`);
  assert.ok(log.lines.filter((line) => line.includes("left out")).length <= 2);
  const leftOut = () => log.lines.reduce((sum, line) => sum + Number(/left out: (\d+)/.exec(line)?.[1] ?? 0), 0);
  lines.debug("PA_2", "another", {});
  assert.equal(log.lines.at(-1), "debug another");
  lines.end("PA_1", {});
  const written = log.lines.filter((line) => line.startsWith("debug line ")).length;
  assert.equal(written + leftOut(), 40_000);
  lines.end("PA_1", {});
  assert.match(log.lines.at(-1)!, /left out/);
});
