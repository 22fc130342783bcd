/**
 * A budget for copies: the same writes during a save without one, and with cow-max-bytes at parts of what they need. A save that needs more is
 * given up; no write is. The forecast says beforehand after how many writes.
 */
import { assertEquals } from "@std/assert";
import { lineY, ruleY } from "@observablehq/plot";
import { COLOURS } from "../kit/html_report.ts";
import { bars, mib, type Progress, thousands } from "../kit/terminal.ts";
import { BATCH } from "../kit/write_load.ts";
import { distribution, drawTrace } from "./distribution.ts";
import { errorText, type Outcome, percent } from "./experiment.ts";
import { pagesOf, writesUntil } from "./forecast.ts";
import { type SteppedSave, SteppedServer } from "./stepped_server.ts";

const PAGE_BYTES = 4096;
const WRITES_PER_PAGE = 2;
/** Never due here; but a server with save points refuses writes after a save that failed, unless it failed on purpose. */
const SAVE_POINT = "86400 1";
/** Budgets, as parts of what the save without one needed. */
const PARTS = [1, 0.5, 0.1] as const;

export interface BudgetOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly seed: number;
}

interface BudgetRow extends SteppedSave {
  /** Infinite: none. */
  readonly budgetBytes: number;
  readonly expectedWrites: number;
  /** Whether the dump is the one from before this save. */
  readonly isDumpKept: boolean;
  /** What the server said. */
  readonly said: string;
}

export interface Budgets {
  readonly writes: number;
  readonly rows: readonly BudgetRow[];
}

export async function measureBudgets(o: BudgetOptions, progress: Progress): Promise<Budgets> {
  const server = await SteppedServer.open({
    ...o,
    pageBytes: PAGE_BYTES,
    onProgress: (share) => progress.update("budget", share / 2),
  });
  try {
    const writes = Math.ceil((WRITES_PER_PAGE * server.dataBytes) / PAGE_BYTES / BATCH) * BATCH;
    const trace = drawTrace(distribution("uniform", o.keys, o.seed), writes, o.seed),
      pages = writtenPages(server, o.keys);
    const rows: BudgetRow[] = [];
    server.client.command("CONFIG", "SET", "save", SAVE_POINT);
    const measure = (budgetBytes: number) => {
      const before = sum(server), lines = server.log.length;
      server.client.command("CONFIG", "SET", "cow-max-bytes", Number.isFinite(budgetBytes) ? budgetBytes : 0);
      const save = server.save(trace);
      rows.push({
        ...save,
        budgetBytes,
        expectedWrites: writesUntil(pages, budgetBytes / PAGE_BYTES),
        isDumpKept: before === sum(server),
        said: lastLine(server.log.slice(lines), save.isOk ? "Background saving" : "given up"),
      });
      return save;
    };
    const needed = measure(Infinity).copiedBytes;
    for (const [i, part] of PARTS.entries()) {
      progress.update("budget", 0.5 + i / PARTS.length / 2);
      measure(Math.round((needed * part) / PAGE_BYTES) * PAGE_BYTES);
    }
    return { writes, rows };
  } finally {
    server.close();
  }
}

/** Pages that hold entries: the ones that uniform writes hit. */
function writtenPages(server: SteppedServer, keys: number): number {
  return server.layouts(PAGE_BYTES).reduce((pages, layout) => pages + pagesOf(keys, layout, PAGE_BYTES), 0);
}

/** The checksum that the dump ends with. */
function sum(server: SteppedServer): string {
  return server.dump()?.subarray(-8).toHex() ?? "";
}

