/**
 * What the explorer runs, in order: the canonical workloads without faults, all pairs of verbs, each operation of the canonical workloads
 * failing in each way it can, then workloads and faults drawn from the seed, without end. The last three take turns.
 */
import { type DiskGeometry, type DiskProfile, type Fault, USUAL_GEOMETRY } from "../../../src/io/simulated_disk/mod.ts";
import { SeededRandomness } from "../../../src/mod.ts";
import type { Scenario } from "./explorer.ts";
import { allPairs, CANONICAL, drawnWorkload, type Policy } from "./workload.ts";

export const POLICIES: readonly Policy[] = ["always", "everysec", "no"];
/** Units are torn between their commands and inside them. */
export const SMALL_GEOMETRY: DiskGeometry = { pageBytes: 256, sectorBytes: 32 };
const GEOMETRIES: readonly DiskGeometry[] = [USUAL_GEOMETRY, SMALL_GEOMETRY];

/** Runs a scenario, and says which operation was done when: the places for faults. */
export type Run = (scenario: Scenario) => Promise<readonly string[]>;

/** Feeds `run` until `isOver`. */
export async function runPlan(
  seed: number,
  profiles: readonly DiskProfile[],
  run: Run,
  isOver: () => boolean,
): Promise<void> {
  const places: { scenario: Scenario; operations: readonly string[] }[] = [];
  for (const scenario of canonical(profiles)) {
    if (isOver()) return;
    places.push({ scenario, operations: await run(scenario) });
  }
  const sources = [pairs(profiles), faulty(places), drawn(seed, profiles)];
  while (sources.length > 0) {
    for (const source of [...sources]) {
      if (isOver()) return;
      const next = source.next();
      if (next.done === true) sources.splice(sources.indexOf(source), 1);
      else await run(next.value);
    }
  }
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

function* pairs(profiles: readonly DiskProfile[]): Generator<Scenario> {
  for (const policy of POLICIES) {
    for (const workload of allPairs()) {
      for (const profile of profiles) yield { workload, policy, profile, geometry: SMALL_GEOMETRY, faults: [] };
    }
  }
}

/** Faults that an operation can have. */
export function faultsOf(operation: string): Fault[] {
  const failures: Fault[] = [{ kind: "error", code: "EIO" }, { kind: "error", code: "ENOSPC" }];
  if (operation === "sync") return [...failures, { kind: "hang", ms: 1000 }, { kind: "hang", ms: 5000 }];
  if (operation !== "write") return failures;
  return [
    ...failures,
    { kind: "error", code: "EINTR" },
    { kind: "short", bytes: 7 },
    { kind: "part", bytes: 7, code: "ENOSPC" },
    { kind: "writeback", code: "EIO" },
  ];
}

/** Every operation in every scenario, failing in every way, once or from then on. The first operations of all come first. */
function* faulty(places: readonly { scenario: Scenario; operations: readonly string[] }[]): Generator<Scenario> {
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
    const fault = pick(faultsOf(pick(["write", "sync", "syncDirectory"])));
    const faults = below(2) === 0 ? [] : [{ number: below(120), fault, isSticky: below(4) === 0 }];
    yield {
      workload: drawnWorkload(number, below),
      policy: pick(POLICIES),
      profile: pick(profiles),
      geometry: pick(GEOMETRIES),
      faults,
    };
  }
}
