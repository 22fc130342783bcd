/** How the assertions print values, and the differences between two of them. */

import { inspect } from "node:util";

const CONTEXT_LINES = 3;
/** Beyond this many lines the quadratic comparison is not worth the wait: both texts are cut. */
const DIFF_LINES_MAX = 600;

/** A value as text, in full depth, with sorted keys. */
export function format(value: unknown): string {
  return inspect(value, {
    depth: Infinity,
    sorted: true,
    compact: false,
    breakLength: Infinity,
    maxArrayLength: 1000,
    maxStringLength: null,
  });
}

interface DiffLine {
  readonly mark: " " | "-" | "+";
  readonly text: string;
}

/** Lengths of the longest common subsequence for all suffixes, row by row. */
function suffixTable(a: readonly string[], b: readonly string[]): Uint32Array[] {
  const table = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}

function diffLines(a: readonly string[], b: readonly string[]): DiffLine[] {
  const table = suffixTable(a, b);
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ mark: " ", text: a[i++] });
      j++;
    } else if (j === b.length || (i < a.length && table[i + 1][j] >= table[i][j + 1])) {
      lines.push({ mark: "-", text: a[i++] });
    } else {
      lines.push({ mark: "+", text: b[j++] });
    }
  }
  return lines;
}

function withoutFarContext(lines: readonly DiffLine[]): string[] {
  const near = new Uint8Array(lines.length);
  lines.forEach((line, index) => {
    if (line.mark !== " ") near.fill(1, Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1);
  });
  const kept: string[] = [];
  lines.forEach((line, index) => {
    if (near[index] === 1) kept.push(`${line.mark}   ${line.text}`);
    else if (index === 0 || near[index - 1] === 1) kept.push("    ...");
  });
  return kept;
}

/** The lines in which `actual` (marked -) and `expected` (marked +) differ, with some context. */
export function difference(actual: string, expected: string): string {
  const left = actual.split("\n").slice(0, DIFF_LINES_MAX);
  const right = expected.split("\n").slice(0, DIFF_LINES_MAX);
  return ["", "    [Diff] Actual / Expected", "", ...withoutFarContext(diffLines(left, right)), ""].join("\n");
}
