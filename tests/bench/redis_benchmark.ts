/**
 * Runs redis-benchmark for one command and reads its CSV.
 *
 * The output has a header line naming the columns and one line per test, all fields quoted. Never trusts column order.
 */

import type { ChildProcesses } from "./child_processes.ts";

export interface BenchmarkRun {
  port: number;
  /** One of redis-benchmark's own tests, or the words of a command, in which `__rand_int__` stands for a number below `randomKeys`. */
  workload: { test: string } | { words: readonly string[] };
  pipeline: number;
  clients: number;
  requests: number;
  randomKeys: number;
}

export interface BenchmarkResult {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
}

export async function runRedisBenchmark(children: ChildProcesses, run: BenchmarkRun): Promise<BenchmarkResult> {
  return parseBenchmarkCsv(await sendWithRedisBenchmark(children, run));
}

/** Sends the requests, however fast, and returns what redis-benchmark prints. */
export async function sendWithRedisBenchmark(children: ChildProcesses, run: BenchmarkRun): Promise<string> {
  return await children.run("redis-benchmark", [
    ...["-h", "127.0.0.1", "-p", String(run.port), "--csv", "-P", String(run.pipeline), "-c", String(run.clients)],
    ...["-n", String(run.requests), "-r", String(run.randomKeys)],
    ...("test" in run.workload ? ["-t", run.workload.test] : run.workload.words),
  ]);
}

/** @throws when a column is missing or no test was run */
export function parseBenchmarkCsv(text: string): BenchmarkResult {
  const lines = text.split("\n").filter((line) => line.startsWith('"'));
  if (lines.length !== 2) throw new Error(`Expected a header and one line from redis-benchmark, got: ${text.trim()}`);
  const [names, values] = lines.map(unquoteFields);
  const field = (name: string): number => {
    // A command of our own comes as the name of the test, with its commas: columns are counted from the end.
    const value = Number(values.at(names.indexOf(name) - names.length));
    if (!names.includes(name) || Number.isNaN(value)) {
      throw new Error(`redis-benchmark's CSV has no number for "${name}": ${lines.join(" / ")}`);
    }
    return value;
  };
  return { requestsPerSecond: field("rps"), p50Ms: field("p50_latency_ms"), p99Ms: field("p99_latency_ms") };
}

function unquoteFields(line: string): string[] {
  return line.trim().split(",").map((field) => field.replace(/^"|"$/g, ""));
}
