/** Tables for people: columns as wide as their widest cell, numbers to the right, nothing that a terminal would obey. */

const GAP = "  ";
const MAX_CELL_CHARACTERS = 60;

/** One row per record, under a line of headings; what is longer than `maxCharacters` is cut. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  maxCharacters = MAX_CELL_CHARACTERS,
): string {
  const cells = [headings, ...rows.map((row) => row.map((value) => printable(value, maxCharacters)))];
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const right = headings.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number"));
  const lines = cells.map((row) =>
    row
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join(GAP)
      .trimEnd(),
  );
  return lines.join("\n");
}

/** A name or metadata as one cell: what others wrote must not move the cursor. */
export function printable(value: string | number, maxCharacters = MAX_CELL_CHARACTERS): string {
  // oxlint-disable-next-line no-control-regex -- they are what is replaced
  const text = String(value).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "·");
  return text.length > maxCharacters ? `${text.slice(0, maxCharacters - 1)}…` : text;
}
