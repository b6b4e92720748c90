/** `stoa help`: the help of a command, of one inside a group too. */
import { nearest } from "@stoa/server";
import { Command } from "commander";

/** Builds the command. */
export function helpCommand(): Command {
  return new Command("help")
    .description("explain a command")
    .argument("[command...]", "such as: token create")
    .action((names: string[], _flags: object, self: Command) => {
      find(self.parent!, names).outputHelp();
    });
}

/** Follows the names down from the program; ends the process where there is no such command. */
function find(program: Command, names: readonly string[]): Command {
  let found = program;
  for (const [depth, name] of names.entries()) {
    const next = found.commands.find((one) => one.name() === name);
    if (!next) {
      const path = (last: string) => [...names.slice(0, depth), last].join(" ");
      const known = found.commands.map((one) => one.name());
      const meant = nearest(name, known);
      const hint = meant === undefined ? "" : `; did you mean "${path(meant)}"?`;
      return program.error(`there is no command "${path(name)}"${hint}`);
    }
    found = next;
  }
  return found;
}
