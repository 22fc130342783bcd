/**
 * The (first, last, step) key positions of older Redis clients, and the `movablekeys` flag, both derived from key specs
 * as Redis derives them: adjoining ranges of step 1 are glued; whatever does not fit makes the keys movable.
 */
import type { KeySpec } from "./command_facts.ts";

/** Positions count the command name as 0; a negative `last` counts from the end; all 0 means no fixed keys. */
export interface LegacyRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

const NO_RANGE: LegacyRange = { first: 0, last: 0, step: 0 };

export function legacyRange(specs: readonly KeySpec[]): LegacyRange {
  const only = specs.length === 1 ? rangeOf(specs[0]!) : null;
  return only ?? glue(specs).range;
}

/** Whether some key may stand where `legacyRange` does not reach. */
export function hasMovableKeys(specs: readonly KeySpec[]): boolean {
  if (specs.length === 0) return false;
  if (specs.some((spec) => spec.flags.includes("incomplete"))) return true;
  if (specs.length === 1) return rangeOf(specs[0]!) === null;
  return !glue(specs).coversAll;
}

function glue(specs: readonly KeySpec[]): { range: LegacyRange; coversAll: boolean } {
  let range = NO_RANGE;
  let coversAll = true;
  for (const spec of specs) {
    const next = rangeOf(spec);
    if (next === null || next.step !== 1 || (range.last !== 0 && range.last !== next.first - 1)) {
      coversAll = false;
    } else {
      range = range === NO_RANGE ? next : { first: range.first, last: next.last, step: 1 };
    }
  }
  return { range, coversAll };
}

function rangeOf({ beginSearch, findKeys }: KeySpec): LegacyRange | null {
  if (beginSearch.type !== "index" || findKeys.type !== "range") return null;
  const first = beginSearch.index;
  const last = findKeys.lastKey < 0 ? findKeys.lastKey : first + findKeys.lastKey;
  return { first, last, step: findKeys.keyStep };
}
