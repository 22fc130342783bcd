/** What an exploration has found, in words: a summary, violations with what led to them, and the command that shows one again. */
import { formatTimelineEntry } from "../../../src/io/simulated_disk/mod.ts";
import type { Arguments } from "./arguments.ts";
import type { CoverageTables } from "./coverage.ts";
import type { Counts, Violation } from "./explorer.ts";
import type { Step } from "./workload.ts";

export interface Result {
  readonly counts: Counts;
  readonly coverage: CoverageTables;
  readonly violations: readonly Violation[];
}

const STEP_CHARACTERS_MAX = 40;

export function summaryOf(counts: Counts, seconds: number): string {
  const { runs, unique, uniqueAtDepth2, uniqueAfterFaultyStart, damaged, violations } = counts;
  return `${seconds.toFixed(0)} s, ${runs} runs, ${unique} unique states (${Math.round(unique / seconds)}/s; ` +
    `${share(uniqueAtDepth2, unique)} at depth 2 and more, ${
      share(uniqueAfterFaultyStart, unique)
    } of starts that met a ` +
    `fault), ${damaged} damaged images, ${violations} violations`;
}

function share(part: number, whole: number): string {
  return `${whole === 0 ? 0 : Math.round((part * 100) / whole)} %`;
}

export function replayOf({ scenario }: Violation, { seed, holes, damage }: Arguments): string {
  const flags = `${holes ? "" : " --holes no"}${damage ? "" : " --damage no"}`;
  return `deno task crash --seed ${seed}${flags} --scenario '${JSON.stringify(scenario).replaceAll("'", "'\\''")}'`;
}

export function stepText(step: Step): string {
  if (step.do === "unit") return step.commands.flat().join(" ").slice(0, STEP_CHARACTERS_MAX);
  const { do: verb, ...rest } = step;
  return [verb, ...Object.values(rest)].join(" ");
}

export function violationText(violation: Violation, options: Arguments): string {
  const { invariant, text, scenario, timeline, end, fates } = violation;
  const { workload, policy, profile, geometry, faults } = scenario;
  return [
    `\n${invariant} broken: ${text}`,
    `  "${workload.name}" shrunk to: ${workload.steps.map(stepText).join("; ")}`,
    `  appendfsync ${policy}, ${profile}, pages of ${geometry.pageBytes} bytes, faults ${JSON.stringify(faults)}`,
    ...timeline.map((entry) => `    ${formatTimelineEntry(entry)}`),
    ...end === null ? [] : [`    -- ${end}`, ...fates.map((fate) => `    ${fate}`)],
    `  again: ${replayOf(violation, options)}`,
  ].join("\n");
}
