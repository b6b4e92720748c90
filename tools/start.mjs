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
// Whoever ends npm ends its shell, but the shell does not pass the signal on: an orphan would keep the ports.
const { ppid } = process;
setInterval(() => {
  if (process.ppid !== ppid) child.kill("SIGTERM");
}, 250).unref();
child.on("exit", (code, signal) => process.exit(signal ? 0 : (code ?? 1)));
