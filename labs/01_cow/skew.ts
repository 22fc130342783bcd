/**
 * Skew × duration × value size, with the forecast beside each measurement. One save for each skew and value size; a shorter save is the start
 * of a longer one, since its copies are counted as they happen.
 */
import { dot, lineY, ruleY } from "@observablehq/plot";
import { COLOURS } from "../kit/html_report.ts";
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

export function skewOutcome(cells: readonly Cell[]): Outcome {
  const all = cells.flatMap((cell) => cell.moments.map((moment) => ({ cell, moment })));
  const worst = (way: keyof Forecast) =>
    Math.max(
      ...all.map(({ cell, moment: { copied, forecast } }) =>
        Math.abs(peakOf(cell, forecast[way]) / peakOf(cell, copied) - 1)
      ),
    );
  const at = (skew: Skew, valueBytes: number) =>
    cells.find((one) => one.skew === skew && one.valueBytes === valueBytes)!;
  const medium = (skew: Skew) => {
    const cell = at(skew, 100);
    return peakOf(cell, cell.moments[1].copied);
  };
  const hot = at("hot 1 %", 100);
  return {
    figures: cells,
    answer: medium("zipf 0.99").toFixed(2),
    picture: `Peak memory ÷ normal memory after one write for every two pages, values of 100 bytes\n${
      bars(SKEWS.map((skew) => ({ label: skew, value: medium(skew), text: medium(skew).toFixed(2) })))
    }`,
    part: {
      title: "Skew × duration × value size, and what a forecast knows",
      note:
        `Pages of ${PAGE_BYTES} bytes. A longer save is one with more writes in it. Each curve is one save, with the same ` +
        "number of writes for each skew, drawn before it and spread evenly over the child's walk.",
      conclusions: [
        `With half as many writes as pages, memory peaks at ${
          medium("uniform").toFixed(2)
        } times normal when writes are uniform, at ` +
        `${medium("zipf 0.99").toFixed(2)} with Zipf's law, at ${
          medium("hot 1 % scattered").toFixed(2)
        } with 1 % of the keys scattered ` +
        `over all pages, and at ${medium("hot 1 %").toFixed(2)} when that 1 % is of one age and shares pages.`,
        `Where hot keys are decides more than how hot they are: the same 1 % of keys copies ${
          (at("hot 1 % scattered", 100).moments[2].copied / hot.moments[2].copied).toFixed(0)
        } times as many pages scattered as together, with values of 100 bytes, and ${
          (at("hot 1 % scattered", 4000).moments[2].copied / at("hot 1 %", 4000).moments[2].copied).toFixed(0)
        } times with values of 4000 bytes, which fill pages of their own.`,
        `The forecast from skew and keys to a page is at most ${
          percent(worst("closed"))
        } off the measured peak, the one that knows which ` +
        `keys share pages ${percent(worst("placed"))}; to count a page for every write is up to ${
          percent(worst("naive"))
        } off.`,
      ],
      charts: [chartOf(cells)],
      tables: [{
        title: "Peak ÷ normal at the end of a short, a medium and a long save",
        lastIsText: false,
        headings: [
          "value bytes",
          "skew",
          ...WRITES_PER_PAGE.flatMap((share) => [`${share} writes a page`, "forecast"]),
          "naive",
        ],
        rows: cells.map((cell) => [
          String(cell.valueBytes),
          cell.skew,
          ...cell.moments.flatMap(({ copied, forecast }) => [
            peakOf(cell, copied).toFixed(3),
            errorText(peakOf(cell, forecast.placed), peakOf(cell, copied)),
          ]),
          errorText(peakOf(cell, cell.moments.at(-1)!.forecast.naive), peakOf(cell, cell.moments.at(-1)!.copied)),
        ]),
      }],
    },
    claims: [
      {
        text: "the forecast of the peak is within 5 % of the measured peak, for every skew, duration and value size",
        measured: `at most ${percent(worst("placed"))} off`,
        holds: worst("placed") <= 0.05,
      },
      {
        text: "the same hot keys copy at least 3 times as many pages scattered as together",
        measured: `${(at("hot 1 % scattered", 100).moments[2].copied / hot.moments[2].copied).toFixed(1)} times`,
        holds: at("hot 1 % scattered", 100).moments[2].copied >= 3 * hot.moments[2].copied,
      },
    ],
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
