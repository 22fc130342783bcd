/**
 * Takes the power away from a simulated server, again and again, and checks what is left.
 *
 *   deno task crash [--seed n] [--minutes m] [--profile ext4|strict|kill|all] [--holes yes|no] [--json] [--scenario text]
 *
 * With `--holes no`, of what was not synced only a first part survives a power cut. `--scenario` runs one scenario, as a violation names it,
 * and nothing else. Exits with 0 when nothing was found, 1 when a promise was broken, 2 when the arguments make no sense.
 */
import { parseArgs } from "@std/cli";
import type { DiskProfile } from "../../../src/io/simulated_disk/mod.ts";
import { Explorer, type Scenario, type Violation } from "./explorer.ts";
import { runPlan } from "./plan.ts";
import { shrink } from "./shrink.ts";

const PROFILES: Readonly<Record<string, readonly DiskProfile[]>> = {
  kill: ["kill"],
  ext4: ["ext4"],
  strict: ["strict"],
  all: ["ext4", "strict", "kill"],
};
const PROGRESS_EVERY_MS = 500;
const SAMPLES = 8, DEPTH_MAX = 2, DEEPER_EVERY = 5;

interface Arguments {
  readonly seed: number;
  readonly minutes: number;
  readonly profiles: readonly DiskProfile[];
  readonly holes: boolean;
  readonly json: boolean;
  readonly scenario: Scenario | null;
}

function parse(words: string[]): Arguments {
  const unknown: string[] = [];
  const found = parseArgs(words, {
    string: ["seed", "minutes", "profile", "holes", "scenario"],
    boolean: ["json"],
    default: { seed: "1", minutes: "1", profile: "all", holes: "yes", scenario: "" },
    unknown: (word) => {
      unknown.push(word);
      return false;
    },
  });
  const seed = Number(found.seed), minutes = Number(found.minutes), profiles = PROFILES[String(found.profile)];
  if (unknown.length > 0) throw new RangeError(`Unknown argument "${unknown[0]}"`);
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`--seed is "${found.seed}", must be a natural number`);
  }
  if (!(minutes > 0 && minutes <= 100_000)) throw new RangeError(`--minutes is "${found.minutes}", must be above 0`);
  if (profiles === undefined) {
    throw new RangeError(`--profile is "${found.profile}", must be one of ${Object.keys(PROFILES).join(", ")}`);
  }
  if (found.holes !== "yes" && found.holes !== "no") {
    throw new RangeError(`--holes is "${found.holes}", must be yes or no`);
  }
  const scenario = found.scenario === "" ? null : parseScenario(String(found.scenario));
  return { seed, minutes, profiles, holes: found.holes === "yes", json: found.json === true, scenario };
}

function parseScenario(text: string): Scenario {
  try {
    const scenario = JSON.parse(text) as Scenario;
    if (Array.isArray(scenario.workload.steps) && Array.isArray(scenario.faults)) return scenario;
  } catch {
    // Said below.
  }
  throw new RangeError("--scenario is no scenario: copy it whole from what a violation prints");
}

function report({ invariant, text, scenario, timeline }: Violation, { seed, holes }: Arguments): string {
  const { workload, policy, profile, geometry, faults } = scenario;
  const steps = workload.steps.map((step) =>
    step.do === "unit" ? step.commands.flat().join(" ").slice(0, 40) : step.do
  );
  const replay = `deno task crash --seed ${seed}${holes ? "" : " --holes no"} --scenario '${JSON.stringify(scenario)}'`;
  return [
    `\n${invariant} broken: ${text}`,
    `  "${workload.name}" shrunk to: ${steps.join("; ")}`,
    `  appendfsync ${policy}, ${profile}, pages of ${geometry.pageBytes} bytes, faults ${JSON.stringify(faults)}`,
    ...timeline.map((line) => `    ${line}`),
    `  again: ${replay}`,
  ].join("\n");
}

async function explore(explorer: Explorer, options: Arguments, startMs: number): Promise<void> {
  const { counts, violations } = explorer, { minutes, seed, profiles, json, scenario } = options;
  const isOver = () => performance.now() - startMs >= minutes * 60_000, isShown = !json && Deno.stderr.isTerminal();
  let shownMs = 0, shown = 0;
  const run = async (scenario: Scenario) => {
    const operations = await explorer.explore(scenario, isOver);
    for (; shown < violations.length; shown++) {
      violations[shown] = await shrink(explorer, violations[shown]);
      if (!json) console.log(report(violations[shown], options));
    }
    if (isShown && performance.now() - shownMs > PROGRESS_EVERY_MS) {
      shownMs = performance.now();
      await Deno.stderr.write(new TextEncoder().encode(`\r${summary(counts, startMs)}\x1b[K`));
    }
    return operations;
  };
  if (scenario !== null) await run(scenario);
  else await runPlan(seed, profiles, run, isOver);
  if (isShown) await Deno.stderr.write(new TextEncoder().encode("\r\x1b[K"));
}

function summary(counts: Explorer["counts"], startMs: number): string {
  const seconds = (performance.now() - startMs) / 1000;
  return `${seconds.toFixed(0)} s, ${counts.runs} runs, ${counts.unique} unique states ` +
    `(${Math.round(counts.unique / seconds)}/s, ${counts.uniqueAtDepth2} at depth 2), ${counts.violations} violations`;
}

async function main(words: string[]): Promise<number> {
  const options = parse(words), startMs = performance.now(), { seed, holes } = options;
  const explorer = await Explorer.open({
    seed,
    holes,
    samples: SAMPLES,
    depthMax: DEPTH_MAX,
    deeperEvery: DEEPER_EVERY,
    damageEvery: 0,
  });
  await explore(explorer, options, startMs);
  const { counts, violations } = explorer, coverage = explorer.coverage;
  const seconds = (performance.now() - startMs) / 1000;
  if (options.json) console.log(JSON.stringify({ seed, seconds, counts, coverage, violations }));
  else console.log(`${summary(counts, startMs)}\npoints by the operation that did not happen:`, coverage);
  return counts.violations === 0 ? 0 : 1;
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  console.error(error.message);
  Deno.exit(2);
}
