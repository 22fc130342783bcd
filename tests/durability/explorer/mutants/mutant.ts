/** A seeded bug: a number of durability.md, what is wrong, and the runs in which the explorer meets it. */
import { type DiskProfile, type FaultRule } from "../../../../src/io/simulated_disk/mod.ts";
import type { Mutation } from "../engine.ts";
import type { ExplorerOptions, Scenario } from "../explorer.ts";
import { SMALL_GEOMETRY } from "../plan.ts";
import { CANONICAL, type Policy } from "../workload.ts";

export interface Mutant {
  readonly number: number;
  readonly what: string;
  /** Those that durability.md names: one of them must be the first that breaks. */
  readonly invariants: readonly string[];
  readonly mutation: Mutation;
  /** Explored in order until the bug is caught. */
  readonly scenarios: readonly Scenario[];
  /** What the explorer does otherwise than usual. */
  readonly options?: Partial<ExplorerOptions>;
}

/** A canonical workload, with pages of 256 bytes. */
export function scenarioOf(
  name: string,
  policy: Policy,
  profile: DiskProfile = "strict",
  faults: readonly FaultRule[] = [],
): Scenario {
  const workload = CANONICAL.find((one) => one.name === name);
  if (workload === undefined) throw new RangeError(`there is no workload "${name}"`);
  return { workload, policy, profile, geometry: SMALL_GEOMETRY, faults };
}
