/** The seeded bugs of durability.md, by number. */
import { LOADING_MUTANTS } from "./loading_mutants.ts";
import { LOG_MUTANTS } from "./log_mutants.ts";
import { MANIFEST_MUTANTS } from "./manifest_mutants.ts";
import type { Mutant } from "./mutant.ts";
import { SNAPSHOT_MUTANTS } from "./snapshot_mutants.ts";

export type { Mutant };

export const MUTANTS: readonly Mutant[] = [
  ...MANIFEST_MUTANTS,
  ...LOG_MUTANTS,
  ...LOADING_MUTANTS,
  ...SNAPSHOT_MUTANTS,
].sort((one, two) => one.number - two.number);
