// npm run fuzz, npm run soak: builds what changed, then runs a program of test/ with the arguments given; `--help` of each says more.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build, installDependencies, root } from "./prepare.mjs";

const [name, ...args] = process.argv.slice(2);

installDependencies();
build();
const child = spawn(process.execPath, [join(root, "test", "dist", name, "main.js"), ...args], {
  cwd: root,
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
