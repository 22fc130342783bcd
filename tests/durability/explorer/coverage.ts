/**
 * What an exploration has covered: points by the operation that did not happen, unique states by operation and fault, and by pairs of verbs.
 * Tables from several explorers add up.
 */
import type { TimelineEntry } from "../../../src/io/simulated_disk/mod.ts";
import type { Scenario } from "./explorer.ts";
import { type Column, columnOf, COLUMNS, isPossible, OPERATIONS } from "./possible_faults.ts";
import { VERB_NAMES } from "./workload.ts";

export interface Cell {
  runs: number;
  states: number;
}

type Cells = Record<string, Cell>;

export interface CoverageTables {
  /** How often each operation was the next one when the power went. */
  readonly points: Readonly<Record<string, number>>;
  /** "write EIO once" and so on. */
  readonly faults: Readonly<Cells>;
  /** "write, then save" and so on. */
  readonly pairs: Readonly<Cells>;
}

const EMPTY_CELL: Cell = { runs: 0, states: 0 };
const TIMES = ["once", "sticky"] as const;

export class Coverage implements CoverageTables {
  readonly points: Record<string, number> = {};
  readonly faults: Cells = {};
  readonly pairs: Cells = {};

  reached(operation: string): void {
    this.points[operation] = (this.points[operation] ?? 0) + 1;
  }

  /** A run is over, and `states` images were new in it. */
  ran({ workload, faults }: Scenario, timeline: readonly TimelineEntry[], states: number): void {
    if (workload.pair !== undefined) add(this.pairs, workload.pair, { runs: 1, states });
    const times = faults.some((rule) => rule.isSticky === true) ? "sticky" : "once", met = new Set<string>();
    for (const { operation, fault } of timeline) {
      const column = fault === null ? null : columnOf(fault);
      if (column !== null && isPossible(operation, column)) met.add(faultName(operation, column, times));
    }
    for (const name of met) add(this.faults, name, { runs: 1, states });
  }

  addAll(other: CoverageTables): void {
    for (const [name, count] of Object.entries(other.points)) this.points[name] = (this.points[name] ?? 0) + count;
    for (const [name, cell] of Object.entries(other.faults)) add(this.faults, name, cell);
    for (const [name, cell] of Object.entries(other.pairs)) add(this.pairs, name, cell);
  }
}

function add(cells: Cells, name: string, { runs, states }: Cell): void {
  const cell = cells[name] ??= { ...EMPTY_CELL };
  cell.runs += runs, cell.states += states;
}

function faultName(operation: string, column: Column, times: string): string {
  return `${operation} ${column} ${times}`;
}

/** Names of the cells that are possible and were not reached. */
export function emptyCells({ faults, pairs }: CoverageTables): string[] {
  const missing: string[] = [];
  for (const operation of OPERATIONS) {
    for (const column of COLUMNS) {
      if (!isPossible(operation, column)) continue;
      for (const times of TIMES) {
        const name = faultName(operation, column, times);
        if (faults[name] === undefined) missing.push(name);
      }
    }
  }
  for (const one of VERB_NAMES) {
    for (const two of VERB_NAMES) if (pairs[`${one}, then ${two}`] === undefined) missing.push(`${one}, then ${two}`);
  }
  return missing;
}

/** The tables as text: of faults "once / sticky", of pairs the states. */
export function formatCoverage({ points, faults, pairs }: CoverageTables): string {
  const states = (cells: Readonly<Cells>, name: string) => cells[name] === undefined ? "-" : String(cells[name].states);
  const faultRows = OPERATIONS.map((operation) => [
    operation,
    ...COLUMNS.map((column) =>
      isPossible(operation, column)
        ? TIMES.map((times) => states(faults, faultName(operation, column, times))).join(" / ")
        : ""
    ),
    String(points[operation] ?? 0),
  ]);
  const pairRows = VERB_NAMES.map((one) => [one, ...VERB_NAMES.map((two) => states(pairs, `${one}, then ${two}`))]);
  return [
    "new states of runs in which an operation met a fault, once / from then on; crash points before it",
    textTable(["", ...COLUMNS, "points"], faultRows),
    "",
    "new states by pairs of verbs (first down, second across)",
    textTable(["", ...VERB_NAMES], pairRows),
  ].join("\n");
}

/** Columns to the right, the first to the left. */
export function textTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ").trimEnd();
  return [line(headings), ...rows.map(line)].map((text) => `  ${text}`).join("\n");
}
