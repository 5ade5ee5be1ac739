// What a benchmark prints: rows of ours against a rival's, for eyes. Knows nothing of what is measured.

/** One line of the table, and of `--json`. `ratio` is value / rivalValue; `goal` what it should at least be. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly rival: string;
  readonly rivalValue: number;
  readonly ratio: number;
  readonly goal: number;
  /** Slowest and fastest round, of ours and of the rival. */
  readonly spread?: readonly [readonly [number, number], readonly [number, number]];
}

const grouped = (value: number): string => value.toLocaleString('en-US');
const range = ([from, to]: readonly [number, number]): string => `${grouped(from)}–${grouped(to)}`;

export function table(rows: readonly Row[]): string {
  const spread = rows.some((row) => row.spread !== undefined);
  const lines = rows.map((row) => [
    row.name,
    `${grouped(row.value)} ${row.unit}`,
    `${grouped(row.rivalValue)} ${row.rival}`,
    String(row.ratio),
    `≥ ${row.goal}`,
    ...(row.spread === undefined ? [] : row.spread.map(range)),
  ]);
  return columns(
    ['row', 'ours', 'rival', 'ratio', 'goal', ...(spread ? ['ours, rounds', "rival's rounds"] : [])],
    lines,
  );
}

export function columns(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)));
  const format = (cells: readonly string[]): string =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return [format(head), widths.map((width) => '─'.repeat(width)).join('  '), ...lines.map(format)].join('\n');
}
