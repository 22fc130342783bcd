/**
 * SAVE time, load time and memory of a large dataset of strings, and the latency of a fixed-rate SET load while it is saved; and SAVE, load
 * and memory of a dataset of all types.
 *
 * Load time is a restart on the file just saved until PONG, minus the median start of an empty server of the same kind.
 */

import { fileURLToPath } from "node:url";
import { infoField, untilSaved } from "../support/info.ts";
import type { ServerKind, ServerProcess } from "../support/server_fixture.ts";
import { type BenchContext, endAllServers, orderOfRound, startAll } from "./bench_context.ts";
import { fillMixed, fillServer } from "./dataset.ts";
import type { LoadResult } from "./fixed_rate_load.ts";
import type { Target } from "./report.ts";
import { median } from "./statistics.ts";

const LOAD_PATH = fileURLToPath(new URL("./fixed_rate_load.ts", import.meta.url));
const MIB = 1 << 20;
const EMPTY_STARTS = 3;
const LOAD_CONNECTIONS = 8;
const LOAD_WARM_UP_MS = 1000;
const LOAD_IDLE_MS = 2000;
const POLL_INTERVAL_MS = 50;

/** What is measured, and by which names and targets it is reported. */
interface Dataset {
  prefix: string;
  keys: number;
  fill(port: number): Promise<void>;
  memoryTarget: Target;
  saveTarget: Target;
  loadTarget: Target;
}

function stringDataset({ sizes: { saveDataset } }: BenchContext): Dataset {
  return {
    prefix: "",
    keys: saveDataset.keys,
    fill: (port) => fillServer(port, saveDataset),
    memoryTarget: { atMost: 0.9 },
    saveTarget: { atMost: 0.9 },
    loadTarget: { atMost: 0.8 },
  };
}

function mixedDataset({ sizes: { mixedKeys } }: BenchContext): Dataset {
  const noMore = { atMost: 1.0 };
  return {
    prefix: "all types: ",
    keys: mixedKeys,
    fill: (port) => fillMixed(port, mixedKeys),
    ...{ memoryTarget: noMore, saveTarget: noMore, loadTarget: noMore },
  };
}

export async function measureDataset(context: BenchContext): Promise<void> {
  const wantsLatency = context.wanted("latency");
  const wantsFiles = context.wanted("save") || context.wanted("load");
  if (!wantsLatency && !wantsFiles && !context.wanted("memory")) return;
  const dataset = stringDataset(context);
  const emptyStartMs = context.wanted("load") ? await measureEmptyStarts(context) : undefined;
  let servers = await startAll(context);
  for (const server of servers) await fillAndMeasureMemory(context, server, dataset, context.wanted("memory"));
  for (let round = 0; round < context.rounds; round++) {
    const order = orderOfRound(servers, round);
    if (wantsLatency) { for (const server of order) await measureLatency(context, server, round); }
    if (wantsFiles) servers = await measureFiles(context, order, dataset, emptyStartMs, round);
  }
  await endAllServers(context, servers);
}

export async function measureMixedDataset(context: BenchContext): Promise<void> {
  if (!context.wanted("mixed")) return;
  const dataset = mixedDataset(context), emptyStartMs = await measureEmptyStarts(context);
  let servers = await startAll(context);
  for (const server of servers) await fillAndMeasureMemory(context, server, dataset, true);
  for (let round = 0; round < context.rounds; round++) {
    servers = await measureFiles(context, orderOfRound(servers, round), dataset, emptyStartMs, round);
  }
  await endAllServers(context, servers);
}

/** Median time from the start of the process to PONG, without data. */
async function measureEmptyStarts(context: BenchContext): Promise<Map<ServerKind, number>> {
  const medians = new Map<ServerKind, number>();
  for (const kind of context.kinds) {
    const times: number[] = [];
    for (let start = 0; start < EMPTY_STARTS; start++) {
      const server = await context.children.startServer(kind);
      times.push(server.readyAfterMs);
      context.report.add({ name: "start, empty", unit: "ms" }, kind, server.readyAfterMs);
      await context.children.endServer(server);
    }
    medians.set(kind, median(times));
  }
  return medians;
}

async function fillAndMeasureMemory(
  context: BenchContext,
  server: ServerProcess,
  dataset: Dataset,
  wantsMemory: boolean,
): Promise<void> {
  const startedAtMs = performance.now();
  await dataset.fill(server.port);
  context.progress(`${dataset.prefix}filled ${server.kind} in ${Math.round(performance.now() - startedAtMs)} ms`);
  if (wantsMemory) await measureMemory(context, server, dataset, "filled");
}

