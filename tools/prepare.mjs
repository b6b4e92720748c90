// What every command of a fresh clone needs first: dependencies, a build and, for tests, programs of the system.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs a command in the root, shows what it prints, ends the process when it fails. */
export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (done.status === 0) return;
  console.error(`\n${command} ${args.join(" ")} failed${done.error ? `: ${done.error.message}` : ""}`);
  process.exit(done.status ?? 1);
}

/** Path of the first of these programs that is installed. */
export function which(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? "").split(delimiter)) {
      const file = join(folder, name);
      if (existsSync(file)) return file;
    }
  }
  return undefined;
}

/** Installs the dependencies when the lock file is newer than what is there. */
export function installDependencies() {
  const lock = join(root, "package-lock.json");
  const stamp = join(root, "node_modules", ".package-lock.json");
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs - 1) return;
  if (existsSync(stamp) && sameLock(lock, stamp)) return;
  console.log("Installing dependencies …");
  // Not `npm ci`: it refuses a lock file that lacks builds of optional packages for other systems, which some registries do not carry.
  run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
}

// A clone's files all carry the time of the clone: compare what is installed with what the lock asks for.
function sameLock(lock, stamp) {
  const wanted = JSON.parse(readFileSync(lock, "utf8")).packages;
  const installed = JSON.parse(readFileSync(stamp, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, p]) => path === "" || p.optional || installed[path]?.version === p.version,
  );
}

/** Builds what changed. */
export function build() {
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-b"]);
}

/** Makes sure that Debian packages are installed: by apt when root, otherwise it says what to type. */
export function needPrograms(programs) {
  const missing = programs.filter((p) => !which(...p.commands));
  if (missing.length === 0) return;
  const packages = missing.map((p) => p.debian);
  if (process.getuid?.() === 0 && which("apt-get")) {
    console.log(`Installing ${packages.join(", ")} …`);
    const quiet = {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    };
    run("apt-get", ["update", "-qq"], quiet);
    run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], quiet);
    return;
  }
  console.error(
    `The tests need ${missing.map((p) => p.commands[0]).join(", ")}. Type:\n\n    sudo apt-get install -y ${packages.join(" ")}\n`,
  );
  process.exit(1);
}

/** Runs Node with these arguments in the place of this process: it ends what it started, and only then does this one end, with its status. */
export function becomeNode(args) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}
