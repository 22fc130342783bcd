/**
 * Collects samples per measurement and server, and renders medians, ratios and verdicts as a Markdown table or JSON.
 *
 * The ratio is ours ÷ redis. A target says which side of a limit the ratio must be on, or what no sample of ours may exceed; a measurement
 * without a target is shown for information. Measurements keep the order in which they were first added.
 */

import type { ServerKind } from "../support/server_fixture.ts";
import { median } from "./statistics.ts";

/** For the ratio: `atLeast` when higher is better, `atMost` when lower is better. `oursAtMost` is a limit in the measurement's unit. */
export type Target = { atLeast: number } | { atMost: number } | { oursAtMost: number };

export interface Measurement {
  name: string;
  unit: string;
  target?: Target;
}

export interface ReportRow {
  name: string;
  unit: string;
  samples: Partial<Record<ServerKind, number[]>>;
  medians: Partial<Record<ServerKind, number>>;
  /** Absent unless both servers were measured and redis's median is not 0. */
  ratio?: number;
  target?: string;
  /** Absent without a target, or without what it is about. */
  met?: boolean;
}

interface Entry {
  measurement: Measurement;
  samples: Partial<Record<ServerKind, number[]>>;
}

export class Report {
  readonly #entries = new Map<string, Entry>();

  add(measurement: Measurement, kind: ServerKind, value: number): void {
    let entry = this.#entries.get(measurement.name);
    if (entry === undefined) this.#entries.set(measurement.name, entry = { measurement, samples: {} });
    (entry.samples[kind] ??= []).push(value);
  }

  rows(): ReportRow[] {
    return Array.from(this.#entries.values(), rowOf);
  }

  /** A table with one line per measurement, then one line that counts the targets met. */
  toMarkdown(): string {
    const rows = this.rows();
    const judged = rows.filter((row) => row.met !== undefined);
    const met = judged.filter((row) => row.met).length;
    return [
      "| measurement | unit | redis 7.0 | ours | ratio | target | met |",
      "| --- | --- | ---: | ---: | ---: | --- | --- |",
      ...rows.map(markdownLine),
      "",
      `${met} of ${judged.length} targets met (ratio = ours ÷ redis, medians; in brackets: lowest – highest)`,
    ].join("\n");
  }
}

function rowOf({ measurement, samples }: Entry): ReportRow {
  const row: ReportRow = { name: measurement.name, unit: measurement.unit, samples, medians: {} };
  for (const kind of ["redis", "ours"] as const) {
    const values = samples[kind];
    if (values !== undefined) row.medians[kind] = median(values);
  }
  const { redis, ours } = row.medians;
  if (redis !== undefined && ours !== undefined && redis !== 0) row.ratio = ours / redis;
  if (measurement.target !== undefined) judge(row, measurement.target);
  return row;
}

function judge(row: ReportRow, target: Target): void {
  row.target = describeTarget(target);
  if ("oursAtMost" in target) {
    if (row.samples.ours !== undefined) row.met = Math.max(...row.samples.ours) <= target.oursAtMost;
  } else if (row.ratio !== undefined) row.met = isMet(target, row.ratio);
}

function describeTarget(target: Target): string {
  if ("oursAtMost" in target) return `ours ≤ ${target.oursAtMost}`;
  return "atLeast" in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
}

function isMet(target: Exclude<Target, { oursAtMost: number }>, ratio: number): boolean {
  return "atLeast" in target ? ratio >= target.atLeast : ratio <= target.atMost;
}

function markdownLine(row: ReportRow): string {
  const cells = [
    row.name,
    row.unit,
    sampleCell(row, "redis"),
    sampleCell(row, "ours"),
    row.ratio === undefined ? "" : row.ratio.toFixed(3),
    row.target ?? "",
    row.met === undefined ? "" : row.met ? "yes" : "NO",
  ];
  return `| ${cells.join(" | ")} |`;
}

function sampleCell(row: ReportRow, kind: ServerKind): string {
  const values = row.samples[kind];
  if (values === undefined) return "";
  const middle = formatNumber(row.medians[kind]!);
  if (values.length === 1) return middle;
  return `${middle} (${formatNumber(Math.min(...values))} – ${formatNumber(Math.max(...values))})`;
}

/** Four significant digits below 1000, whole numbers with separators above. */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
}
