/**
 * Lab 01, copy-on-write. Loads real data, then writes to a hot set of it at full speed while BGSAVE runs, for hot sets of several sizes,
 * and shows what the snapshot cost: pages copied, peak memory, pauses. Every figure is measured on the server that runs here.
 */
import { barY as plotBarY, line as plotLineMark } from "@observablehq/plot";
import { parseArgs } from "@std/cli";
import { setImmediate } from "node:timers";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import {
  type Afterimage,
  type Client,
  type CowSample,
  DiskStorage,
  openServer,
  OWNER_NAMES,
  ReplyError,
} from "../../src/mod.ts";
import { COLOURS, writeReport } from "../kit/html_report.ts";
import { BATCH, SetLoad } from "../kit/set_load.ts";
import { ask, bars, mib, Progress, table, thousands } from "../kit/terminal.ts";

const USAGE = `deno task lab cow [options]

  --keys N          keys to load                        (1000000)
  --value-bytes N   bytes of each value                 (100)
  --hot LIST        hot sets, percent of the keys       (0.1,1,10,100)
  --seconds N       writing before each save, seconds   (2)
  --page-size N     bytes of a page, 512 to 2097152     (4096)
  --json            print the figures as JSON, nothing else
`;

interface Options {
  keys: number;
  valueBytes: number;
  hotPercent: number[];
  seconds: number;
  pageBytes: number;
  json: boolean;
}

interface Row {
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
  samples: CowSample[];
}

/** Time that writing goes on before the event loop gets its turn: the server's cron, the snapshot's report. */
const SLICE_MS = 4;

function fail(message: string): never {
  console.error(`${message}\n\n${USAGE}`);
  Deno.exit(2);
}

const DEFAULTS = { keys: 1_000_000, "value-bytes": 100, hot: "0.1,1,10,100", seconds: 2, "page-size": 4096 };

function options(): Options {
  const args = parseArgs(Deno.args, {
    boolean: ["json", "help"],
    string: ["hot"],
    default: DEFAULTS,
    unknown: (arg, name) => {
      if (name === undefined) fail(`Unexpected argument "${arg}"`);
      if (!(name in DEFAULTS)) fail(`Unknown option "${arg}"`);
    },
  });
  if (args.help === true) {
    console.log(USAGE);
    Deno.exit(0);
  }
  const number = (name: string, min: number, max: number) => {
    const value = args[name];
    return typeof value === "number" && value >= min && value <= max
      ? value
      : fail(`--${name} takes a number from ${min} to ${max}`);
  };
  const hotPercent = String(args.hot).split(",").map(Number);
  if (hotPercent.some((percent) => !(percent > 0 && percent <= 100))) {
    fail("--hot takes percentages above 0, up to 100, with commas between");
  }
  const pageBytes = number("page-size", 512, 2 ** 21);
  if ((pageBytes & (pageBytes - 1)) !== 0) fail("--page-size takes a power of two");
  return {
    keys: Math.floor(number("keys", BATCH, 1e8)),
    valueBytes: Math.floor(number("value-bytes", 1, 1e6)),
    hotPercent,
    seconds: number("seconds", 0.1, 60),
    pageBytes,
    json: args.json === true,
  };
}

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** Writes at full speed until `isOver`; returns writes, time, and the longest time one pipeline took. */
async function writeUntil(load: SetLoad, hotKeys: number, isOver: () => boolean, each: () => void) {
  let writes = 0, pauseMs = 0;
  const startedMs = performance.now();
  while (!isOver()) {
    const sliceMs = performance.now();
    let lastMs = sliceMs;
    while (lastMs - sliceMs < SLICE_MS) {
      load.overwrite(hotKeys);
      const nowMs = performance.now();
      pauseMs = Math.max(pauseMs, nowMs - lastMs);
      lastMs = nowMs;
      writes += BATCH;
    }
    each();
    await nextTurn();
  }
  return { writes, elapsedMs: performance.now() - startedMs, pauseMs };
}

async function measure(
  redis: Afterimage,
  client: Client,
  load: SetLoad,
  hotPercent: number,
  o: Options,
  progress: Progress,
): Promise<Row> {
  const { memory, statistics } = redis.server,
    cow = memory.cow,
    hotKeys = Math.max(1, Math.round((o.keys * hotPercent) / 100));
  const label = `hot ${String(hotPercent).padStart(4)} %`, untilMs = performance.now() + o.seconds * 1000;
  const before = await writeUntil(load, hotKeys, () => performance.now() >= untilMs, () => {
    progress.update(`${label}: writing`, 1 - (untilMs - performance.now()) / (o.seconds * 1000));
  });
  const normalBytes = memory.dataBytes, startedMs = performance.now();
  client.command("BGSAVE");
  const freezeUs = statistics.latestForkUs;
  const during = await writeUntil(load, hotKeys, () => !cow.live, () => {
    cow.sample(Date.now(), memory.dataBytes + memory.frameBytes);
    const info = memory.control[1] / Math.max(1, memory.control[2]);
    progress.update(`${label}: saving `, info, `${mib(memory.frameBytes)} MiB copied`);
  });
  const saveMs = performance.now() - startedMs;
  if (!String(client.command("INFO", "persistence")).includes("rdb_last_bgsave_status:ok")) {
    throw new Error("the save failed");
  }
  return {
    hotPercent,
    pagesFrozen: cow.pagesFrozen,
    pagesCopied: cow.pagesCopied,
    copiedBytes: cow.copiedBytes,
    normalBytes,
    peakBytes: cow.peakBytes,
    afterBytes: memory.dataBytes + memory.frameBytes,
    amplification: cow.amplification,
    saveMs,
    freezeUs,
    writesBefore: (before.writes * 1000) / before.elapsedMs,
    writesDuring: (during.writes * 1000) / during.elapsedMs,
    pauseBeforeMs: before.pauseMs,
    pauseDuringMs: during.pauseMs,
    owners: OWNER_NAMES.map((owner, i) => ({ owner, pages: cow.byOwner[i] })).filter((one) => one.pages > 0),
    samples: cow.samples.map((sample) => ({ ...sample })),
  };
}

