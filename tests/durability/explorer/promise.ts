/**
 * What must be found after a crash at some point, and whether what was found keeps that.
 *
 *   states[k]  digest of the model after k units          lowest … highest   the k that a start may find
 *
 * Without a log only cuts may be found: the k at which a save froze the data set.
 */
import type { Recovered } from "./state_table.ts";
import type { Mode, Policy } from "./workload.ts";

/** Something that a server said: so many units are durable. The invariant is broken when they are not. */
export interface Vouched {
  readonly invariant: string;
  readonly units: number;
}

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
  /** What the server vouched for beyond its policy; part of `lowest`. */
  readonly vouched: readonly Vouched[];
  /** A sync has failed: a start may refuse rather than guess (durability.md, items 5 to 7). */
  readonly mayRefuse: boolean;
  /** A start that was interrupted must find what it found the first time. */
  readonly isSecondStart: boolean;
}

export interface Broken {
  readonly invariant: string;
  readonly text: string;
}

/** A file that the manifest names is not there: whatever the disk did, that is a wrong order of operations. */
const MISSING = /doesn't exist/;
/** Refusals that are about which files there are, not about what is in a log. */
const ABOUT_FILES = /AOF MANIFEST|doesn't exist|not the last file/;

/** Null when the promise is kept. */
export function judge(promised: Promised, recovered: Recovered, isKill: boolean): Broken | null {
  const { states } = promised;
  if (recovered.broken !== null) return recovered.broken;
  if (recovered.refusal !== null) return judgeRefusal(promised, recovered.refusal, isKill);
  const lowest = isKill ? promised.lowestAfterKill : promised.lowest, found = states.lastIndexOf(recovered.digest);
  const expected = `expected ${lowest} to ${promised.highest} units`;
  if (found < 0) {
    return {
      invariant: unknownStateOf(promised, recovered),
      text: `what was recovered is no state that ever was; ${expected}`,
    };
  }
  if (found < lowest) {
    return {
      invariant: lossOf(promised, recovered, found, isKill),
      text: `${found} units were recovered; ${expected}`,
    };
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

function judgeRefusal({ mayRefuse, isSecondStart }: Promised, refusal: string, isKill: boolean): Broken | null {
  const text = `the server refuses to start: ${refusal}`;
  if (MISSING.test(refusal)) return { invariant: "I7", text };
  if (mayRefuse) return null;
  // A killed process leaves exactly what it wrote: what cannot be read then is no log.
  if (isKill && !ABOUT_FILES.test(refusal)) return { invariant: isSecondStart ? "I8" : "I1", text };
  return { invariant: isSecondStart && !ABOUT_FILES.test(refusal) ? "I8" : "I7", text };
}

/** The invariant that a state breaks that never was, or for a second start is not what the first one found. */
function unknownStateOf({ mode, isSecondStart }: Promised, { found: { log } }: Recovered): string {
  if (mode === "rdb") return "I5";
  if (!isSecondStart) return "I1";
  return log ? "I8" : "I7";
}

/** The invariant that too few units break. */
function lossOf(promised: Promised, { found: { log, dump } }: Recovered, found: number, isKill: boolean): string {
  const { mode, policy, vouched, mayRefuse } = promised;
  if (mode === "rdb") return "I5";
  // There had been a log, and no trace of it is left: it is the names that were lost.
  if (!log) return dump ? "I6" : "I7";
  if (mayRefuse) return "I9";
  if (isKill || policy === "always") return "I2";
  const vouch = vouched.find(({ units }) => found < units);
  if (vouch !== undefined) return vouch.invariant;
  return policy === "everysec" ? "I3" : "I4";
}
