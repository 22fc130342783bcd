/**
 * What the order of the child's walk could change. The server copies a page at its first write whatever the child has saved by then, so its
 * order (that of the hash table) changes nothing. From the copies of one real save, with the moment of each, and the place of each key in the
 * saved file and in memory, this computes what another order would have needed, if pages that the child has passed were not copied.
 */
import { assertEquals } from "@std/assert";
import { barY, ruleY } from "@observablehq/plot";
import { COLOURS, type ReportTable } from "../kit/html_report.ts";
import { bars, type Progress, thousands } from "../kit/terminal.ts";
import { BATCH } from "../kit/write_load.ts";
import { distribution, drawTrace, type Skew } from "./distribution.ts";
import { type Outcome, percent } from "./experiment.ts";
import { SteppedServer } from "./stepped_server.ts";

const PAGE_BYTES = 4096;
const SKEWS: readonly Skew[] = ["uniform", "zipf 0.99", "hot 10 %"];
const ORDERS = ["hash table", "by address", "backwards"] as const;
type Order = (typeof ORDERS)[number];

export interface ScanOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly seed: number;
}

/** A page, and the share of the walk that was done when it was copied. */
export interface Copy {
  readonly page: number;
  readonly at: number;
}

interface OrderRow {
  readonly order: Order;
  /** Copies of pages that still held unsaved keys. */
  readonly needed: number;
  /** The most of them at once, when each is given back as soon as the child has passed its page. */
  readonly atOnce: number;
}

interface ScanRow {
  readonly skew: Skew;
  readonly writes: number;
  readonly pagesFrozen: number;
  readonly pagesCopied: number;
  readonly orders: readonly OrderRow[];
}

export async function measureScanOrders(o: ScanOptions, progress: Progress): Promise<ScanRow[]> {
  const server = await SteppedServer.open({
    ...o,
    pageBytes: PAGE_BYTES,
    onProgress: (share) => progress.update("scan order", share / 2),
  });
  try {
    const addresses = Float64Array.from({ length: o.keys }, (_, key) => server.addressOf(key));
    const blockBytes = server.layouts(PAGE_BYTES)[0].blockBytes;
    const rows: ScanRow[] = [];
    for (const [i, skew] of SKEWS.entries()) {
      progress.update("scan order", 0.5 + i / SKEWS.length / 2);
      rows.push(measureSkew(server, skew, o, addresses, blockBytes));
    }
    return rows;
  } finally {
    server.close();
  }
}

function measureSkew(
  server: SteppedServer,
  skew: Skew,
  o: ScanOptions,
  addresses: Float64Array,
  blockBytes: number,
): ScanRow {
  const writes = Math.ceil(server.dataBytes / PAGE_BYTES / BATCH) * BATCH;
  const trace = drawTrace(distribution(skew, o.keys, o.seed), writes, o.seed), copies: Copy[] = [];
  const save = server.save(trace, (page, sent) => copies.push({ page, at: sent / writes }));
  assertEquals(copies.length, save.pagesCopied, "every copy was recorded");
  const saved = savedOrder(server.dump()!), byAddress = saved.toSorted((a, b) => addresses[a] - addresses[b]);
  assertEquals(saved.length, o.keys, "every key is in the file");
  const walks: Record<Order, Uint32Array> = {
    "hash table": saved,
    "by address": byAddress,
    "backwards": byAddress.toReversed(),
  };
  return {
    skew,
    writes,
    pagesFrozen: save.pagesFrozen,
    pagesCopied: save.pagesCopied,
    orders: ORDERS.map((order) => ({ order, ...neededCopies(copies, passedAt(walks[order], addresses, blockBytes)) })),
  };
}

/** Numbers of the keys in the order of the file. Values hold no colon. */
function savedOrder(dump: Uint8Array): Uint32Array {
  const text = new TextDecoder("latin1").decode(dump);
  return Uint32Array.from(text.matchAll(/string:(\d{12})/g), ([, digits]) => Number(digits));
}

/** By page: the share of the walk at which its last key was saved. */
function passedAt(walk: Uint32Array, addresses: Float64Array, blockBytes: number): Map<number, number> {
  const passed = new Map<number, number>();
  walk.forEach((key, i) => {
    const last = Math.floor((addresses[key] + blockBytes - 1) / PAGE_BYTES);
    for (let page = Math.floor(addresses[key] / PAGE_BYTES); page <= last; page++) {
      passed.set(page, (i + 1) / walk.length);
    }
  });
  return passed;
}

