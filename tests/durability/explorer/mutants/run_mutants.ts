/** Runs seeded bugs until each is caught, and says by which invariant. */
import { UNCHANGED } from "../engine.ts";
import { Explorer, type ExplorerOptions, type Violation } from "../explorer.ts";
import { textTable } from "../coverage.ts";
import type { Mutant } from "./mutant.ts";

export interface Verdict {
  readonly number: number;
  readonly what: string;
  readonly expected: readonly string[];
  /** The first violation. */
  readonly caughtBy: Violation | null;
  readonly unique: number;
  readonly seconds: number;
}

const OPTIONS: ExplorerOptions = {
  seed: 1,
  samples: 4,
  depthMax: 1,
  deeperEvery: 1,
  damageEvery: 0,
  holes: false,
};

export function isCaught({ caughtBy, expected }: Verdict): boolean {
  return caughtBy !== null && expected.includes(caughtBy.invariant);
}

export async function runMutant(mutant: Mutant, seed: number, isOver: () => boolean = () => false): Promise<Verdict> {
  return await run(mutant, seed, isOver, false);
}

/** The same runs on the server as it is: nothing may be found. */
export async function runWithout(mutant: Mutant, seed: number, isOver: () => boolean = () => false): Promise<Verdict> {
  return await run(mutant, seed, isOver, true);
}

async function run(mutant: Mutant, seed: number, isOver: () => boolean, isSound: boolean): Promise<Verdict> {
  const startMs = performance.now(), { number, what, invariants, scenarios } = mutant;
  const options = { ...OPTIONS, ...mutant.options, seed };
  const explorer = await Explorer.open(options, isSound ? UNCHANGED : mutant.mutation);
  for (const scenario of scenarios) {
    if (isOver() || explorer.violations.length > 0) break;
    await explorer.explore(scenario, () => isOver() || explorer.violations.length > 0);
  }
  return {
    number,
    what,
    expected: invariants,
    caughtBy: explorer.violations[0] ?? null,
    unique: explorer.counts.unique,
    seconds: (performance.now() - startMs) / 1000,
  };
}

export function formatVerdicts(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map((one) => [
    String(one.number),
    one.what,
    one.expected.join(" or "),
    one.caughtBy?.invariant ?? "not caught",
    isCaught(one) ? "yes" : "NO",
    String(one.unique),
    one.seconds.toFixed(2),
  ]);
  return textTable(["", "seeded bug", "expected", "broken", "caught", "states", "s"], rows);
}
