/** redis-benchmark's tests at several pipeline depths. */

import type { ServerProcess } from "../support/server_fixture.ts";
import { type BenchContext, endAllServers, orderOfRound, startAll } from "./bench_context.ts";
import { fillServer } from "./dataset.ts";
import { runRedisBenchmark, sendWithRedisBenchmark } from "./redis_benchmark.ts";
import type { Target } from "./report.ts";
import { type Preparation, THROUGHPUT_TESTS, type ThroughputTest } from "./throughput_tests.ts";

/** redis-benchmark's own value size. */
const VALUE_BYTES = 3;
const PREPARE_PIPELINE = 64;
const REQUESTS_MIN = 2000;
const SINGLE_KEY_TESTS = ["set", "get", "incr"];
const SINGLE_KEY_TARGETS = new Map([[1, 1.0], [16, 1.1], [64, 1.2]]);

export async function measureThroughput(context: BenchContext): Promise<void> {
  const tests = THROUGHPUT_TESTS.filter(({ name }) => context.wanted(name));
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
  test: ThroughputTest,
  pipeline: number,
  round: number,
): Promise<void> {
  const { clients, randomKeys, requestsByPipeline } = context.sizes;
  const requests = Math.max(REQUESTS_MIN, Math.floor(requestsByPipeline.get(pipeline)! / test.weight));
  const name = `${test.name.toUpperCase()} -P ${pipeline}`;
  for (const server of servers) {
    await remove(server, test);
    if (test.prepare !== undefined) await prepare(context, server, test.prepare(requests));
    const run = { port: server.port, workload: test.workload, pipeline, clients, requests, randomKeys };
    const { requestsPerSecond } = await runRedisBenchmark(context.children, run);
    await remove(server, test);
    context.progress(`round ${round + 1}: ${name} ${server.kind} ${Math.round(requestsPerSecond)}/s`);
    const target = targetOf(test, pipeline);
    context.report.add({ name, unit: "requests/s", target }, server.kind, requestsPerSecond);
  }
}

async function prepare(
  context: BenchContext,
  server: ServerProcess,
  { words, count, range }: Preparation,
): Promise<void> {
  const run = { port: server.port, workload: { words }, pipeline: PREPARE_PIPELINE, clients: context.sizes.clients };
  await sendWithRedisBenchmark(context.children, { ...run, requests: count, randomKeys: range });
}

async function remove(server: ServerProcess, { key }: ThroughputTest): Promise<void> {
  if (key === undefined) return;
  await using client = await server.connect();
  await client.command("UNLINK", key);
}

function targetOf({ name }: ThroughputTest, pipeline: number): Target {
  return { atLeast: SINGLE_KEY_TESTS.includes(name) ? SINGLE_KEY_TARGETS.get(pipeline)! : 1.0 };
}
