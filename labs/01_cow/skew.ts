/**
 * Skew × duration × value size, with the forecast beside each measurement. One save for each skew and value size; a shorter save is the start
 * of a longer one, since its copies are counted as they happen.
 */
import { dot, lineY, ruleY } from "@observablehq/plot";
import { COLOURS, type ReportTable } from "../kit/html_report.ts";
import { bars, type Progress } from "../kit/terminal.ts";
import { BATCH } from "../kit/write_load.ts";
import { distribution, drawTrace, type Skew } from "./distribution.ts";
import { errorText, type Outcome, percent } from "./experiment.ts";
import { type Forecast, forecast } from "./forecast.ts";
import { SteppedServer } from "./stepped_server.ts";

const SKEWS: readonly Skew[] = ["uniform", "hot 1 %", "hot 1 % scattered", "zipf 0.99"];
const VALUE_BYTES = [16, 100, 1000, 4000] as const;
/** Writes during a save, for each page of the data: a short save, a medium and a long one. */
const WRITES_PER_PAGE = [1 / 16, 1 / 2, 4] as const;
const PAGE_BYTES = 4096;
const KEY_BYTES = 41;
/** Points of a forecast's line. */
const POINTS = 24;

export interface SkewOptions {
  readonly dataBytes: number;
  readonly seed: number;
}

interface Moment {
  readonly writes: number;
  readonly copied: number;
  readonly forecast: Forecast;
}

interface Cell {
  readonly skew: Skew;
  readonly valueBytes: number;
  readonly keys: number;
  readonly normalBytes: number;
  readonly pagesFrozen: number;
  /** At each of WRITES_PER_PAGE. */
  readonly moments: readonly Moment[];
  /** Along the whole save. */
  readonly line: readonly Moment[];
}

export async function measureSkews(o: SkewOptions, progress: Progress): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const [i, valueBytes] of VALUE_BYTES.entries()) {
    const keys = Math.ceil(o.dataBytes / (valueBytes + KEY_BYTES) / BATCH) * BATCH;
    const server = await SteppedServer.open({ keys, valueBytes, pageBytes: PAGE_BYTES, seed: o.seed });
    try {
      for (const [j, skew] of SKEWS.entries()) {
        progress.update("skew × duration × value size", (i + j / SKEWS.length) / VALUE_BYTES.length);
        cells.push(measureCell(server, skew, keys, valueBytes, o.seed));
      }
    } finally {
      server.close();
    }
  }
  return cells;
}

function measureCell(server: SteppedServer, skew: Skew, keys: number, valueBytes: number, seed: number): Cell {
  const of = distribution(skew, keys, seed),
    layouts = server.layouts(PAGE_BYTES),
    pages = server.dataBytes / PAGE_BYTES;
  const writesMax = inBatches(pages * WRITES_PER_PAGE.at(-1)!);
  const { curve, pagesFrozen, normalBytes } = server.save(drawTrace(of, writesMax, seed));
  const momentAt = (writes: number): Moment => ({
    writes,
    copied: curve[writes / BATCH],
    forecast: forecast(of, writes, layouts, PAGE_BYTES),
  });
  return {
    skew,
    valueBytes,
    keys,
    normalBytes,
    pagesFrozen,
    moments: WRITES_PER_PAGE.map((share) => momentAt(inBatches(pages * share))),
    line: Array.from({ length: POINTS }, (_, i) => momentAt(inBatches(writesMax * ((i + 1) / POINTS) ** 2))),
  };
}

function inBatches(writes: number): number {
  return Math.max(1, Math.round(writes / BATCH)) * BATCH;
}

const peakOf = (cell: Cell, copied: number) => 1 + (copied * PAGE_BYTES) / cell.normalBytes;

/** What the findings are about: values of 100 bytes (and 4000), at a moment. */
class Findings {
  readonly #cells: readonly Cell[];

  constructor(cells: readonly Cell[]) {
    this.#cells = cells;
  }

  /** Pages copied at the end of the longest save. */
  copied(skew: Skew, valueBytes: number): number {
    return this.#cell(skew, valueBytes).moments.at(-1)!.copied;
  }

  /** How many times as many pages the same hot keys copy when they are scattered. */
  timesScattered(valueBytes: number): number {
    return this.copied("hot 1 % scattered", valueBytes) / this.copied("hot 1 %", valueBytes);
  }

  /** Peak ÷ normal of the medium save, with values of 100 bytes. */
  mediumPeak(skew: Skew): number {
    const cell = this.#cell(skew, 100);
    return peakOf(cell, cell.moments[1].copied);
  }

  /** The largest error of a forecast of a peak. */
  worst(way: keyof Forecast): number {
    const errors = this.#cells.flatMap((cell) =>
      cell.moments.map(({ copied, forecast }) => Math.abs(peakOf(cell, forecast[way]) / peakOf(cell, copied) - 1))
    );
    return Math.max(...errors);
  }

  #cell(skew: Skew, valueBytes: number): Cell {
    return this.#cells.find((one) => one.skew === skew && one.valueBytes === valueBytes)!;
  }
}

