/** Runs a server until a signal: the body of `stoa serve` and `stoa dev`. */
import { isatty } from "node:tty";
import {
  createServer,
  createServerLog,
  developmentBanner,
  watchConfig,
  type ConfigWatch,
  type LoadedConfig,
} from "@stoa/server";
import { startProfiles, type ProfileOptions } from "./profile.ts";

/** A server that does not end by itself within this time is ended. */
const END_WITHIN_MS = 4500;

/** Starts; resolves when the server is up, and leaves the process to the signals. `load` is called again for a reload. */
export async function runServer(load: () => LoadedConfig, profiles: ProfileOptions): Promise<void> {
  const loaded = load();
  const log = createServerLog(loaded.config, (line) => void process.stderr.write(line));
  const finishProfiles = await startProfiles(profiles);
  const server = createServer({ loaded, log, env: process.env });
  const address = await server.start();
  if (loaded.config.development) process.stdout.write(`\n${await developmentBanner(loaded, address, Date.now())}\n`);

  const apply = (next: LoadedConfig) => void server.reload(next);
  const watch = watchConfig({ files: loaded.files, load, apply, log });

  let ending = false;
  const end = (signal: NodeJS.Signals) => {
    if (ending) process.exit(1); // the second signal does not wait
    ending = true;
    log.info("ending", { signal });
    watch.stop();
    setTimeout(() => process.exit(0), END_WITHIN_MS).unref();
    server
      .close()
      .then(finishProfiles)
      .then(
        () => process.exit(0),
        (error: unknown) => {
          log.error("the server did not end cleanly", { error });
          process.exit(1);
        },
      );
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  if (process.platform !== "win32") process.on("SIGQUIT", end);
  reloadOnHangUp(watch, end);
}

/** SIGHUP loads the configuration again; it also comes when the terminal in which the server ran is closed. */
function reloadOnHangUp(watch: ConfigWatch, end: (signal: NodeJS.Signals) => void): void {
  const onTerminal = isatty(0);
  process.on("SIGHUP", (signal) => {
    if (onTerminal && !isatty(0)) end(signal);
    else watch.reload();
  });
}
