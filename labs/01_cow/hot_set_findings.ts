/** What hot sets cost, as tables, charts, sentences and claims. */
import { barY, line } from "@observablehq/plot";
import type { CowSample } from "../../src/mod.ts";
import { COLOURS, type ReportTable } from "../kit/html_report.ts";
import { bars, mib, thousands } from "../kit/terminal.ts";
import { ELEMENTS, type ValueType } from "../kit/write_load.ts";
import { type Claim, type Outcome, percent } from "./experiment.ts";
import type { Options } from "./options.ts";

/** What one hot set gave. */
export interface Row {
  hotPercent: number;
  pagesFrozen: number;
  pagesCopied: number;
  copiedBytes: number;
  /** Forecast before the save, from the rate of writes before it and the time of a save without writes; null when keys share pages otherwise. */
  expectedPages: number | null;
  normalBytes: number;
  peakBytes: number;
  afterBytes: number;
  amplification: number;
  saveMs: number;
  freezeUs: number;
  writesBefore: number;
  writesDuring: number;
  pauseBeforeMs: number;
  pauseDuringMs: number;
  owners: { owner: string; pages: number }[];
  /** By data type: pages that its writes copied, and bytes of keys and values that they stored. */
  types: { type: ValueType; pages: number; writtenBytes: number }[];
  samples: CowSample[];
}

/** Peak ÷ normal when every key may be written. */
const ALL_PEAK_MIN = 1.9;

const HEADINGS = [
  "hot",
  "pages copied",
  "of all",
  "MiB copied",
  "peak÷normal",
  "forecast",
  "amplif.",
  "save s",
  "freeze ms",
  "writes/s before",
  "during",
  "pause ms",
];

const peak = (row: Row) => row.peakBytes / row.normalBytes;

function forecastPeak(row: Row, o: Options): number {
  return 1 + (row.expectedPages! * o.pageBytes) / row.normalBytes;
}

function cells(row: Row, o: Options): string[] {
  return [
    `${row.hotPercent} %`,
    thousands(row.pagesCopied),
    `${((row.pagesCopied / row.pagesFrozen) * 100).toFixed(1)} %`,
    mib(row.copiedBytes),
    peak(row).toFixed(2),
    row.expectedPages === null ? "–" : forecastPeak(row, o).toFixed(2),
    row.amplification.toFixed(1),
    (row.saveMs / 1000).toFixed(2),
    (row.freezeUs / 1000).toFixed(2),
    thousands(row.writesBefore),
    thousands(row.writesDuring),
    row.pauseDuringMs.toFixed(1),
  ];
}

function conclusions(rows: readonly Row[], o: Options): string[] {
  const first = rows[0],
    last = rows[rows.length - 1],
    ratio = (row: Row) => peak(row).toFixed(2);
  const owner = [...last.owners].sort((a, b) => b.pages - a.pages)[0];
  return [
    `Memory grows by the pages that are written while the save runs, not by the writes: a hot set of ${first.hotPercent} % took ` +
    `${ratio(first)} times the normal memory at its peak, one of ${last.hotPercent} % took ${ratio(last)} times.`,
    `A page of ${o.pageBytes} bytes is copied once, however often it is written: ${
      last.amplification.toFixed(1)
    } bytes were copied for each ` +
    `byte written with a hot set of ${last.hotPercent} %, ${
      first.amplification.toFixed(2)
    } with ${first.hotPercent} %` +
    (owner === undefined ? "." : `; of the pages copied last, ${thousands(owner.pages)} hold ${owner.owner} blocks.`),
    `Starting the save took ${
      (Math.max(...rows.map((row) => row.freezeUs)) / 1000).toFixed(2)
    } ms at most, and after each save memory was back at ` +
    `${
      (Math.max(...rows.map((row) => row.afterBytes / row.normalBytes)) * 100).toFixed(0)
    } % of normal: nothing is copied at the fork, and every ` +
    "copy is given back at its end.",
    ...(last.expectedPages === null ? [] : [forecastText(rows, o)]),
  ];
}

function forecastText(rows: readonly Row[], o: Options): string {
  const worst =
    rows.toSorted((a, b) => Math.abs(forecastPeak(b, o) / peak(b) - 1) - Math.abs(forecastPeak(a, o) / peak(a) - 1))[0];
  return "Before each save its peak was forecast from the rate of writes before it, the time of a save without writes, and the pages that the " +
    `hot set fills: at most ${
      percent(Math.abs(forecastPeak(worst, o) / peak(worst) - 1))
    } off, with ${worst.hotPercent} %. A save with writes takes ` +
    "longer and the writes get slower; for copies it is enough to know that there are many more writes than hot pages.";
}

export function hotSetOutcome(rows: readonly Row[], o: Options): Outcome {
  const last = rows.at(-1)!, percentOf = (row: Row) => `${row.hotPercent} %`;
  return {
    figures: rows,
    answer: peak(last).toFixed(2),
    picture: `Peak memory ÷ normal memory\n${
      bars(rows.map((row) => ({ label: `hot ${percentOf(row)}`, value: peak(row), text: peak(row).toFixed(2) })))
    }`,
    part: {
      title: "Hot sets, at full speed",
      note:
        `${dataSet(o)}, in pages of ${o.pageBytes} bytes: ${
          mib(rows[0].normalBytes)
        } MiB. For each hot set, keys of it are written at ` +
        "full speed while a snapshot is saved in the background. A page that is written for the first time since the freeze is copied first.",
      conclusions: conclusions(rows, o),
      charts: [timelineChart(rows), peakChart(rows)],
      tables: [
        { title: "By hot set", lastIsText: false, headings: HEADINGS, rows: rows.map((row) => cells(row, o)) },
        structureTable(last, o),
        ...(o.type === "mix" ? [typeTable(last, o)] : []),
      ],
    },
    claims: claims(rows, o),
  };
}

