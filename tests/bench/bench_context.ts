/**
 * What every section of the benchmark shares: sizes, servers under test, the report, and progress on standard error.
 */

import type { ServerKind, ServerProcess } from "../support/server_fixture.ts";
import type { ChildProcesses } from "./child_processes.ts";
import type { DatasetSize } from "./dataset.ts";
import type { Report } from "./report.ts";

/** Sizes of one run; `--quick` picks the small ones. */
export interface BenchSizes {
  clients: number;
  randomKeys: number;
  /** Requests per redis-benchmark run, by pipeline depth. */
  requestsByPipeline: ReadonlyMap<number, number>;
  /** The dataset behind the pause measurement: 1 GiB of values. */
  pauseDataset: DatasetSize;
  /** BGSAVEs per server and round in the pause measurement. */
  pausesPerRound: number;
  /** The dataset behind SAVE, load, memory and latency: 4M × 100 B. */
  saveDataset: DatasetSize;
  loadRatePerSecond: number;
  /** Keys of all types behind "mixed". */
  mixedKeys: number;
  /** Elements of each collection behind "stalls". */
  stallElements: number;
}

export const FULL_SIZES: BenchSizes = {
  clients: 50,
  randomKeys: 1_000_000,
  requestsByPipeline: new Map([[1, 100_000], [16, 1_000_000], [64, 2_000_000]]),
  pauseDataset: { keys: 1 << 20, valueBytes: 1024 },
  pausesPerRound: 3,
  saveDataset: { keys: 4_000_000, valueBytes: 100 },
  loadRatePerSecond: 20_000,
  mixedKeys: 1_000_000,
  stallElements: 10_000_000,
};

export const QUICK_SIZES: BenchSizes = {
  clients: 50,
  randomKeys: 100_000,
  requestsByPipeline: new Map([[1, 30_000], [16, 200_000], [64, 400_000]]),
  pauseDataset: { keys: 1 << 17, valueBytes: 1024 },
  pausesPerRound: 1,
  saveDataset: { keys: 400_000, valueBytes: 100 },
  loadRatePerSecond: 20_000,
  mixedKeys: 100_000,
  stallElements: 1_000_000,
};

export interface BenchContext {
  sizes: BenchSizes;
  rounds: number;
  kinds: readonly ServerKind[];
  children: ChildProcesses;
  report: Report;
  /** True when a measurement of this name was asked for. */
  wanted(name: string): boolean;
  progress(text: string): void;
}

/** The servers in this round's order: each goes first in every other round, so that neither always meets a warmer machine. */
export function orderOfRound<T>(items: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? items : items.toReversed();
}

/** Starts one server of every kind under test. */
export async function startAll(context: BenchContext, args: readonly string[] = []): Promise<ServerProcess[]> {
  const servers: ServerProcess[] = [];
  for (const kind of context.kinds) servers.push(await context.children.startServer(kind, { args }));
  return servers;
}

export async function endAllServers(context: BenchContext, servers: readonly ServerProcess[]): Promise<void> {
  for (const server of servers) await context.children.endServer(server);
}
