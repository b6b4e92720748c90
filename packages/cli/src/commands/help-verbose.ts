/** `stoa help-verbose`: the help of `stoa serve` with every flag that is derived from a key of the configuration. */
import { Command } from "commander";
import { addServerOptions } from "../server-options.ts";

/** Flags up to that length have their explanation beside them, longer ones below. */
const FLAG_CHARACTERS = 34;
const INDENT = 2;

/** Builds the command. */
export function helpVerboseCommand(): Command {
  return new Command("help-verbose").description("explain stoa serve with every flag there is").action(() => {
    const all = addServerOptions(new Command("stoa serve").description("run the server"), true);
    all.configureHelp({
      padWidth: () => FLAG_CHARACTERS,
      formatItem: (flag, width, text) => {
        const indent = " ".repeat(INDENT);
        const below = `\n${" ".repeat(INDENT + width + 2)}`;
        return `${indent}${flag.length > width ? flag + below : flag.padEnd(width + 2)}${text}`;
      },
    });
    process.stdout.write(all.helpInformation());
  });
}
