/**
 * One recorded trace of writes, replayed on servers that differ in nothing but the page size: what transparent huge pages do to copy-on-write,
 * without root. The layout of data does not depend on the page size, and the saved files must come out the same, byte for byte.
 */
import { assert, assertEquals } from "@std/assert";
import { barY, lineY, ruleY, text } from "@observablehq/plot";
import { PAGE_TABLE_BYTES } from "../../src/mod.ts";
import { bars, mib, type Progress, thousands } from "../kit/terminal.ts";
import { BATCH } from "../kit/write_load.ts";
import { distribution, drawTrace, type Skew } from "./distribution.ts";
import { bytesText, errorText, type Outcome, percent } from "./experiment.ts";
import { forecast } from "./forecast.ts";
import { type SteppedSave, SteppedServer } from "./stepped_server.ts";

const PAGE_SIZES = [512, 1024, 4096, 16 * 1024, 64 * 1024, 256 * 1024, 2 * 1024 * 1024] as const;
const SMALL = 4096, HUGE = 2 * 1024 * 1024;
const SKEW: Skew = "zipf 0.99";
/** Writes of the trace, for each key: as many as a busy server gets within a save. */
const WRITES_PER_KEY = 0.01;
/** Okabe and Ito's seven, the yellow darker so that it is seen on white. */
const SEVEN = ["#56b4e9", "#0072b2", "#009e73", "#a89f00", "#e69f00", "#d55e00", "#cc79a7"];

export interface PageSizeOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly seed: number;
}

interface SizeRow extends SteppedSave {
  readonly pageBytes: number;
  readonly expectedPages: number;
  readonly tableBytes: number;
}

export interface Sweep {
  readonly options: PageSizeOptions;
  readonly writes: number;
  readonly rows: readonly SizeRow[];
}

export async function measurePageSizes(o: PageSizeOptions, progress: Progress): Promise<Sweep> {
  const of = distribution(SKEW, o.keys, o.seed), writes = Math.ceil((o.keys * WRITES_PER_KEY) / BATCH) * BATCH;
  const trace = drawTrace(of, writes, o.seed), rows: SizeRow[] = [];
  let firstDump: Uint8Array | null = null;
  for (const [i, pageBytes] of PAGE_SIZES.entries()) {
    const server = await SteppedServer.open({
      ...o,
      pageBytes,
      onProgress: (share) => progress.update("page sizes", (i + share) / PAGE_SIZES.length, bytesText(pageBytes)),
    });
    try {
      const expectedPages = forecast(of, writes, server.layouts(pageBytes), pageBytes).placed,
        save = server.save(trace);
      assert(save.isOk, "the save succeeds");
      const dump = server.dump()!;
      firstDump ??= dump;
      assertEquals(dump.subarray(-8), firstDump.subarray(-8), "the same file with every page size: its checksum");
      rows.push({ ...save, pageBytes, expectedPages, tableBytes: save.pagesFrozen * PAGE_TABLE_BYTES });
    } finally {
      server.close();
    }
  }
  return { options: o, writes, rows };
}

const peak = (row: SizeRow) => row.peakBytes / row.normalBytes;

export function pageSizeOutcome({ options, writes, rows }: Sweep): Outcome {
  const of = (pageBytes: number) => rows.find((row) => row.pageBytes === pageBytes)!, small = of(SMALL), tiny = rows[0];
  const times = of(HUGE).copiedBytes / small.copiedBytes;
  return {
    figures: { ...options, skew: SKEW, writes, rows: rows.map(({ curve: _, ...row }) => row) },
    answer: times.toFixed(1),
    picture: `MiB copied for the same ${thousands(writes)} writes\n${
      bars(rows.map((row) => ({ label: bytesText(row.pageBytes), value: row.copiedBytes, text: mib(row.copiedBytes) })))
    }`,
    part: {
      title: "The same writes with other page sizes: huge pages without root",
      note:
        `${thousands(writes)} writes to ${
          thousands(options.keys)
        } keys with values of ${options.valueBytes} bytes, recorded once ` +
        "(Zipf's law, the popular keys scattered over all pages) and replayed on seven servers. All seven dumps have the same checksum.",
      conclusions: conclusions(of(HUGE), small, tiny),
      charts: [curveChart(rows), peakChart(rows)],
      tables: [{ title: "By page size", lastIsText: false, headings: HEADINGS, rows: rows.map(cells) }],
    },
    claims: [
      {
        text: "pages of 2 MiB copy at least 4 times the bytes that pages of 4 KiB copy, for the same writes",
        measured: `${times.toFixed(1)} times`,
        holds: times >= 4,
      },
      {
        text: "pages of 512 B copy less than half of what pages of 4 KiB copy, and need 8 times the table",
        measured: `${(tiny.copiedBytes / small.copiedBytes).toFixed(2)} times the bytes`,
        holds: tiny.copiedBytes < small.copiedBytes / 2 && Math.round(tiny.tableBytes / small.tableBytes) === 8,
      },
    ],
  };
}