/** The message of the last line of a log that has these words. */
function lastLine(log: readonly string[], words: string): string {
  return log.findLast((line) => line.includes(words))?.replace(/^.*?\d{3} [*#] /, "") ?? "";
}

const nameOf = (row: BudgetRow) => Number.isFinite(row.budgetBytes) ? `${mib(row.budgetBytes)} MiB` : "none";
const peak = (row: BudgetRow) => row.peakBytes / row.normalBytes;

export function budgetOutcome({ writes, rows }: Budgets): Outcome {
  const [free, enough, half, tenth] = rows, short = [half, tenth];
  for (const row of rows) assertEquals(row.curve.length - 1, writes / BATCH, "every write was answered");
  return {
    figures: { writes, rows: rows.map(({ curve: _, ...row }) => row) },
    answer: percent(half.keysSaved / free.keysSaved, 0),
    picture: `Peak memory ÷ normal memory, by budget\n${
      bars(
        rows.map((row) => ({
          label: nameOf(row),
          value: peak(row),
          text: `${peak(row).toFixed(2)}  ${row.isOk ? "saved" : "given up"}`,
        })),
      )
    }`,
    part: {
      title: "A budget for copies: cow-max-bytes",
      note:
        `${
          thousands(writes)
        } uniform writes during each save, the same ones; save points are on, and stop-writes-on-bgsave-error is at ` +
        "its default, yes. Budgets are the whole, the half and the tenth of what the save without one copied.",
      conclusions: conclusions(writes, free, half, tenth),
      charts: [chartOf(rows)],
      tables: [{ title: "By budget", lastIsText: true, headings: HEADINGS, rows: rows.map((row) => cells(row, free)) }],
    },
    claims: [
      {
        text:
          "a save that needs more than its budget is given up, every write is answered, and the dump before it stays",
        measured: short.map((row) => `${nameOf(row)}: ${row.isOk ? "saved" : "given up"}`).join(", "),
        holds: free.isOk && enough.isOk &&
          short.every((row) => !row.isOk && row.isDumpKept && row.abortedAtWrite !== null),
      },
      {
        text: "the peak stays within normal memory and the budget",
        measured: short.map((row) => peak(row).toFixed(2)).join(" and "),
        holds: short.every((row) => row.peakBytes <= row.normalBytes + row.budgetBytes),
      },
    ],
  };
}

function conclusions(writes: number, free: BudgetRow, half: BudgetRow, tenth: BudgetRow): string[] {
  return [
    `The save needs ${
      mib(free.copiedBytes)
    } MiB of copies. With a budget of exactly that it succeeds; with half of it it is given up after ` +
    `${thousands(half.abortedAtWrite!)} writes (forecast: ${thousands(half.expectedWrites)}), when ${
      percent(half.keysSaved / free.keysSaved, 0)
    } of the keys were saved: half the memory is used up after less than half of the save, because most of the first writes are the first ` +
    "to their pages.",
    `All ${thousands(writes)} writes were answered in each run, the ${
      thousands(writes - tenth.abortedAtWrite!)
    } after the tenth was spent ` +
    `included: the save is given up, never a write. Memory peaks at ${peak(tenth).toFixed(2)} times normal instead of ${
      peak(free).toFixed(2)
    }, and the dump of the save before is still there, with the same checksum.`,
    `The server says: “${tenth.said}”.`,
  ];
}

const HEADINGS = [
  "budget",
  "MiB copied",
  "peak÷normal",
  "given up after writes",
  "forecast",
  "keys saved",
  "writes answered",
  "dump",
];

function cells(row: BudgetRow, free: BudgetRow): string[] {
  const { abortedAtWrite } = row;
  return [
    nameOf(row),
    mib(row.copiedBytes),
    peak(row).toFixed(2),
    ...(abortedAtWrite === null
      ? ["–", "–"]
      : [thousands(abortedAtWrite), errorText(row.expectedWrites, abortedAtWrite)]),
    percent(row.keysSaved / free.keysSaved, 0),
    thousands((row.curve.length - 1) * BATCH),
    row.isOk ? "new" : row.isDumpKept ? "the one before" : "lost",
  ];
}

function chartOf(rows: readonly BudgetRow[]) {
  const domain = rows.map(nameOf);
  const points = rows.flatMap((row) =>
    row.curve.map((copied, i) => ({
      budget: nameOf(row),
      writes: i * BATCH,
      // What a save that was given up had copied is given back at its end.
      mib: row.abortedAtWrite !== null && i * BATCH > row.abortedAtWrite ? 0 : (copied * PAGE_BYTES) / 2 ** 20,
    }))
  );
  return {
    title: "Memory of copies, write by write",
    note: "A save that reaches its budget is given up there, and its copies are given back; the writes go on.",
    options: {
      x: { label: "writes since the freeze", labelOffset: 42 },
      y: { label: "MiB of copies", grid: true },
      color: { domain, range: [...COLOURS], legend: true },
      // The save without a budget is the wide line behind that of the budget that is just enough.
      marks: [
        ruleY([0]),
        lineY(points.filter((one) => one.budget === "none"), {
          x: "writes",
          y: "mib",
          stroke: "budget",
          strokeWidth: 7,
          strokeOpacity: 0.45,
        }),
        lineY(points.filter((one) => one.budget !== "none"), {
          x: "writes",
          y: "mib",
          stroke: "budget",
          strokeWidth: 2,
        }),
      ],
    },
  };
}
