/** `stoa`: the commands put together, and the one place where an error becomes a sentence and an exit code. */
import { isOperatorError } from "@stoa/server";
import { createProgram } from "./program.ts";

// A reader that has seen enough (`stoa --help | head`) is no error, and must not end a server either.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  const shown = isOperatorError(error) ? error.message : (error as Error).stack;
  process.stderr.write(`stoa: ${shown ?? String(error)}\n`);
  process.exitCode = 1;
}
