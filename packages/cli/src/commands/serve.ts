/** `stoa serve`: the server, with the flags, variables and configuration of livekit-server. */
import { Command } from "commander";
import type { ProfileOptions } from "../profile.ts";
import { runServer } from "../run-server.ts";
import { addServerOptions, configOf } from "../server-options.ts";

const EXAMPLES = `
Every key of the configuration is a flag and a variable too: --rtc.tcp_port 7881, LIVEKIT_RTC_TCP_PORT=7881.
Flags win over variables, variables over the file. "stoa help-verbose" lists all of them.

Examples:
  stoa serve --config livekit.yaml
  stoa serve --keys "mykey: mysecret" --bind 0.0.0.0 --node-ip 203.0.113.7
  stoa serve --dev --udp-port 7882-7885             four media workers
  LIVEKIT_CONFIG="$(cat livekit.yaml)" stoa serve    as in a container`;

/** Builds the command. */
export function serveCommand(): Command {
  const command = new Command("serve")
    .description("run the server")
    .option("--cpuprofile <file>", "write a CPU profile of the main thread at the end")
    .option("--memprofile <file>", "write a heap snapshot of the main thread at the end")
    .addHelpText("after", EXAMPLES);
  return addServerOptions(command).action(async (options: ProfileOptions) => {
    await runServer(() => configOf(command), options);
  });
}
