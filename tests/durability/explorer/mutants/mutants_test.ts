/** The explorer finds each seeded bug of durability.md, by the invariant named there, and nothing in the same runs without the bug. */
import { assert, assertEquals } from "@std/assert";
import { MUTANTS } from "./mod.ts";
import { isCaught, runMutant, runWithout } from "./run_mutants.ts";

const SEED = 1;

Deno.test("there is a seeded bug for each number of durability.md", () => {
  assertEquals([...new Set(MUTANTS.map(({ number }) => number))], [...Array(24).keys()].map((i) => i + 1));
});

for (const mutant of MUTANTS) {
  Deno.test(`seeded bug ${mutant.number}, ${mutant.what}: caught as ${mutant.invariants.join(" or ")}`, async () => {
    const verdict = await runMutant(mutant, SEED), found = verdict.caughtBy;
    assert(isCaught(verdict), found === null ? "not caught" : `caught as ${found.invariant}: ${found.text}`);
    assertEquals((await runWithout(mutant, SEED)).caughtBy, null);
  });
}
