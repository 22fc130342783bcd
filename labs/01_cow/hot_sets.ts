/**
 * Hot sets of several sizes, in real time: writes to each at full speed, with the snapshot written by its own thread meanwhile: measures what the
 * snapshot cost: pages copied, peak memory, pauses. Every figure is measured on the server that runs here.
 */
import { setImmediate } from "node:timers";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Afterimage, type Client, DiskStorage, openServer, OWNER_NAMES } from "../../src/mod.ts";
import { mib, onInterrupt, type Progress } from "../kit/terminal.ts";
import { BATCH, ELEMENTS, VALUE_TYPES, WriteLoad } from "../kit/write_load.ts";
import { evenHits } from "./forecast.ts";
import type { Row } from "./hot_set_findings.ts";
import type { Options } from "./options.ts";

/** Time that writing goes on before the event loop gets its turn: the server's cron, the snapshot's report. */
const SLICE_MS = 4;

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** The loads of the types that are written, each over keys of its own, and what their writes cost. */
class Loads {
  readonly #all: WriteLoad[];
  readonly keysEach: number;
  readonly #redis: Afterimage;
  #costs: Row["types"] = [];
  #turn = 0;

  constructor(redis: Afterimage, client: Client, o: Options) {
    const types = o.type === "mix" ? VALUE_TYPES : [o.type];
    this.#redis = redis;
    this.#all = types.map((type) => new WriteLoad(client, type, o.valueBytes));
    this.keysEach = Math.floor(o.keys / types.length / (o.type === "string" ? 1 : ELEMENTS));
    this.resetCosts();
  }

  /** Makes keys [first, first + BATCH) of each type, as far as there are so many. */
  fill(first: number): void {
    for (const load of this.#all) load.fill(Math.min(first, this.keysEach - BATCH));
  }

  resetCosts(): void {
    this.#costs = this.#all.map(({ type }) => ({ type, pages: 0, writtenBytes: 0 }));
  }

  get costs(): Row["types"] {
    return this.#costs;
  }

  /** One pipeline to the next type, over its hottest keys. */
  overwrite(hotShare: number): void {
    const at = this.#turn++ % this.#all.length, cost = this.#costs[at], { cow } = this.#redis.server.memory;
    const { pagesCopied, writtenBytes } = cow;
    this.#all[at].overwrite(Math.max(1, Math.round(this.keysEach * hotShare)));
    cost.pages += cow.pagesCopied - pagesCopied, cost.writtenBytes += cow.writtenBytes - writtenBytes;
  }
}

/** Writes at full speed until `isOver`; returns writes, time, and the longest time one pipeline took. */
async function writeUntil(loads: Loads, hotShare: number, isOver: () => boolean, each: () => void) {
  let writes = 0, pauseMs = 0;
  const startedMs = performance.now();
  while (!isOver()) {
    const sliceMs = performance.now();
    let lastMs = sliceMs;
    while (lastMs - sliceMs < SLICE_MS) {
      loads.overwrite(hotShare);
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

/** Pages that so many writes to a hot set will copy: its keys were loaded together, and fill pages of their own. */
function expected(client: Client, loads: Loads, hotShare: number, writes: number, o: Options): number {
  const bytesEach = Number(client.command("MEMORY", "USAGE", `string:${"0".repeat(12)}`));
  return evenHits(Math.max(1, (loads.keysEach * hotShare * bytesEach) / o.pageBytes), writes);
}

async function measure(
  redis: Afterimage,
  client: Client,
  loads: Loads,
  hotPercent: number,
  idleMs: number,
  o: Options,
  progress: Progress,
): Promise<Row> {
  const { memory, statistics } = redis.server, cow = memory.cow, hotShare = hotPercent / 100;
  const label = `hot ${String(hotPercent).padStart(4)} %`, untilMs = performance.now() + o.seconds * 1000;
  const before = await writeUntil(loads, hotShare, () => performance.now() >= untilMs, () => {
    progress.update(`${label}: writing`, 1 - (untilMs - performance.now()) / (o.seconds * 1000));
  });
  const normalBytes = memory.dataBytes, startedMs = performance.now();
  const expectedPages = o.type === "string"
    ? expected(client, loads, hotShare, (before.writes * idleMs) / before.elapsedMs, o)
    : null;
  client.command("BGSAVE");
  loads.resetCosts();
  const freezeUs = statistics.latestForkUs;
  const during = await writeUntil(loads, hotShare, () => !cow.live, () => {
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
    expectedPages,
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
    types: loads.costs,
    samples: cow.samples.map((sample) => ({ ...sample })),
  };
}

/** How long a save takes while nothing is written: what is known of a save's duration before it. */
async function idleSave(redis: Afterimage, client: Client, progress: Progress): Promise<number> {
  const { cow } = redis.server.memory, startedMs = performance.now();
  client.command("BGSAVE");
  while (cow.live) {
    progress.update("a save without writes", 0);
    await nextTurn();
  }
  return performance.now() - startedMs;
}

/** Loads, and measures one save for each hot set. */
export async function measureHotSets(o: Options, progress: Progress): Promise<Row[]> {
  const dir = mkdtempSync(`${tmpdir()}/afterimage-cow-`);
  const redis = await openServer({
    directives: ["--save", "", "--dir", dir, "--page-size", String(o.pageBytes), "--rdbcompression", "no"],
    storage: new DiskStorage(),
  });
  const cleanUp = () => {
    redis.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  onInterrupt(cleanUp);
  try {
    const client = redis.connect(), loads = new Loads(redis, client, o);
    for (let first = 0; first < loads.keysEach; first += BATCH) {
      loads.fill(first);
      if (first % (BATCH * 16) === 0) {
        progress.update("loading", first / loads.keysEach);
        await nextTurn();
      }
    }
    const rows: Row[] = [], idleMs = await idleSave(redis, client, progress);
    for (const hotPercent of o.hotPercent) {
      rows.push(await measure(redis, client, loads, hotPercent, idleMs, o, progress));
    }
    progress.clear();
    return rows;
  } finally {
    cleanUp();
  }
}
