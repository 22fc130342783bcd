/**
 * Compares this server with the real redis-server 7.0 on this machine, and prints medians, ratios and targets as a Markdown table.
 *
 *   deno task bench [--quick] [--rounds N] [--only name,…] [--ours-only] [--json FILE]
 *
 * Both servers listen on loopback and take turns; progress goes to standard error. Exit code 1 when redis-server or
 * redis-benchmark is missing or a measurement fails; missed targets are shown, not an error. Ctrl-C ends every process it started.
 */

import { parseArgs } from "node:util";
import { redisInstalled, type ServerKind } from "../support/server_fixture.ts";
import { type BenchContext, FULL_SIZES, QUICK_SIZES } from "./bench_context.ts";
import { ChildProcesses } from "./child_processes.ts";
import { measureDataset, measureMixedDataset } from "./dataset_section.ts";
import { measurePause } from "./pause_section.ts";
import { Report } from "./report.ts";
import { measureStalls } from "./stall_section.ts";
import { measureThroughput } from "./throughput_section.ts";
import { THROUGHPUT_TESTS } from "./throughput_tests.ts";

const NAMES: readonly string[] = [
  ...THROUGHPUT_TESTS.map(({ name }) => name),
  ...["pause", "save", "load", "memory", "latency", "mixed", "stalls"],
];
const ROUNDS_DEFAULT = 3;
const EXIT_INTERRUPTED = 130;

interface BenchOptions {
  quick: boolean;
  rounds: number;
  only: readonly string[];
  oursOnly: boolean;
  jsonPath: string | undefined;
}

/** @throws {TypeError} for an unknown option, name or number of rounds */
function readOptions(args: string[]): BenchOptions {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string", default: String(ROUNDS_DEFAULT) },
      only: { type: "string", default: NAMES.join(",") },
      "ours-only": { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError(`--rounds is "${values.rounds}", must be 1 or more`);
  const only = values.only.split(",");
  for (const name of only) {
    if (!NAMES.includes(name)) throw new TypeError(`--only has "${name}", must be of: ${NAMES.join(", ")}`);
  }
  return { quick: values.quick, rounds, only, oursOnly: values["ours-only"], jsonPath: values.json };
}

function fail(message: string): never {
  console.error(message);
  Deno.exit(1);
}

async function runSections(options: BenchOptions, children: ChildProcesses): Promise<Report> {
  const kinds: ServerKind[] = options.oursOnly ? ["ours"] : ["redis", "ours"];
  const context: BenchContext = {
    sizes: options.quick ? QUICK_SIZES : FULL_SIZES,
    rounds: options.rounds,
    kinds,
    children,
    report: new Report(),
    wanted: (name) => options.only.includes(name),
    progress: (text) => console.error(text),
  };
  await measureThroughput(context);
  await measurePause(context);
  await measureDataset(context);
  await measureMixedDataset(context);
  await measureStalls(context);
  return context.report;
}

async function main(args: string[]): Promise<void> {
  const options = parseOrFail(args);
  if (!redisInstalled()) {
    fail("Cannot run the benchmark: redis-server 7.0 is not installed (Debian: apt install redis-server redis-tools)");
  }
  const loadAverage = Deno.loadavg()[0];
  const children = new ChildProcesses();
  Deno.addSignalListener("SIGINT", () => void children.endAll().finally(() => Deno.exit(EXIT_INTERRUPTED)));
  try {
    const report = await runSections(options, children);
    console.log(report.toMarkdown());
    console.log(`\nload average before the run: ${loadAverage.toFixed(2)} on ${navigator.hardwareConcurrency} CPUs`);
    if (options.jsonPath !== undefined) await writeJson(options, report, loadAverage);
  } catch (error) {
    if (children.ended) return;
    console.error(`Benchmark stopped: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 1;
  } finally {
    await children.endAll();
  }
  Deno.exit();
}

function parseOrFail(args: string[]): BenchOptions {
  try {
    return readOptions(args);
  } catch (error) {
    return fail((error as Error).message);
  }
}

async function writeJson(options: BenchOptions, report: Report, loadAverage: number): Promise<void> {
  const document = {
    quick: options.quick,
    rounds: options.rounds,
    deno: Deno.version.deno,
    cpus: navigator.hardwareConcurrency,
    loadAverage,
    rows: report.rows(),
  };
  await Deno.writeTextFile(options.jsonPath!, JSON.stringify(document, null, 2) + "\n");
}

await main(Deno.args);
