// npm run fuzz: builds what changed, then feeds the protocol machines what hostile peers might send; `npm run fuzz -- --help` says more.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build, installDependencies, root } from "./prepare.mjs";

installDependencies();
build();
const script = join(root, "test", "dist", "fuzz", "main.js");
const child = spawn(process.execPath, [script, ...process.argv.slice(2)], { cwd: root, stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
