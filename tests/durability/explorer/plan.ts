/**
 * What the explorer runs. First some of the canonical workloads, without faults; then take turns: each kind of operation failing in each way
 * it can, all pairs of verbs, the other canonical workloads, workloads and faults drawn from the seed, without end; and when it is known
 * what the canonical workloads do, each of their operations failing in each way.
 */
import {
  type DiskGeometry,
  type DiskProfile,
  type Fault,
  type FaultRule,
  USUAL_GEOMETRY,
} from "../../../src/io/simulated_disk/mod.ts";
import { SeededRandomness } from "../../../src/mod.ts";
import type { Scenario } from "./explorer.ts";
import { faultsOf, OPERATIONS } from "./possible_faults.ts";
import { allPairs, CANONICAL, drawnWorkload, type Policy } from "./workload.ts";

export const POLICIES: readonly Policy[] = ["always", "everysec", "no"];
/** Units are torn between their commands and inside them. */
export const SMALL_GEOMETRY: DiskGeometry = { pageBytes: 256, sectorBytes: 32 };
/** Faults are drawn among the first operations of a kind. */
const FAULT_NTH_MAX = 20;
const GEOMETRIES: readonly DiskGeometry[] = [USUAL_GEOMETRY, SMALL_GEOMETRY];

/** Runs a scenario, and says which operation was done when: the places for faults. */
export type Run = (scenario: Scenario) => Promise<readonly string[]>;

interface Place {
  readonly scenario: Scenario;
  readonly operations: readonly string[];
}

/** Feeds `run` until `isOver`. */
export async function runPlan(
  seed: number,
  profiles: readonly DiskProfile[],
  run: Run,
  isOver: () => boolean,
): Promise<void> {
  const places: Place[] = [], all = [...canonical(profiles)], first = all.filter(isFirst);
  for (const scenario of first) {
    if (isOver()) return;
    places.push({ scenario, operations: await run(scenario) });
  }
  const rest = all.filter((scenario) => !isFirst(scenario)).values();
  const sources: Iterator<Scenario, void>[] = [eachFault(places), pairs(profiles), drawn(seed, profiles), rest];
  while (!isOver()) {
    for (const source of [...sources]) {
      if (isOver()) return;
      const next = source.next();
      if (next.done !== true) {
        const operations = await run(next.value);
        if (source === rest) places.push({ scenario: next.value, operations });
        continue;
      }
      sources.splice(sources.indexOf(source), 1);
      if (source === rest) sources.push(faulty(places));
    }
  }
}

/** What `eachFault` looks for its places in. */
function isFirst({ policy, geometry }: Scenario): boolean {
  return policy === "everysec" && geometry === USUAL_GEOMETRY;
}

function* canonical(profiles: readonly DiskProfile[]): Generator<Scenario> {
  for (const geometry of GEOMETRIES) {
    for (const profile of profiles) {
      for (const policy of POLICIES) {
        for (const workload of CANONICAL) yield { workload, policy, profile, geometry, faults: [] };
      }
    }
  }
}

/** All pairs in turn, with another profile and policy each time; first on a disk with pages of the usual size, which is quick. */
function* pairs(profiles: readonly DiskProfile[]): Generator<Scenario> {
  for (const geometry of GEOMETRIES) {
    for (let turn = 0; turn < profiles.length * POLICIES.length; turn++) {
      for (const [i, workload] of allPairs().entries()) {
        const profile = profiles[(i + turn) % profiles.length];
        const policy = POLICIES[(i + Math.floor(turn / profiles.length)) % POLICIES.length];
        yield { workload, policy, profile, geometry, faults: [] };
      }
    }
  }
}

/** Each kind of operation failing in each way, somewhere: so that nothing is left out when there is little time. */
function* eachFault(places: readonly Place[]): Generator<Scenario> {
  for (const operation of OPERATIONS) {
    for (const fault of faultsOf(operation)) {
      for (const isSticky of [false, true]) yield* ruledBy(places, { operation, fault, isSticky });
    }
  }
}

/** The rule in a run where it applies: the second time that there is such an operation, if there is one. */
function* ruledBy(places: readonly Place[], rule: FaultRule): Generator<Scenario> {
  const scenario = places.find((one) => one.scenario.policy === "everysec" && isIn(one, rule.operation!))?.scenario;
  if (scenario !== undefined) return yield { ...scenario, faults: [{ ...rule, nth: 1 }] };
  const log = places.find((one) => one.scenario.policy === "everysec" && one.scenario.workload.name === "kills");
  if (log === undefined) return;
  // Only a write that failed is cut off; only a start reads.
  const path = "appendonly.aof.1.incr.aof", part: Fault = { kind: "part", bytes: 7, code: "ENOSPC" };
  const before: readonly FaultRule[] = rule.operation === "truncate"
    ? [{ operation: "write", path, nth: 1, fault: part }]
    : [];
  yield { ...log.scenario, faults: [...before, rule] };
}

function isIn({ operations }: Place, operation: string): boolean {
  return operations.filter((one) => one === operation).length > 1;
}

/** Every operation in every scenario, failing in every way, once or from then on. The first operations of all come first. */
function* faulty(places: readonly Place[]): Generator<Scenario> {
  const longest = Math.max(0, ...places.map(({ operations }) => operations.length));
  for (let number = 0; number < longest; number++) {
    for (const { scenario, operations } of places) {
      if (number >= operations.length) continue;
      for (const fault of faultsOf(operations[number])) {
        for (const isSticky of [false, true]) yield { ...scenario, faults: [{ number, fault, isSticky }] };
      }
    }
  }
}

function* drawn(seed: number, profiles: readonly DiskProfile[]): Generator<Scenario> {
  const randomness = new SeededRandomness(seed), below = (n: number) => randomness.below(n);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)];
  for (let number = 0;; number++) {
    const operation = pick(OPERATIONS), fault = pick(faultsOf(operation));
    const rule: FaultRule = { operation, fault, nth: below(FAULT_NTH_MAX), isSticky: below(4) === 0 };
    const faults = below(2) === 0 ? [] : [rule];
    yield {
      workload: drawnWorkload(number, below),
      policy: pick(POLICIES),
      profile: pick(profiles),
      geometry: pick(GEOMETRIES),
      faults,
    };
  }
}
