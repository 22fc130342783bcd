/**
 * What must be found after a crash at some point, and whether what was found keeps that.
 *
 *   states[k]  digest of the model after k units          lowest … highest   the k that a start may find
 *
 * Without a log only cuts may be found: the k at which a save froze the data set.
 */
import type { Recovered } from "./state_table.ts";
import type { Mode, Policy } from "./workload.ts";

export interface Promised {
  readonly mode: Mode;
  readonly policy: Policy;
  readonly states: readonly string[];
  /** After a power cut; and when only the process died. */
  readonly lowest: number;
  readonly lowestAfterKill: number;
  readonly highest: number;
  /** Mode `rdb`: the k that saves have frozen so far. */
  readonly cuts: ReadonlySet<number> | null;
  /** A sync has failed: a start may refuse rather than guess (durability.md, items 5 to 7). */
  readonly mayRefuse: boolean;
  /** A start that was interrupted must find what it found the first time. */
  readonly isSecondStart: boolean;
}

export interface Broken {
  readonly invariant: string;
  readonly text: string;
}

/** Null when the promise is kept. */
export function judge(promised: Promised, recovered: Recovered, isKill: boolean): Broken | null {
  const { states, mode, isSecondStart } = promised;
  if (recovered.refusal !== null) {
    if (promised.mayRefuse) return null;
    return { invariant: isSecondStart ? "I8" : "I7", text: `the server refuses to start: ${recovered.refusal}` };
  }
  const lowest = isKill ? promised.lowestAfterKill : promised.lowest, found = states.lastIndexOf(recovered.digest);
  const expected = `expected ${lowest} to ${promised.highest} units`;
  if (found < 0) {
    const invariant = isSecondStart ? "I8" : mode === "aof" ? "I1" : "I5";
    return { invariant, text: `what was recovered is no state that ever was; ${expected}` };
  }
  if (found < lowest) {
    return { invariant: lossOf(promised, isKill), text: `${found} units were recovered; ${expected}` };
  }
  if (found > promised.highest) {
    return { invariant: "I1", text: `${found} units were recovered, more than were sent; ${expected}` };
  }
  if (promised.cuts !== null && !promised.cuts.has(found)) {
    return {
      invariant: "I5",
      text: `${found} units were recovered, which no save has frozen; saves froze ${[...promised.cuts]}`,
    };
  }
  return null;
}

/** The invariant that too few units break. */
function lossOf({ mode, policy, isSecondStart }: Promised, isKill: boolean): string {
  if (isSecondStart) return "I8";
  if (mode === "rdb") return "I5";
  if (isKill || policy === "always") return "I2";
  return policy === "everysec" ? "I3" : "I4";
}