const HEADINGS = [
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

function cells(row: Row): string[] {
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

function conclusions(rows: readonly Row[], o: Options): string[] {
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

function report(rows: readonly Row[], o: Options, seen: readonly string[]): string {
  const percent = (row: Row) => `${row.hotPercent} %`;
  const timeline = rows.flatMap((row) =>
    row.samples.map((s) => ({ hot: percent(row), ms: s.elapsedMs, mib: s.totalBytes / 2 ** 20 }))
  );
  const domain = rows.map(percent), colour = { domain, range: [...COLOURS], legend: true };
  return writeReport("cow", {
    title: "Copy-on-write: what a BGSAVE costs while you write",
    introduction:
      `${
        thousands(o.keys)
      } keys with values of ${o.valueBytes} bytes. For each hot set, keys of it are overwritten at full speed while ` +
      "a snapshot is saved in the background. A page that is written for the first time since the freeze is copied first.",
    headings: HEADINGS,
    rows: rows.map(cells),
    conclusions: seen,
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

async function run(o: Options): Promise<Row[]> {
  const dir = mkdtempSync(`${tmpdir()}/afterimage-cow-`),
    progress = new Progress(),
    say = o.json ? () => {} : console.log;
  const redis = await openServer({
    directives: ["--save", "", "--dir", dir, "--page-size", String(o.pageBytes), "--rdbcompression", "no"],
    storage: new DiskStorage(),
  });
  const cleanUp = () => {
    redis.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  Deno.addSignalListener("SIGINT", () => {
    cleanUp();
    Deno.exit(130);
  });
  try {
    const client = redis.connect(), load = new SetLoad(client, o.valueBytes);
    for (let first = 0; first < o.keys; first += BATCH) {
      load.fill(Math.min(first, o.keys - BATCH));
      if (first % (BATCH * 256) === 0 && !o.json) {
        progress.update("loading", first / o.keys, `${thousands(first)} keys`), await nextTurn();
      }
    }
    progress.clear();
    say(
      `Loaded ${thousands(o.keys)} keys of ${o.valueBytes} bytes: ${
        mib(redis.server.memory.dataBytes)
      } MiB in pages of ${o.pageBytes} bytes.\n`,
    );
    const rows: Row[] = [], silent = new Progress();
    if (o.json) silent.update = () => {};
    for (const hotPercent of o.hotPercent) {
      rows.push(await measure(redis, client, load, hotPercent, o, o.json ? silent : progress));
    }
    progress.clear();
    return rows;
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    console.error(
      `The server refused a command: ${error.message}\nTry fewer keys (--keys) or smaller values (--value-bytes).`,
    );
    Deno.exit(1);
  } finally {
    cleanUp();
  }
}

function plotLine(data: readonly { hot: string; ms: number; mib: number }[]) {
  return plotLineMark(data, { x: "ms", y: "mib", stroke: "hot", strokeWidth: 2 });
}

function plotBars(data: readonly { hot: string; ratio: number }[]) {
  return plotBarY(data, { x: "hot", y: "ratio", fill: "hot" });
}

const o = options();
const prediction = o.json ? null : ask(
  `${thousands(o.keys)} keys are loaded and saved with BGSAVE while a hot set of ${
    o.hotPercent.at(-1)
  } % of them is overwritten at full speed.\n` +
    "How many times its normal memory will the server take at the peak? (1 = no more than before) ",
);
const rows = await run(o);
if (o.json) console.log(JSON.stringify({ options: o, rows }, null, 2));
else {
  console.log(table(HEADINGS, rows.map(cells)));
  console.log("\nPeak memory ÷ normal memory");
  console.log(bars(rows.map((row) => ({
    label: `hot ${row.hotPercent} %`,
    value: row.peakBytes / row.normalBytes,
    text: (row.peakBytes / row.normalBytes).toFixed(2),
  }))));
  const seen = conclusions(rows, o);
  if (prediction !== null) {
    console.log(
      `\nYou predicted ${prediction}; measured: ${(rows.at(-1)!.peakBytes / rows.at(-1)!.normalBytes).toFixed(2)}.`,
    );
  }
  console.log(`\n${seen.join("\n")}\n\nThe report with charts: ${report(rows, o, seen)}`);
}
