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

/** Fewer steps, then fewer commands in a group, then fewer words in a command. */
export async function shrinkSteps(
  steps: readonly Step[],
  stillFails: (candidate: readonly Step[]) => Promise<boolean>,
  mayGoOn: () => boolean,
): Promise<readonly Step[]> {
  let best = await minimize(steps, stillFails, mayGoOn);
  for (let index = 0; index < best.length && mayGoOn(); index++) {
    const step = best[index];
    if (step.forRedis !== undefined || step.compare !== undefined) continue;
    const withCommands = (commands: readonly Words[]) => best.with(index, { commands });
    const commands = step.commands.length === 1
      ? step.commands
      : await minimize(step.commands, async (candidate) =>
        candidate.length > 0 && await stillFails(withCommands(candidate)), mayGoOn);
    best = withCommands(commands);
    for (const [at, words] of commands.entries()) {
      const withWords = (rest: Words) => withCommands(best[index].commands.with(at, [words[0], ...rest]));
      const rest = await minimize(words.slice(1), (candidate) => stillFails(withWords(candidate)), mayGoOn);
      best = withWords(rest);
    }
  }
  return best;
}
