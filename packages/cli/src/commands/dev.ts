/** `stoa dev`: `stoa serve --dev`, for trying things out on this machine. */
import { Command } from "commander";
import { runServer } from "../run-server.ts";
import { addServerOptions, configOf } from "../server-options.ts";

const EXAMPLES = `
Without other keys the pair is devkey / secret. Only this machine can join: HTTP and WebSocket listen on loopback alone. Media has
the addresses of the machine's networks too, because browsers send from those, and serves nobody who has not joined.

Examples:
  stoa dev
  stoa dev --port 8080
  stoa dev --bind 0.0.0.0 --node-ip 192.168.1.20    for other devices in your network`;

/** Builds the command. */
export function devCommand(): Command {
  const command = new Command("dev")
    .description("run a development server: prints the demo page, the URL, a key pair and a ready token")
    .addHelpText("after", EXAMPLES);
  return addServerOptions(command).action(async () => {
    await runServer(() => configOf(command, { dev: true }), {});
  });
}
