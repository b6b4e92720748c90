// Command lines of the tools: `--help` prints what the tool does, a mistake is one sentence with that text below it.
import { parseArgs } from "node:util";

/** Options and positionals as `parseArgs` gives them; ends the process after `--help` and after a mistake. */
export function readArguments(help, config) {
  let read;
  try {
    read = parseArgs({ ...config, options: { ...config.options, help: { type: "boolean", short: "h" } } });
  } catch (error) {
    refuse(error.message, help);
  }
  if (read.values.help) {
    console.log(help);
    process.exit(0);
  }
  return read;
}

/** Ends the process with a sentence, and the help below it when there is some. */
export function refuse(sentence, help) {
  console.error(help ? `${sentence}\n\n${help}` : sentence);
  process.exit(1);
}
