/**
 * Makes a violation smaller: takes steps and faults away as long as the same invariant breaks. Each try explores from the beginning.
 */
import type { Explorer, Scenario, Violation } from "./explorer.ts";

/** The smallest one found; the timeline is its own. */
export async function shrink(explorer: Explorer, violation: Violation): Promise<Violation> {
  let smallest = violation;
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (const scenario of smallerThan(smallest.scenario)) {
      const found = await find(explorer, scenario, violation.invariant);
      if (found === undefined) continue;
      smallest = found, isSmaller = true;
      break;
    }
  }
  return smallest;
}

/** Without one step, the last ones first; without one fault. */
function* smallerThan(scenario: Scenario): Generator<Scenario> {
  const { workload, faults } = scenario;
  for (let i = workload.steps.length - 1; i >= 0; i--) {
    yield { ...scenario, workload: { ...workload, steps: workload.steps.toSpliced(i, 1) } };
  }
  for (let i = 0; i < faults.length; i++) yield { ...scenario, faults: faults.toSpliced(i, 1) };
}

async function find(explorer: Explorer, scenario: Scenario, invariant: string): Promise<Violation | undefined> {
  const fresh = explorer.sibling(), found = () => fresh.violations.find((one) => one.invariant === invariant);
  await fresh.explore(scenario, () => found() !== undefined);
  return found();
}
