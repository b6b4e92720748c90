/** The command line as a whole: which commands there are and what `--help` teaches. */
import { STOA_VERSION } from "@stoa/server";
import { Command } from "commander";
import { devCommand } from "./commands/dev.ts";
import { helpCommand } from "./commands/help.ts";
import { generateKeysCommand } from "./commands/generate-keys.ts";
import { helpVerboseCommand } from "./commands/help-verbose.ts";
import { portsCommand } from "./commands/ports.ts";
import { roomCommand } from "./commands/room.ts";
import { serveCommand } from "./commands/serve.ts";
import { tokenCommand } from "./commands/token.ts";

const EXAMPLES = `
Examples:
  stoa dev                                          try it: prints the demo page, the URL, a key and a token
  stoa generate-keys                                a key pair for your configuration
  stoa serve --config livekit.yaml                  run with a configuration file in LiveKit's format
  stoa serve --keys "mykey: mysecret" --node-ip 203.0.113.7
  stoa token create --join --room lobby --identity ada --dev
  stoa room list --dev                              what goes on; stoa room --help has more

LiveKit's SDKs connect unchanged: give them the WebSocket URL of this server and a token.`;

/** Builds the parser; nothing runs before `parseAsync`. */
export function createProgram(): Command {
  const program = new Command("stoa")
    .description("A realtime media server that LiveKit's clients connect to as if it were LiveKit.")
    .version(STOA_VERSION, "-v, --version", "print the version")
    .helpOption("-h, --help", "explain a command")
    .showHelpAfterError("(add --help for the options)")
    .addCommand(devCommand())
    .addCommand(serveCommand())
    .addCommand(tokenCommand())
    .addCommand(roomCommand())
    .addCommand(generateKeysCommand())
    .addCommand(portsCommand())
    .addCommand(helpVerboseCommand())
    .addCommand(helpCommand())
    .helpCommand(false)
    .addHelpText("after", EXAMPLES);
  nameMistakes(program);
  return program;
}

/** Mistakes begin with the name of the program, whoever finds them. */
function nameMistakes(command: Command): void {
  command.configureOutput({
    outputError: (message, write) => write(`stoa: ${message.replace(/^error: /, "")}`),
  });
  for (const below of command.commands) nameMistakes(below);
}
