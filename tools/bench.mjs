// npm run bench, bench:connect, bench:data, bench:fanout, bench:sctp: builds what changed, then runs one benchmark of bench/ with the arguments given.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { becomeNode, build, installDependencies, needPrograms, root } from "./prepare.mjs";

const [name = "packet", ...args] = process.argv.slice(2);
const script = join(root, "bench", "dist", `${name}.js`);

installDependencies();
const pairs = args[args.indexOf("--pairs") + 1];
const withBrowser =
  name === "connect" || (name === "sctp" && (!args.includes("--pairs") || pairs?.includes("chromium")));
if (withBrowser && !args.includes("--help")) {
  needPrograms([{ commands: ["chromium", "chromium-browser", "google-chrome"], debian: "chromium" }]);
}
build();
if (!existsSync(script)) {
  console.error(`There is no benchmark "${name}". Known: packet (npm run bench), connect, data, fanout, sctp.`);
  process.exit(1);
}
becomeNode(["--expose-gc", script, ...args]);
