/**
 * Runs redis-benchmark for one test and reads its CSV.
 *
 * The output has a header line naming the columns and one line per test, all fields quoted. Never trusts column order.
 */

import type { ChildProcesses } from "./child_processes.ts";

/** Names as redis-benchmark's `-t` takes them. */
export const BENCHMARK_TESTS = ["ping_inline", "ping_mbulk", "set", "get", "incr", "mset"] as const;
export type BenchmarkTest = (typeof BENCHMARK_TESTS)[number];

export interface BenchmarkRun {
  port: number;
  test: BenchmarkTest;
  pipeline: number;
  clients: number;
  requests: number;
  /** Keys are drawn from this many. */
  randomKeys: number;
}

export interface BenchmarkResult {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
}

export async function runRedisBenchmark(children: ChildProcesses, run: BenchmarkRun): Promise<BenchmarkResult> {
  const output = await children.run("redis-benchmark", [
    ...["-h", "127.0.0.1", "-p", String(run.port), "--csv"],
    ...["-t", run.test, "-P", String(run.pipeline), "-c", String(run.clients)],
    ...["-n", String(run.requests), "-r", String(run.randomKeys)],
  ]);
  return parseBenchmarkCsv(output);
}

/** @throws when a column is missing or no test was run */
export function parseBenchmarkCsv(text: string): BenchmarkResult {
  const lines = text.split("\n").filter((line) => line.startsWith('"'));
  if (lines.length !== 2) throw new Error(`Expected a header and one line from redis-benchmark, got: ${text.trim()}`);
  const [names, values] = lines.map(unquoteFields);
  const field = (name: string): number => {
    const value = Number(values[names.indexOf(name)]);
    if (Number.isNaN(value)) throw new Error(`redis-benchmark's CSV has no number for "${name}": ${lines.join(" / ")}`);
    return value;
  };
  return { requestsPerSecond: field("rps"), p50Ms: field("p50_latency_ms"), p99Ms: field("p99_latency_ms") };
}

function unquoteFields(line: string): string[] {
  return line.trim().split(",").map((field) => field.replace(/^"|"$/g, ""));
}
