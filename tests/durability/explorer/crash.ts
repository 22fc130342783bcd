/**
 * Takes the power away from a simulated server, again and again, and checks what is left.
 *
 *   deno task crash [--seed n] [--minutes m] [--profile ext4|strict|kill|all] [--json]
 *
 * Exits with 0 when nothing was found, 1 when a promise was broken, 2 when the arguments make no sense.
 */
import { parseArgs } from "@std/cli";
import { type DiskProfile } from "../../../src/io/simulated_disk/mod.ts";
import { Explorer, type Scenario, type Violation } from "./explorer.ts";
import { runPlan } from "./plan.ts";

const PROFILES: Readonly<Record<string, readonly DiskProfile[]>> = {
  kill: ["kill"],
  ext4: ["ext4"],
  strict: ["strict"],
  all: ["ext4", "strict", "kill"],
};
const PROGRESS_EVERY_MS = 500;

interface Arguments {
  readonly seed: number;
  readonly minutes: number;
  readonly profiles: readonly DiskProfile[];
  readonly json: boolean;
}

function parse(words: string[]): Arguments {
  const unknown: string[] = [];
  const found = parseArgs(words, {
    string: ["seed", "minutes", "profile"],
    boolean: ["json"],
    default: { seed: "1", minutes: "1", profile: "all" },
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
  return { seed, minutes, profiles, json: found.json === true };
}

function nameOf({ workload, policy, profile, geometry, faults }: Scenario): string {
  const fault = faults.map(({ number, fault, isSticky }) =>
    `, ${JSON.stringify(fault)} ${isSticky ? "from" : "at"} operation ${number}`
  );
  return `"${workload.name}", appendfsync ${policy}, ${profile}, pages of ${geometry.pageBytes} bytes${fault.join("")}`;
}

function report({ invariant, text, scenario, timeline }: Violation): string {
  return [`\n${invariant} broken: ${text}`, `  in ${nameOf(scenario)}`, ...timeline.map((line) => `    ${line}`)].join(
    "\n",
  );
}

async function main(words: string[]): Promise<number> {
  const { seed, minutes, profiles, json } = parse(words), startMs = performance.now();
  const explorer = await Explorer.open({ seed, samples: 8, depthMax: 2, deeperEvery: 5 });
  const { counts, violations, coverage } = explorer, elapsedS = () => (performance.now() - startMs) / 1000;
  const isOver = () => elapsedS() >= minutes * 60, isShown = !json && Deno.stderr.isTerminal();
  let shownMs = 0, shownViolations = 0;
  const line = () =>
    `${elapsedS().toFixed(0)} s, ${counts.runs} runs, ${counts.unique} unique states ` +
    `(${
      Math.round(counts.unique / elapsedS())
    }/s, ${counts.uniqueAtDepth2} at depth 2), ${counts.violations} violations`;
  await runPlan(seed, profiles, async (scenario) => {
    const operations = await explorer.explore(scenario, isOver);
    if (!json) {
      for (; shownViolations < violations.length; shownViolations++) console.log(report(violations[shownViolations]));
    }
    if (isShown && performance.now() - shownMs > PROGRESS_EVERY_MS) {
      shownMs = performance.now();
      await Deno.stderr.write(new TextEncoder().encode(`\r${line()}\x1b[K`));
    }
    return operations;
  }, isOver);
  if (json) {
    console.log(
      JSON.stringify({ seed, seconds: elapsedS(), counts, coverage: Object.fromEntries(coverage), violations }),
    );
  } else {console.log(
      `${isShown ? "\r\x1b[K" : ""}\n${line()}\npoints by the operation that did not happen:`,
      Object.fromEntries(coverage),
    );}
  return counts.violations === 0 ? 0 : 1;
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  console.error(error.message);
  Deno.exit(2);
}
