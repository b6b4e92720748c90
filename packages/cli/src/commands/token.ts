/** `stoa token`: the group of token commands. */
import { Command } from "commander";
import { tokenCreateCommand } from "./token-create.ts";

/** Builds the group. */
export function tokenCommand(): Command {
  return new Command("token").description("access tokens").addCommand(tokenCreateCommand());
}