async function measureMemory(
  context: BenchContext,
  server: ServerProcess,
  { prefix, memoryTarget: target }: Dataset,
  when: string,
): Promise<void> {
  const residentBytes = await residentSizeBytes(server.pid);
  await using client = await server.connect();
  const usedBytes = Number(await infoField(client, "memory", "used_memory"));
  const { report } = context;
  report.add({ name: `${prefix}RSS, ${when}`, unit: "MiB", target }, server.kind, residentBytes / MIB);
  report.add({ name: `${prefix}used_memory, ${when}`, unit: "MiB", target }, server.kind, usedBytes / MIB);
}

async function residentSizeBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/**
 * SAVE on every server, then a restart of every server on its file, unless the times of empty starts, which are taken off, are missing.
 * Returns the servers in the order of kinds.
 */
async function measureFiles(
  context: BenchContext,
  order: readonly ServerProcess[],
  dataset: Dataset,
  emptyStartMs: ReadonlyMap<ServerKind, number> | undefined,
  round: number,
): Promise<ServerProcess[]> {
  for (const server of order) await measureSave(context, server, dataset, round);
  if (emptyStartMs === undefined) return sortedAsStarted(context, order);
  const restarted: ServerProcess[] = [];
  for (const server of order) {
    restarted.push(await measureLoad(context, server, dataset, emptyStartMs.get(server.kind)!, round));
  }
  return sortedAsStarted(context, restarted);
}

function sortedAsStarted(context: BenchContext, servers: readonly ServerProcess[]): ServerProcess[] {
  return servers.toSorted((a, b) => context.kinds.indexOf(a.kind) - context.kinds.indexOf(b.kind));
}

async function measureSave(
  context: BenchContext,
  server: ServerProcess,
  { prefix, saveTarget: target }: Dataset,
  round: number,
): Promise<void> {
  await using client = await server.connect();
  const startedAtMs = performance.now();
  await client.command("SAVE");
  const tookMs = performance.now() - startedAtMs;
  const { size } = await Deno.stat(`${server.dir}/dump.rdb`);
  context.progress(`round ${round + 1}: ${prefix}SAVE ${server.kind} ${Math.round(tookMs)} ms`);
  context.report.add({ name: `${prefix}SAVE`, unit: "ms", target }, server.kind, tookMs);
  context.report.add({ name: `${prefix}RDB file`, unit: "MiB" }, server.kind, size / MIB);
}

async function measureLoad(
  context: BenchContext,
  server: ServerProcess,
  dataset: Dataset,
  emptyStartMs: number,
  round: number,
): Promise<ServerProcess> {
  const { prefix, keys, loadTarget: target } = dataset;
  const restarted = await context.children.restartServer(server);
  const tookMs = restarted.readyAfterMs - emptyStartMs;
  context.progress(`round ${round + 1}: ${prefix}load ${server.kind} ${Math.round(tookMs)} ms`);
  context.report.add({ name: `${prefix}load`, unit: "ms", target }, server.kind, tookMs);
  await assertComplete(restarted, keys);
  if (prefix !== "" || context.wanted("memory")) await measureMemory(context, restarted, dataset, "loaded");
  return restarted;
}

async function assertComplete(server: ServerProcess, keys: number): Promise<void> {
  await using client = await server.connect();
  const found = await client.command("DBSIZE");
  if (found !== keys) throw new Error(`${server.kind} server has ${found} keys after the restart, must have ${keys}`);
}

async function measureLatency(context: BenchContext, server: ServerProcess, round: number): Promise<void> {
  const { keys, valueBytes } = context.sizes.saveDataset;
  const load = context.children.start(Deno.execPath(), [
    ...["run", "-A", LOAD_PATH, "--port", `${server.port}`, "--rate", `${context.sizes.loadRatePerSecond}`],
    ...["--keys", `${keys}`, "--value-bytes", `${valueBytes}`, "--connections", `${LOAD_CONNECTIONS}`],
  ]);
  await sleep(LOAD_WARM_UP_MS);
  await load.tell("idle");
  await sleep(LOAD_IDLE_MS);
  await load.tell("saving");
  await saveInBackground(server);
  const output = await load.output();
  context.progress(`round ${round + 1}: latency ${server.kind} ${output.trim()}`);
  addLatencies(context, server.kind, JSON.parse(output) as LoadResult);
}

async function saveInBackground(server: ServerProcess): Promise<void> {
  await using client = await server.connect();
  await client.command("BGSAVE");
  await untilSaved(client, POLL_INTERVAL_MS);
}

function addLatencies(context: BenchContext, kind: ServerKind, result: LoadResult): void {
  for (const [phase, summary] of Object.entries(result)) {
    const target = phase === "saving" ? { atMost: 1 } : undefined;
    const { report } = context;
    report.add({ name: `SET latency ${phase}, p50`, unit: "µs" }, kind, summary.p50Us);
    report.add({ name: `SET latency ${phase}, p99`, unit: "µs" }, kind, summary.p99Us);
    report.add({ name: `SET latency ${phase}, p99.9`, unit: "µs", target }, kind, summary.p999Us);
    report.add({ name: `SET latency ${phase}, max`, unit: "µs" }, kind, summary.maxUs);
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
