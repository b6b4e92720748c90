/** What docs/3-reference/cli.md shows of the help is what the program prints. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Command } from "commander";
import { createProgram } from "./program.ts";

const REFERENCE = new URL("../../../docs/3-reference/cli.md", import.meta.url);
const COLUMNS = 80;

/** The help of a command and of those below it, by the line that begins it. */
function helps(command: Command, into = new Map<string, string>()): Map<string, string> {
  let text = "";
  command.configureOutput({ writeOut: (part) => void (text += part), getOutHelpWidth: () => COLUMNS });
  command.outputHelp();
  into.set(text.split("\n", 1)[0]!, text.trimEnd());
  for (const inner of command.commands) helps(inner, into);
  return into;
}

test("the reference shows the help as it is", () => {
  const real = helps(createProgram());
  const shown = [...readFileSync(REFERENCE, "utf8").matchAll(/```text\n(Usage: [^\n]*)\n.*?\n```/gs)];
  assert.ok(shown.length > 10);
  for (const [block, usage] of shown) assert.equal(block, `\`\`\`text\n${real.get(usage!)}\n\`\`\``);
});
