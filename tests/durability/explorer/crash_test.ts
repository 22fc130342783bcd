/** The explorer as CI runs it: a fixed seed, on all cores, over 60,000 images with everything that a disk may do to them. */
import { assert, assertEquals } from "@std/assert";
import { parseArguments } from "./arguments.ts";
import { Jobs } from "./jobs.ts";
import { violationText } from "./report.ts";

const STATES = 60_000;

Deno.test(`no promise is broken in ${STATES} images, whatever the disk does, and wherever it is damaged`, async () => {
  const options = parseArguments(["--seed", "1", "--minutes", "10", "--states", String(STATES)], 2);
  const { counts, violations } = await new Jobs(options).result(() => {});
  assertEquals(violations.map((one) => violationText(one, options)), []);
  assert(counts.unique >= STATES, `${counts.unique} images`);
  assert(counts.uniqueAtDepth2 > counts.unique / 5, `${counts.uniqueAtDepth2} of crashes during a start`);
  assert(counts.uniqueAfterFaultyStart > 0 && counts.damaged > 0);
});
