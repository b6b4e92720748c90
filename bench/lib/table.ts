/** Prints rows as a table of columns, numbers to the right: readable in a terminal and as Markdown. */

/** One row: a cell per column; numbers are printed as they are, so round them first. */
export type Row = readonly (string | number)[];

/** The table as text, without a line break at its end. */
export function formatTable(columns: readonly string[], rows: readonly Row[]): string {
  const texts = rows.map((row) => row.map(String));
  const widths = columns.map((title, i) => Math.max(title.length, ...texts.map((row) => row[i]!.length)));
  const isNumber = columns.map(
    (_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number" || row[i] === "–"),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => `${"-".repeat(width + 1)}${isNumber[i] ? ":" : "-"}`).join("|")}|`;
  return [line(columns), rule, ...texts.map(line)].join("\n");
}

/** A number with so many digits behind the point, as a number. */
export function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}
