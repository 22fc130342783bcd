/** What lab 01 measured, as tables, sentences and a report. */
import { barY as plotBarY, line as plotLineMark } from "@observablehq/plot";
import type { CowSample } from "../../src/mod.ts";
import { COLOURS, type ReportTable, writeReport } from "../kit/html_report.ts";
import { mib, thousands } from "../kit/terminal.ts";
import { ELEMENTS, type ValueType } from "../kit/write_load.ts";
import type { Options } from "./options.ts";

/** What one hot set gave. */
export interface Row {
  hotPercent: number;
  pagesFrozen: number;
  pagesCopied: number;
  copiedBytes: number;
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

export const HEADINGS = [
  "hot",
  "pages copied",
  "of all",
  "MiB copied",
  "peak÷normal",
  "amplif.",
  "save s",
  "freeze ms",
  "writes/s before",
  "during",
  "pause ms",
];

export function cells(row: Row): string[] {
  return [
    `${row.hotPercent} %`,
    thousands(row.pagesCopied),
    `${((row.pagesCopied / row.pagesFrozen) * 100).toFixed(1)} %`,
    mib(row.copiedBytes),
    (row.peakBytes / row.normalBytes).toFixed(2),
    row.amplification.toFixed(1),
    (row.saveMs / 1000).toFixed(2),
    (row.freezeUs / 1000).toFixed(2),
    thousands(row.writesBefore),
    thousands(row.writesDuring),
    row.pauseDuringMs.toFixed(1),
  ];
}

export function conclusions(rows: readonly Row[], o: Options): string[] {
  const first = rows[0],
    last = rows[rows.length - 1],
    ratio = (row: Row) => (row.peakBytes / row.normalBytes).toFixed(2);
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
  ];
}

export function report(rows: readonly Row[], o: Options, seen: readonly string[]): string {
  const percent = (row: Row) => `${row.hotPercent} %`;
  const timeline = rows.flatMap((row) =>
    row.samples.map((s) => ({ hot: percent(row), ms: s.elapsedMs, mib: s.totalBytes / 2 ** 20 }))
  );
  const domain = rows.map(percent), colour = { domain, range: [...COLOURS], legend: true };
  return writeReport("cow", {
    title: "Copy-on-write: what a BGSAVE costs while you write",
    introduction: `${dataSet(o)}. For each hot set, keys of it are written at full speed while ` +
      "a snapshot is saved in the background. A page that is written for the first time since the freeze is copied first.",
    headings: HEADINGS,
    rows: rows.map(cells),
    conclusions: seen,
    tables: [structureTable(rows.at(-1)!, o), ...(o.type === "mix" ? [typeTable(rows.at(-1)!, o)] : [])],
    charts: [
      {
        title: "Memory over the time of the save",
        note: "Data and before-images together, in MiB, from the freeze to the end of each save.",
        options: {
          x: { label: "ms since the freeze", labelOffset: 42 },
          y: { label: "MiB", grid: true, zero: true },
          color: colour,
          marks: [plotLine(timeline)],
        },
      },
      {
        title: "Peak memory against normal",
        note: "1.0 is the memory before the save; 2.0 means that every page was copied.",
        options: {
          x: { label: "hot set", domain, labelOffset: 42 },
          y: { label: "peak ÷ normal", grid: true, domain: [0, 2.2] },
          color: { domain, range: [...COLOURS] },
          marks: [plotBars(rows.map((row) => ({ hot: percent(row), ratio: row.peakBytes / row.normalBytes })))],
        },
      },
    ],
    setting: `Page size ${o.pageBytes} bytes; ${navigator.hardwareConcurrency} processors; Deno ${Deno.version.deno}.`,
  });
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
export function structureTable(row: Row, o: Options): ReportTable {
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
export function typeTable(row: Row, o: Options): ReportTable {
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

function plotLine(data: readonly { hot: string; ms: number; mib: number }[]) {
  return plotLineMark(data, { x: "ms", y: "mib", stroke: "hot", strokeWidth: 2 });
}

function plotBars(data: readonly { hot: string; ratio: number }[]) {
  return plotBarY(data, { x: "hot", y: "ratio", fill: "hot" });
}