export function skewOutcome(cells: readonly Cell[]): Outcome {
  const found = new Findings(cells), peak = (skew: Skew) => found.mediumPeak(skew).toFixed(2);
  return {
    figures: cells,
    answer: peak("zipf 0.99"),
    picture: `Peak memory ÷ normal memory after one write for every two pages, values of 100 bytes\n${
      bars(SKEWS.map((skew) => ({ label: skew, value: found.mediumPeak(skew), text: peak(skew) })))
    }`,
    part: {
      title: "Skew × duration × value size, and what a forecast knows",
      note:
        `Pages of ${PAGE_BYTES} bytes. A longer save is one with more writes in it. Each curve is one save, with the same number of ` +
        "writes for each skew, drawn before it and spread evenly over the child's walk.",
      conclusions: conclusions(found),
      charts: [chartOf(cells)],
      tables: [tableOf(cells)],
    },
    claims: [
      {
        text: "the forecast of the peak is within 5 % of the measured peak, for every skew, duration and value size",
        measured: `at most ${percent(found.worst("placed"))} off`,
        holds: found.worst("placed") <= 0.05,
      },
      {
        text: "the same hot keys copy at least 3 times as many pages scattered as together",
        measured: `${found.timesScattered(100).toFixed(1)} times`,
        holds: found.timesScattered(100) >= 3,
      },
    ],
  };
}

function conclusions(found: Findings): string[] {
  const peak = (skew: Skew) => found.mediumPeak(skew).toFixed(2),
    worst = (way: keyof Forecast) => percent(found.worst(way));
  return [
    `With half as many writes as pages, memory peaks at ${peak("uniform")} times normal when writes are uniform, at ${
      peak("zipf 0.99")
    } ` +
    `with Zipf's law, at ${peak("hot 1 % scattered")} with 1 % of the keys scattered over all pages, and at ${
      peak("hot 1 %")
    } when that ` +
    "1 % is of one age and shares pages.",
    `Where hot keys are decides more than how hot they are: the same 1 % of keys copies ${
      found.timesScattered(100).toFixed(0)
    } times as many ` +
    `pages scattered as together, with values of 100 bytes, and ${
      found.timesScattered(4000).toFixed(1)
    } times with values of 4000 bytes, ` +
    "which fill pages of their own.",
    `The forecast that knows only the skew and how many keys share a page is at most ${
      worst("closed")
    } off the measured peak, the one that ` +
    `knows which keys do ${worst("placed")}; to count a page for every write is up to ${worst("naive")} off.`,
  ];
}

function tableOf(cells: readonly Cell[]): ReportTable {
  const measured = (cell: Cell, { copied, forecast }: Moment) => [
    peakOf(cell, copied).toFixed(3),
    errorText(peakOf(cell, forecast.placed), peakOf(cell, copied)),
  ];
  const naive = (cell: Cell, { copied, forecast }: Moment) =>
    errorText(peakOf(cell, forecast.naive), peakOf(cell, copied));
  return {
    title: "Peak ÷ normal after a short, a medium and a long save: 1/16, 1/2 and 4 writes for each page",
    lastIsText: false,
    headings: [
      "value bytes",
      "skew",
      ...["short", "medium", "long"].flatMap((duration) => [duration, "forecast"]),
      "naive",
    ],
    rows: cells.map((cell) => [
      String(cell.valueBytes),
      cell.skew,
      ...cell.moments.flatMap((moment) => measured(cell, moment)),
      naive(cell, cell.moments.at(-1)!),
    ]),
  };
}

function chartOf(cells: readonly Cell[]) {
  const points = cells.flatMap((cell) =>
    cell.line.map(({ writes, copied, forecast }) => ({
      value: `${cell.valueBytes} B values`,
      skew: cell.skew,
      perPage: writes / cell.pagesFrozen,
      peak: peakOf(cell, copied),
      expected: peakOf(cell, forecast.placed),
    }))
  );
  return {
    title: "Peak ÷ normal over the writes during the save",
    note:
      "Lines are measured, dots are the forecast from the trace's skew, the number of writes and the order of loading. One panel " +
      "for each value size; the last point of each line is the longest save.",
    options: {
      height: 340,
      marginTop: 40,
      x: { label: "writes during the save, per page of data", ticks: 4 },
      y: { label: "peak ÷ normal", grid: true, domain: [1, 2] },
      fx: { label: null, domain: VALUE_BYTES.map((bytes) => `${bytes} B values`) },
      color: { domain: [...SKEWS], range: [...COLOURS], legend: true },
      marks: [
        ruleY([1]),
        lineY(points, { x: "perPage", y: "peak", fx: "value", stroke: "skew", strokeWidth: 2 }),
        dot(points, { x: "perPage", y: "expected", fx: "value", fill: "skew", r: 2.5 }),
      ],
    },
  };
}