/** What must hold for short strings in pages of 4 KiB or less: with others, fewer writes than pages fit into a save. */
function claims(rows: readonly Row[], o: Options): Claim[] {
  const found: Claim[] = [{
    text: "after each save memory is what it was before",
    measured: rows.map((row) => percent(row.afterBytes / row.normalBytes, 0)).join(", "),
    holds: rows.every((row) => row.afterBytes <= row.normalBytes * 1.01),
  }];
  if (o.type !== "string" || o.valueBytes > 200 || o.pageBytes > 4096) return found;
  const cold = rows.find((row) => row.hotPercent === 0.1), all = rows.find((row) => row.hotPercent === 100);
  if (cold !== undefined) {
    const share = cold.pagesCopied / cold.pagesFrozen;
    found.push({
      text: "a hot set of 0.1 % copies less than 2 % of the pages, and memory peaks at 1.1 times normal at most",
      measured: `${percent(share, 2)}, ${peak(cold).toFixed(3)} times`,
      holds: share < 0.02 && peak(cold) <= 1.1,
    });
  }
  if (all !== undefined) {
    found.push({
      text: `writes to all keys take memory to ${ALL_PEAK_MIN} times normal at least`,
      measured: `${peak(all).toFixed(2)} times`,
      holds: peak(all) >= ALL_PEAK_MIN,
    });
  }
  return found;
}

function timelineChart(rows: readonly Row[]) {
  const domain = rows.map((row) => `${row.hotPercent} %`);
  const timeline = rows.flatMap((row) =>
    row.samples.map((s) => ({ hot: `${row.hotPercent} %`, ms: s.elapsedMs, mib: s.totalBytes / 2 ** 20 }))
  );
  return {
    title: "Memory over the time of the save",
    note: "Data and before-images together, in MiB, from the freeze to the end of each save.",
    options: {
      x: { label: "ms since the freeze", labelOffset: 42 },
      y: { label: "MiB", grid: true, zero: true },
      color: { domain, range: [...COLOURS], legend: true },
      marks: [line(timeline, { x: "ms", y: "mib", stroke: "hot", strokeWidth: 2 })],
    },
  };
}

function peakChart(rows: readonly Row[]) {
  const domain = rows.map((row) => `${row.hotPercent} %`);
  const data = rows.map((row) => ({ hot: `${row.hotPercent} %`, ratio: peak(row) }));
  return {
    title: "Peak memory against normal",
    note: "1.0 is the memory before the save; 2.0 means that every page was copied.",
    options: {
      x: { label: "hot set", domain, labelOffset: 42 },
      marginTop: 40,
      y: { label: "peak ÷ normal", grid: true, domain: [0, 2.2] },
      color: { domain, range: [...COLOURS] },
      marks: [barY(data, { x: "hot", y: "ratio", fill: "hot" })],
    },
  };
}

/** What was loaded. */
export function dataSet(o: Options): string {
  if (o.type === "string") return `${thousands(o.keys)} keys with values of ${o.valueBytes} bytes`;
  const kinds = o.type === "mix" ? "values of all types" : `values of type ${o.type}`;
  return `${thousands(o.keys)} elements of ${o.valueBytes} bytes in ${kinds}, ${ELEMENTS} to a key`;
}

/** Why a write touches pages of each structure. */
const WHY: Readonly<Record<string, string>> = {
  "dict header": "counts of a hash table, changed by every insert and delete",
  "dict table": "an insert or delete changes the slot of its hash, anywhere in the table",
  entry: "a key with its metadata and, when short, its string: neighbours in a page are of one age, not of one hot set",
  value: "a long string in a block of its own: rewritten whole",
  listpack: "many elements in one block: a change moves all that follow, but stays within the block",
  intset: "sorted integers in one block: an insert moves all that are larger",
  "quicklist node": "links and counts of a list's nodes, apart from their elements",
  "field entry": "a field or member with its value or score: scattered like keys",
  "sorted index node": "scores in order: a new score leaves one node and enters another",
  "stream node": "ids in order: entries are added at the end only, so writes of one stream share a page",
  "pending entries": "entries that consumers were given and did not acknowledge",
};

/** Structures by what they cost. */
function structureTable(row: Row, o: Options): ReportTable {
  const written = row.types.reduce((sum, one) => sum + one.writtenBytes, 0);
  return {
    title: `Which structures the copies were of, hot set ${row.hotPercent} %`,
    lastIsText: true,
    headings: ["structure", "pages copied", "of all copies", "bytes copied ÷ written", "why it is touched"],
    rows: [...row.owners].sort((a, b) => b.pages - a.pages).map(({ owner, pages }) => [
      owner,
      thousands(pages),
      `${((pages / Math.max(1, row.pagesCopied)) * 100).toFixed(1)} %`,
      ((pages * o.pageBytes) / Math.max(1, written)).toFixed(2),
      WHY[owner] ?? "",
    ]),
  };
}

/** Types by what they cost. */
function typeTable(row: Row, o: Options): ReportTable {
  return {
    title: `Which type's writes caused them, hot set ${row.hotPercent} %`,
    lastIsText: false,
    headings: ["type", "MiB written", "pages copied", "bytes copied ÷ written"],
    rows: [...row.types].sort((a, b) => b.pages - a.pages).map(({ type, pages, writtenBytes }) => [
      type,
      mib(writtenBytes),
      thousands(pages),
      ((pages * o.pageBytes) / Math.max(1, writtenBytes)).toFixed(2),
    ]),
  };
}
