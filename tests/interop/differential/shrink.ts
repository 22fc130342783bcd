/** Delta debugging: makes a failing sequence small while it still fails. */

import { type Round, runSteps } from "./comparison_run.ts";
import type { ServerPair } from "./server_pair.ts";
import { isPlain, type Step, type Words } from "./step.ts";

/**
 * Removes pieces, large ones first, as long as `stillFails` says so; stops when no single item can go, or when `mayGoOn` is over.
 * The order of items stays.
 */
export async function minimize<T>(
  items: readonly T[],
  stillFails: (candidate: readonly T[]) => Promise<boolean>,
  mayGoOn: () => boolean,
): Promise<readonly T[]> {
  let best = items, size = Math.ceil(items.length / 2);
  while (size >= 1 && mayGoOn()) {
    const before = best.length;
    for (let start = 0; start < best.length && mayGoOn();) {
      const candidate = best.toSpliced(start, size);
      if (await stillFails(candidate)) best = candidate;
      else start += size;
    }
    if (size > 1) size = Math.ceil(size / 2);
    else if (best.length === before) break;
  }
  return best;
}

/** A reply of EXEC holds what was queued, which is then compared byte for byte. */
function transactionsArePlain(steps: readonly Step[]): boolean {
  let inside = false;
  for (const step of steps) {
    const name = String(step.commands[0][0]).toUpperCase();
    if (name === "EXEC" || name === "DISCARD") inside = false;
    if (inside && !isPlain(step)) return false;
    if (name === "MULTI") inside = true;
  }
  return true;
}

/** The smallest sequence found in the time given that still makes the servers differ, in whatever way. */
export function shrinkFailing(
  pair: ServerPair,
  round: Round,
  steps: readonly Step[],
  maxMs: number,
): Promise<readonly Step[]> {
  const deadlineMs = performance.now() + maxMs;
  return shrinkSteps(
    steps,
    async (candidate) => transactionsArePlain(candidate) && await runSteps(pair, round, candidate) !== undefined,
    () => performance.now() < deadlineMs,
  );
}

/** Fewer steps, then fewer words in those that are no groups: part of a group could block for ever. */
export async function shrinkSteps(
  steps: readonly Step[],
  stillFails: (candidate: readonly Step[]) => Promise<boolean>,
  mayGoOn: () => boolean,
): Promise<readonly Step[]> {
  let best = await minimize(steps, stillFails, mayGoOn);
  for (let index = 0; index < best.length && mayGoOn(); index++) {
    if (best[index].fixed || !isPlain(best[index])) continue;
    const [words] = best[index].commands;
    const withWords = (rest: Words) => best.with(index, { commands: [[words[0], ...rest]] });
    best = withWords(await minimize(words.slice(1), (rest) => stillFails(withWords(rest)), mayGoOn));
  }
  return best;
}
