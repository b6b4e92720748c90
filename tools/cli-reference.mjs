// Prints docs/3-reference/cli.md from what `stoa … --help` says: node tools/cli-reference.mjs > docs/3-reference/cli.md
// (a test holds the two together; needs a build).
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./prepare.mjs";

const COMMANDS = [
  ["stoa", "the commands"],
  ["stoa dev", "a server to try things out"],
  ["stoa serve", "the server"],
  ["stoa token create", "access tokens"],
  ["stoa room", "rooms and the people in them"],
  ["stoa room list", "open rooms"],
  ["stoa room create", "a new room, or other settings"],
  ["stoa room update", "metadata of a room"],
  ["stoa room delete", "the end of rooms"],
  ["stoa room participants", "who is there"],
  ["stoa room mute", "silence"],
  ["stoa room remove", "out of the room"],
  ["stoa room update-participant", "name, metadata, attributes, permissions"],
  ["stoa room send-data", "messages"],
  ["stoa room timeline", "why did it drop, why is it blurry"],
  ["stoa generate-keys", "key pairs"],
  ["stoa ports", "what a firewall must let through"],
];

function help(command) {
  const args = [join(root, "packages", "cli", "bin", "stoa.mjs"), ...command.split(" ").slice(1), "--help"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout.trimEnd();
}

console.log(`# Command line

From a clone, \`npx stoa\` runs it (after \`npm start\` or \`npm run build\`). The flags and variables of \`stoa serve\` are those of livekit-server,
those of \`stoa token create\` and \`stoa room\` are those of \`lk\`; \`stoa room\` works on any LiveKit server. Mistakes are one sentence on standard error and exit code 1.

A value is looked for in the flags, then in the environment, then in the configuration file. Every scalar key of the file is a flag
(\`--rtc.tcp_port 7881\`) and a variable (\`LIVEKIT_RTC_TCP_PORT=7881\`); \`stoa help-verbose\` lists them all.`);
for (const [command, title] of COMMANDS)
  console.log(`\n## \`${command}\`: ${title}\n\n\`\`\`text\n${help(command)}\n\`\`\``);
