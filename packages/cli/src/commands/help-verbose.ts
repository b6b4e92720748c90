/** `stoa help-verbose`: the help of `stoa serve` with every flag that is derived from a key of the configuration. */
import { Command } from "commander";
import { addServerOptions } from "../server-options.ts";

/** Builds the command. */
export function helpVerboseCommand(): Command {
  return new Command("help-verbose").description("explain stoa serve with every flag there is").action(() => {
    const all = addServerOptions(new Command("stoa serve").description("run the server"), true);
    process.stdout.write(all.helpInformation());
  });
}
