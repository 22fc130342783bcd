/** redis-benchmark's PING, SET, GET, INCR and MSET at several pipeline depths. */

import type { ServerProcess } from "../support/server_fixture.ts";
import { type BenchContext, endAllServers, orderOfRound, startAll } from "./bench_context.ts";
import { fillServer } from "./dataset.ts";
import { BENCHMARK_TESTS, type BenchmarkTest, runRedisBenchmark } from "./redis_benchmark.ts";
import type { Target } from "./report.ts";

/** redis-benchmark's own value size. */
const VALUE_BYTES = 3;
/** One MSET carries ten keys. */
const MSET_WEIGHT = 5;
const SINGLE_KEY_TARGETS = new Map([[1, 1.0], [16, 1.1], [64, 1.2]]);

export async function measureThroughput(context: BenchContext): Promise<void> {
  const tests = BENCHMARK_TESTS.filter((test) => context.wanted(test));
  if (tests.length === 0) return;
  const servers = await startAll(context);
  for (const server of servers) {
    await fillServer(server.port, { keys: context.sizes.randomKeys, valueBytes: VALUE_BYTES });
  }
  for (let round = 0; round < context.rounds; round++) {
    for (const pipeline of context.sizes.requestsByPipeline.keys()) {
      for (const test of tests) await measureTest(context, orderOfRound(servers, round), test, pipeline, round);
    }
  }
  await endAllServers(context, servers);
}

async function measureTest(
  context: BenchContext,
  servers: readonly ServerProcess[],
  test: BenchmarkTest,
  pipeline: number,
  round: number,
): Promise<void> {
  const { clients, randomKeys, requestsByPipeline } = context.sizes;
  const requests = requestsByPipeline.get(pipeline)! / (test === "mset" ? MSET_WEIGHT : 1);
  const name = `${test.toUpperCase()} -P ${pipeline}`;
  for (const server of servers) {
    const run = { port: server.port, test, pipeline, clients, requests, randomKeys };
    const { requestsPerSecond } = await runRedisBenchmark(context.children, run);
    context.progress(`round ${round + 1}: ${name} ${server.kind} ${Math.round(requestsPerSecond)}/s`);
    context.report.add({ name, unit: "requests/s", target: targetOf(test, pipeline) }, server.kind, requestsPerSecond);
  }
}

function targetOf(test: BenchmarkTest, pipeline: number): Target {
  const singleKey = test === "set" || test === "get" || test === "incr";
  return { atLeast: singleKey ? SINGLE_KEY_TARGETS.get(pipeline)! : 1.0 };
}
