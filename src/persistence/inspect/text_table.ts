/** Figures as people read them, and tables of them. */

const UNITS = ["KiB", "MiB", "GiB", "TiB"];

/** "1.5 MiB". */
export function sizeText(bytes: number): string {
  const sign = bytes < 0 ? "-" : "", size = Math.abs(bytes);
  if (size < 1024) return `${sign}${size} B`;
  let value = size / 1024, unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) value /= 1024, unit++;
  return `${sign}${value.toFixed(value < 100 ? 1 : 0)} ${UNITS[unit]}`;
}

export function countText(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

export function percentText(part: number, whole: number): string {
  return whole === 0 ? "–" : `${(part / whole * 100).toFixed(1)} %`;
}

export function plural(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Rows under headings; the first column is text and takes what the others leave of `width`, the rest are figures. */
export function textTable(headings: readonly string[], rows: readonly (readonly string[])[], width: number): string[] {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i].length)));
  const others = widths.slice(1).reduce((sum, one) => sum + one + 2, 0);
  widths[0] = Math.min(widths[0], Math.max(headings[0].length, width - others));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => i === 0 ? clipped(cell, widths[0]).padEnd(widths[0]) : cell.padStart(widths[i])).join("  ");
  return [line(headings), widths.map((one) => "─".repeat(one)).join("  "), ...rows.map(line)];
}

/** A long name keeps its start and its end. */
function clipped(text: string, width: number): string {
  if (text.length <= width) return text;
  const end = Math.floor((width - 1) / 3);
  return `${text.slice(0, width - 1 - end)}…${text.slice(text.length - end)}`;
}
