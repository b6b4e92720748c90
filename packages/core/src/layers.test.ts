/** The layers of CONTRIBUTING.md hold: between packages by the compiler, between the folders of core by this test. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const CORE = join(ROOT, "packages", "core", "src");

/** From the ground up; folders of one row know nothing of each other but what the ground has. */
const ORDER = [
  ["clock", "errors", "crypto", "slab", "paths"],
  ["ice", "dtls", "srtp", "sctp"],
  ["peer", "congestion"],
  ["media"],
  ["data"],
  ["engine"],
  ["negotiation"],
  ["room"],
];
/** What main and a media worker say to each other. */
const ALL_MAY_NAME_TYPES_OF = ["specs", "commands", "events", "figures"].map((name) => `engine/${name}.ts`);

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Relative imports between source files; paths from core's `src`. */
function importsOf(file: string, text: string): Import[] {
  const found = text.matchAll(/^(?:import|export)\s+(type\s)?[^"';]*?["'](\.[^"']+)["']/gm);
  return [...found].map(([, type, path]) => ({
    from: relative(CORE, file).replaceAll(sep, "/"),
    to: relative(CORE, join(dirname(file), path!)).replaceAll(sep, "/"),
    typeOnly: type !== undefined,
  }));
}

const rank = (file: string): number => ORDER.findIndex((row) => row.includes(file.split("/")[0]!.replace(/\.ts$/, "")));

function isUpward({ from, to, typeOnly }: Import): boolean {
  const [folder, target] = [from.split("/")[0], to.split("/")[0]];
  if (folder === target || (typeOnly && ALL_MAY_NAME_TYPES_OF.includes(to))) return false;
  return rank(to) > rank(from) || (rank(to) === rank(from) && rank(to) > 0);
}

describe("inside core", () => {
  const files = readdirSync(CORE, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => join(CORE, name));
  const imports = files.flatMap((file) => importsOf(file, readFileSync(file, "utf8")));

  test("every folder has its place in the order", () => {
    const lost = files.map((file) => relative(CORE, file).replaceAll(sep, "/")).filter((file) => rank(file) < 0);
    assert.deepEqual(lost, []);
    assert.ok(imports.length > 300, `${imports.length} imports found`);
  });

  test("a folder imports only folders before it", () => {
    const upward = imports.filter(isUpward).map(({ from, to }) => `${from} imports ${to}`);
    assert.deepEqual(upward, []);
  });

  test("an upward import would be found", () => {
    const of = (file: string, text: string) => importsOf(join(CORE, file), text).map(isUpward);
    assert.deepEqual(of("ice/agent.ts", 'import { Room } from "../room/room.ts";'), [true]);
    assert.deepEqual(of("ice/agent.ts", 'import {\n  a,\n  type B,\n} from "../sctp/association.ts";'), [true]);
    assert.deepEqual(of("media/track.ts", 'import { x } from "../engine/specs.ts";'), [true]);
    assert.deepEqual(of("media/track.ts", 'import type { X } from "../engine/specs.ts";'), [false]);
    assert.deepEqual(of("room/requests/a.ts", 'export { x } from "../../engine/engine.ts";'), [false]);
  });
});

describe("between packages an upward import is a compile error", () => {
  // inside the repository, so that the workspace links in node_modules are seen
  const folder = mkdtempSync(join(ROOT, "packages", "core", "dist", "layers-"));
  after(() => rmSync(folder, { recursive: true }));
  const upward: Readonly<Record<string, readonly string[]>> = {
    wire: ["@stoa/core/clock", "@stoa/io/clock", "@stoa/server", "@stoa/testkit/until"],
    core: ["@stoa/io/clock", "@stoa/server", "@stoa/testkit/until"],
    io: ["@stoa/server", "@stoa/testkit/until"],
    server: ["@stoa/cli", "@stoa/testkit/until"],
    cli: ["@stoa/testkit/until"],
  };
  const compile = (name: string, target: string): string => {
    const file = join(folder, `${name}.ts`);
    writeFileSync(file, `import * as x from "${target}";\nexport { x };\n`);
    const project = {
      extends: join(ROOT, "packages", name, "tsconfig.json"),
      compilerOptions: { rootDir: folder, outDir: join(folder, "dist"), noEmit: true },
      files: [file],
      include: [],
      references: [],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(project));
    const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    return spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" }).stdout;
  };

  for (const [name, targets] of Object.entries(upward)) {
    test(name, () => {
      for (const target of targets) assert.match(compile(name, target), /error TS6059: .*upward-import/, target);
    });
  }

  test("a downward import is none", () => {
    assert.equal(compile("server", "@stoa/io/clock"), "");
  });

  test("wire and core know neither Node nor a clock", () => {
    for (const name of ["wire", "core"]) assert.match(compile(name, "node:fs"), /TS2591|TS2307/);
  });
});
