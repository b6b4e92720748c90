// npm start: a development server from a fresh clone.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build, installDependencies, root } from "./prepare.mjs";

installDependencies();
build();
const child = spawn(
  process.execPath,
  [join(root, "packages", "cli", "bin", "stoa.mjs"), "dev", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal ? 0 : (code ?? 1)));