/** Copies, in the order in which they were made, of pages that the walk had not passed; and the most that are waited for at once. */
export function neededCopies(
  copies: readonly Copy[],
  passed: ReadonlyMap<number, number>,
): { needed: number; atOnce: number } {
  const needed = copies.filter(({ page, at }) => at < (passed.get(page) ?? 1));
  const ends = Float64Array.from(needed, ({ page }) => passed.get(page) ?? 1).sort();
  let atOnce = 0, ended = 0;
  for (const [i, { at }] of needed.entries()) {
    while (ends[ended] <= at) ended++;
    atOnce = Math.max(atOnce, i + 1 - ended);
  }
  return { needed: needed.length, atOnce };
}

/** Figures of one skew and order. */
function rowOf(rows: readonly ScanRow[], skew: Skew, order: Order): { kept: number; atOnce: number } {
  const { pagesCopied, orders } = rows.find((row) => row.skew === skew)!,
    { needed, atOnce } = orders.find((one) => one.order === order)!;
  return { kept: needed / pagesCopied, atOnce };
}

export function scanOutcome(rows: readonly ScanRow[]): Outcome {
  const avoided = (order: Order) => 1 - rowOf(rows, "uniform", order).kept;
  const [uniform] = rows, bar = (label: string, pages: number) => ({ label, value: pages, text: thousands(pages) });
  return {
    figures: rows,
    answer: percent(avoided("by address"), 0),
    picture: `Copies of uniform writes: as made, and as another rule would need them\n${
      bars([
        bar("as the server and fork(2) do", uniform.pagesCopied),
        ...uniform.orders.map(({ order, needed }) => bar(`passed pages skipped, ${order}`, needed)),
      ])
    }`,
    part: {
      title: "The order of the walk",
      note:
        "One write for each page of the data, spread evenly over the save. Copies are those of a real save; what other rules would need " +
        "is computed from the moment of each copy, the order of keys in the saved file, and their addresses.",
      conclusions: conclusions(rows),
      charts: [chartOf(rows)],
      tables: [tableOf(rows)],
    },
    claims: [{
      text:
        "skipping saved pages would avoid less than 10 % of the copies in the order of the hash table, and at least 30 % in that of addresses",
      measured: `${percent(avoided("hash table"))} and ${percent(avoided("by address"))}`,
      holds: avoided("hash table") < 0.1 && avoided("by address") >= 0.3,
    }],
  };
}

function conclusions(rows: readonly ScanRow[]): string[] {
  const kept = (skew: Skew, order: Order) => percent(rowOf(rows, skew, order).kept), [uniform] = rows;
  return [
    "The child walks the hash table, and a page is copied at its first write whether the child has been there or not: the order changes " +
    "nothing, here as after a fork (except that Redis's child gives back values of a page and more once it has saved them: dismissObject in " +
    "object.c).",
    `To skip pages that the child has passed would hardly help in this order: ${
      kept("uniform", "hash table")
    } of the copies of uniform writes ` +
    "would still be needed, because keys of one page are saved at times that have nothing to do with each other, and the last one of about " +
    "thirty comes late.",
    `Walking by address, ${
      kept("uniform", "by address")
    } of them would be needed, and with each copy given back once its page is saved, at ` +
    `most ${thousands(rowOf(rows, "uniform", "by address").atOnce)} instead of ${
      thousands(uniform.pagesCopied)
    } at once. Of a hot set of the ` +
    `oldest keys, saved first, ${kept("hot 10 %", "by address")} would be needed; saved last, ${
      kept("hot 10 %", "backwards")
    }.`,
  ];
}

function tableOf(rows: readonly ScanRow[]): ReportTable {
  return {
    title: "Copies by rule and order",
    lastIsText: false,
    headings: ["skew", "copied", ...ORDERS.flatMap((order) => [`${order}: needed`, "at once"])],
    rows: rows.map((row) => [
      row.skew,
      thousands(row.pagesCopied),
      ...row.orders.flatMap(({ needed, atOnce }) => [thousands(needed), thousands(atOnce)]),
    ]),
  };
}

function chartOf(rows: readonly ScanRow[]) {
  const rules = ["as made", ...ORDERS];
  const data = rows.flatMap(({ skew, pagesCopied, orders }) => [
    { skew, rule: "as made", share: 1 },
    ...orders.map(({ order, needed }) => ({ skew, rule: order as string, share: needed / pagesCopied })),
  ]);
  return {
    title: "Copies that another rule would need",
    note:
      "100 % are the copies that the server made. The other bars: if pages that the child has passed were not copied, by order of the walk.",
    options: {
      x: { axis: null, domain: rules },
      marginTop: 40,
      y: { label: "% of the copies made", grid: true, percent: true, domain: [0, 100] },
      fx: { label: null, domain: rows.map((row) => row.skew) },
      color: { domain: rules, range: [...COLOURS], legend: true },
      marks: [barY(data, { x: "rule", y: "share", fx: "skew", fill: "rule" }), ruleY([0])],
    },
  };
}
