/**
 * Takes the power away from a simulated server, again and again, and checks what is left.
 *
 *   deno task crash [--seed n] [--minutes m] [--states n] [--profile ext4|strict|kill|all] [--jobs n] [--shard i/n] [--holes yes|no] [--damage yes|no]
 *                   [--json] [--scenario text]
 *   deno task crash --mutants [--only n] [--seed n] [--json]
 *
 * With `--jobs` several processes share the work (as many as there are cores, unless it says how many); `--shard 1/4` does the second
 * quarter of it, on any machine. With `--holes no`, of what was not synced only a first part survives a power cut; with `--damage no`
 * durable bytes are never damaged. `--scenario` runs one scenario, as a violation names it, and nothing else. `--mutants` runs the seeded
 * bugs instead. Ctrl-C ends it with what there is so far.
 * Exits with 0 when nothing was found (or every seeded bug), 1 when a promise was broken (or a bug missed), 2 when the arguments make no sense.
 */
import { Progress } from "../../../labs/kit/terminal.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { emptyCells, formatCoverage } from "./coverage.ts";
import { type Counts, Explorer, type ExplorerOptions, type Scenario, type Shard } from "./explorer.ts";
import { writeTimeline } from "./html_timeline.ts";
import { Jobs, type Relayed } from "./jobs.ts";
import { MUTANTS } from "./mutants/mod.ts";
import { formatVerdicts, isCaught, runMutant, type Verdict } from "./mutants/run_mutants.ts";
import { runPlan } from "./plan.ts";
import { type Result, summaryOf, violationText } from "./report.ts";
import { shrink } from "./shrink.ts";

const RELAY_EVERY_MS = 500, YIELD_EVERY_MS = 50;
const SAMPLES = 8, DEPTH_MAX = 3, DEEPER_EVERY = 10, DAMAGE_EVERY = 8;

const CELLS_NAMED_MAX = 8;

let isInterrupted = false;

function explorerOptions(options: Arguments, shard?: Shard): ExplorerOptions {
  const { seed, holes, damage } = options;
  return {
    seed,
    holes,
    samples: SAMPLES,
    depthMax: DEPTH_MAX,
    deeperEvery: DEEPER_EVERY,
    damageEvery: damage ? DAMAGE_EVERY : 0,
    shard,
  };
}

/** Explores in this process. `onCounts` hears now and then how far it is. */
async function explore(options: Arguments, onCounts: (counts: Counts) => void): Promise<Result> {
  const explorer = await Explorer.open(explorerOptions(options, options.shard)), { counts, violations } = explorer;
  const startMs = performance.now(), { minutes, states, seed, profiles, scenario } = options;
  const isTimeOver = () => isInterrupted || performance.now() - startMs >= minutes * 60_000;
  const isOver = () => isTimeOver() || counts.unique >= states;
  let yieldedMs = startMs, toldMs = startMs, shrunk = 0;
  const run = async (scenario: Scenario) => {
    const operations = await explorer.explore(scenario, isTimeOver);
    for (; shrunk < violations.length; shrunk++) violations[shrunk] = await shrink(explorer, violations[shrunk]);
    const nowMs = performance.now();
    // Signals come between turns of the event loop.
    if (nowMs - yieldedMs >= YIELD_EVERY_MS) {
      yieldedMs = nowMs;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (nowMs - toldMs >= RELAY_EVERY_MS) toldMs = nowMs, onCounts(counts);
    return operations;
  };
  if (scenario !== null) await run(scenario);
  else await runPlan(seed, profiles, run, isOver);
  return { counts, coverage: explorer.coverage, violations };
}

async function exploreAndReport(options: Arguments): Promise<number> {
  const { minutes, jobs, json } = options, startMs = performance.now(), progress = new Progress();
  const seconds = () => (performance.now() - startMs) / 1000;
  const show = (counts: Counts) => {
    if (!json) progress.update("exploring", seconds() / (minutes * 60), summaryOf(counts, seconds()));
  };
  let result: Result;
  if (jobs === 1) result = await explore(options, show);
  else {
    const all = new Jobs(options);
    Deno.addSignalListener("SIGINT", () => all.stop());
    result = await all.result(show);
  }
  progress.clear();
  report(options, result, seconds());
  return result.counts.violations === 0 ? 0 : 1;
}

function report(options: Arguments, { counts, coverage, violations }: Result, seconds: number): void {
  const empty = emptyCells(coverage);
  const reports = violations.map((violation, number) => writeTimeline(violation, options, number + 1));
  if (options.json) {
    return console.log(JSON.stringify({ seed: options.seed, seconds, counts, coverage, empty, violations, reports }));
  }
  violations.forEach((violation, i) => console.log(`${violationText(violation, options)}\n  timeline: ${reports[i]}`));
  if (options.scenario === null) {
    console.log(`${formatCoverage(coverage)}\n`);
    const names = empty.slice(0, CELLS_NAMED_MAX).join("; "), more = empty.length - CELLS_NAMED_MAX;
    console.log(empty.length === 0 ? "no cell is empty" : `empty: ${names}${more > 0 ? `; ${more} more` : ""}`);
  }
  console.log(summaryOf(counts, seconds));
}

/** For the process that started this one. */
async function relay(options: Arguments): Promise<number> {
  const tell = (line: Relayed) => console.log(JSON.stringify(line));
  const result = await explore(options, (counts) => tell({ counts }));
  tell({ result });
  return 0;
}

async function runMutants({ seed, only, json }: Arguments): Promise<number> {
  const verdicts: Verdict[] = [], chosen = MUTANTS.filter(({ number }) => only === null || number === only);
  const progress = new Progress();
  for (const [i, mutant] of chosen.entries()) {
    if (isInterrupted) break;
    if (!json) progress.update("seeded bugs", i / chosen.length, mutant.what);
    verdicts.push(await runMutant(mutant, seed, () => isInterrupted));
  }
  progress.clear();
  const caught = new Set(verdicts.filter(isCaught).map(({ number }) => number)),
    numbers = new Set(chosen.map((one) => one.number));
  for (const one of verdicts) if (!isCaught(one)) caught.delete(one.number);
  if (json) console.log(JSON.stringify({ seed, verdicts }));
  else console.log(`${formatVerdicts(verdicts)}\n${caught.size} of ${numbers.size} caught by the invariant named`);
  return caught.size === numbers.size ? 0 : 1;
}

async function main(words: readonly string[]): Promise<number> {
  const options = parseArguments(words, navigator.hardwareConcurrency);
  Deno.addSignalListener("SIGINT", () => isInterrupted = true);
  if (options.mutants) return await runMutants(options);
  return options.relays ? await relay(options) : await exploreAndReport(options);
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  console.error(error.message);
  Deno.exit(2);
}
