// npm run fuzz, npm run soak: builds what changed, then runs a program of test/ with the arguments given; `--help` of each says more.
import { join } from "node:path";
import { becomeNode, build, installDependencies, root } from "./prepare.mjs";

const [name, ...args] = process.argv.slice(2);

installDependencies();
build();
becomeNode([join(root, "test", "dist", name, "main.js"), ...args]);
