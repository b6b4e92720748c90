// How the tools that run other people's tests end: a table of what passed, and a line of totals.

/** Prints a line per result `{ name, result, seconds, detail }`, then how many passed, failed and were skipped. */
export function printTable(results) {
  const width = Math.max(0, ...results.map(({ name }) => name.length));
  console.log("");
  for (const { name, result, seconds, detail } of results)
    console.log(`${name.padEnd(width)}  ${result.padEnd(7)}  ${seconds.toFixed(1).padStart(5)} s  ${detail}`.trimEnd());
  const count = (result) => results.filter((r) => r.result === result).length;
  console.log(`\n${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`);
}