function conclusions(huge: SizeRow, small: SizeRow, tiny: SizeRow): string[] {
  const table = (row: SizeRow) => percent(row.tableBytes / row.normalBytes);
  return [
    `With pages of 2 MiB the same writes copy ${
      (huge.copiedBytes / small.copiedBytes).toFixed(1)
    } times the bytes that they copy with pages ` +
    `of 4 KiB: ${mib(huge.copiedBytes)} MiB, ${
      thousands(huge.amplification)
    } bytes for each byte written, and memory peaks at ` +
    `${peak(huge).toFixed(2)} times normal instead of ${
      peak(small).toFixed(2)
    }. One written byte copies its whole page, and with scattered ` +
    `hot keys every page of 2 MiB holds some: half of all copies are made by the first ${
      thousands(halfWayAt(huge))
    } writes.`,
    `All those copies come at once, and a client waits for them: the longest pipeline of ${BATCH} writes took ${
      huge.pauseMs.toFixed(1)
    } ms ` +
    `with pages of 2 MiB and ${small.pauseMs.toFixed(1)} ms with pages of 4 KiB.`,
    `Pages of 512 bytes copy ${
      (tiny.copiedBytes / small.copiedBytes).toFixed(2)
    } times what pages of 4 KiB copy, and need ${(tiny.tableBytes / small.tableBytes).toFixed(0)} times the table: ${
      table(tiny)
    } of the data, saving or not, against ${table(small)}. A kernel has to walk and copy such a table at ` +
    "fork; here it only takes memory.",
  ];
}

const HEADINGS = [
  "page",
  "pages",
  "table KiB",
  "of data",
  "copied",
  "of all",
  "forecast",
  "MiB copied",
  "÷ written",
  "peak÷normal",
  "pause ms",
];

function cells(row: SizeRow): string[] {
  return [
    bytesText(row.pageBytes),
    thousands(row.pagesFrozen),
    (row.tableBytes / 1024).toFixed(row.tableBytes < 10240 ? 1 : 0),
    percent(row.tableBytes / row.normalBytes, 2),
    thousands(row.pagesCopied),
    percent(row.pagesCopied / row.pagesFrozen),
    errorText(row.expectedPages, row.pagesCopied),
    mib(row.copiedBytes),
    row.amplification.toFixed(1),
    peak(row).toFixed(2),
    row.pauseMs.toFixed(1),
  ];
}

/** Writes after which half of all copies were made. */
function halfWayAt({ curve, pagesCopied }: SizeRow): number {
  return curve.findIndex((copied) => copied >= pagesCopied / 2) * BATCH;
}

function curveChart(rows: readonly SizeRow[]) {
  const domain = rows.map((row) => bytesText(row.pageBytes));
  const points = rows.flatMap(({ curve, pageBytes, pagesFrozen }) =>
    curve.map((copied, i) => ({ page: bytesText(pageBytes), writes: i * BATCH, share: copied / pagesFrozen }))
  );
  return {
    title: "How much of the data is copied, write by write",
    note:
      "With huge pages the first writes after the freeze copy nearly everything; with small ones each write pays for itself.",
    options: {
      x: { label: "writes since the freeze", labelOffset: 42 },
      marginTop: 40,
      y: { label: "pages copied, % of all", grid: true, percent: true, domain: [0, 100] },
      color: { domain, range: SEVEN, legend: true },
      marks: [ruleY([0]), lineY(points, { x: "writes", y: "share", stroke: "page", strokeWidth: 2 })],
    },
  };
}

function peakChart(rows: readonly SizeRow[]) {
  const domain = rows.map((row) => bytesText(row.pageBytes));
  const data = rows.map((row) => ({ page: bytesText(row.pageBytes), peak: row.peakBytes / row.normalBytes }));
  return {
    title: "Peak memory against normal",
    note: "1.0 is the memory before the save.",
    options: {
      x: { label: "page size", domain, labelOffset: 42 },
      marginTop: 40,
      y: { label: "peak ÷ normal", grid: true, domain: [0, 2.2] },
      color: { domain, range: SEVEN },
      marks: [
        barY(data, { x: "page", y: "peak", fill: "page" }),
        text(data, { x: "page", y: "peak", text: (one: { peak: number }) => one.peak.toFixed(2), dy: -8 }),
        ruleY([1]),
      ],
    },
  };
}
