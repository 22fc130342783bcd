/** The explorer finds each seeded bug of durability.md, by the invariant named there, and nothing in the same runs without the bug. */
import { assert, assertEquals } from "@std/assert";
import { MUTANTS } from "./mod.ts";
import { isCaught, runMutant, runWithout } from "./run_mutants.ts";

const SEED = 1;
/** These need a log that tells damage from a torn end. */
const UNCHECKED_LOG = [15, 16, 20, 24];

for (const mutant of MUTANTS.filter(({ number }) => !UNCHECKED_LOG.includes(number))) {
  Deno.test(`seeded bug ${mutant.number}, ${mutant.what}: caught as ${mutant.invariants.join(" or ")}`, async () => {
    const verdict = await runMutant(mutant, SEED), found = verdict.caughtBy;
    assert(isCaught(verdict), found === null ? "not caught" : `caught as ${found.invariant}: ${found.text}`);
    assertEquals((await runWithout(mutant, SEED)).caughtBy, null);
  });
}
