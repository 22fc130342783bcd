/**
 * Faults: what may go wrong with one operation, and the plans that say which. A plan is a list of rules, or draws from a seed.
 * Deterministic: the same operations meet the same faults.
 */
import type { Randomness } from "../randomness.ts";
import type { StorageOperation } from "../storage.ts";

export type Fault =
  /** The operation does not happen. A sync that fails leaves its pages clean in the cache and open on the disk. */
  | { readonly kind: "error"; readonly code: string }
  /** write: `bytes` of it are accepted, and the call says so. */
  | { readonly kind: "short"; readonly bytes: number }
  /** write: `bytes` of it are in the file, and the call fails. */
  | { readonly kind: "part"; readonly bytes: number; readonly code: string }
  /** write: it works, but writing back fails later: the next sync through each open file that has not heard of it says so. */
  | { readonly kind: "writeback"; readonly code: string }
  /** write: the device writes the page over another one: the target stays stale, the victim is damaged. Seen after a power cut. */
  | { readonly kind: "misdirect"; readonly path: string; readonly page: number }
  /** sync: it takes this long on the clock, and fails then when there is a code. */
  | { readonly kind: "hang"; readonly ms: number; readonly code?: string }
  /** sync: reports success and makes nothing durable. */
  | { readonly kind: "lie" }
  /** read: a bit of the file has turned on the medium, before this read. */
  | { readonly kind: "bitRot"; readonly offsetBytes: number; readonly bit: number }
  /** The file system refuses all changes from now on. */
  | { readonly kind: "readOnly" };

/** An operation that is about to happen. */
export interface DiskOperation {
  /** Counts the operations that change or sync something, from 0; a call that only looks has the number of the next of them. */
  readonly number: number;
  /** Whether it does not only look. */
  readonly isChange: boolean;
  readonly operation: StorageOperation;
  readonly path: string;
}

/** Says what befalls an operation; asked once for each, in order. */
export interface FaultSource {
  next(operation: DiskOperation): Fault | null;
}

/** A rule of a plan: all that is given must match. */
export interface FaultRule {
  readonly fault: Fault;
  /** The number of a change on this disk. */
  readonly number?: number;
  readonly operation?: StorageOperation;
  /** The whole path, or its end from a slash on; `*` stands for any part of a name, `?` for one character of it. */
  readonly path?: string;
  /** The how-manieth operation that matches otherwise, from 0. */
  readonly nth?: number;
  /** Once, or from there on. */
  readonly isSticky?: boolean;
}

/** Faults by rules: the first one that matches counts. */
export class FaultPlan implements FaultSource {
  readonly #rules: readonly FaultRule[];
  readonly #patterns: readonly (RegExp | null)[];
  /** How often each rule has matched so far. */
  readonly #matches: Int32Array;

  /** `matches`: a count for each rule; in shared memory, when several threads follow one plan. */
  constructor(rules: readonly FaultRule[], matches: Int32Array = new Int32Array(rules.length)) {
    this.#rules = rules, this.#matches = matches;
    this.#patterns = rules.map(({ path }) => path === undefined || !/[*?]/.test(path) ? null : patternOf(path));
  }

  next(operation: DiskOperation): Fault | null {
    const index = this.dueRule(operation);
    return index < 0 ? null : this.#rules[index].fault;
  }

  /** The index of the rule whose fault befalls an operation, or -1; asked once for each, as `next`. */
  dueRule(operation: DiskOperation): number {
    let found = -1;
    this.#rules.forEach((rule, index) => {
      if (!matches(rule, this.#patterns[index], operation)) return;
      const nth = Atomics.add(this.#matches, index, 1);
      const isDue = rule.isSticky === true ? nth >= (rule.nth ?? 0) : nth === (rule.nth ?? 0);
      if (isDue && found < 0) found = index;
    });
    return found;
  }
}

function matches(
  rule: FaultRule,
  pattern: RegExp | null,
  { number, isChange, operation, path }: DiskOperation,
): boolean {
  if (rule.number !== undefined) {
    if (!isChange || number < rule.number || (rule.isSticky !== true && number > rule.number)) return false;
  }
  if (rule.operation !== undefined && rule.operation !== operation) return false;
  if (pattern !== null) return pattern.test(path);
  return rule.path === undefined || path === rule.path || path.endsWith(`/${rule.path}`);
}

function patternOf(path: string): RegExp {
  const escaped = path.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
  return new RegExp(`^(.*/)?${escaped}$`);
}

/** What each operation may meet, drawn with equal odds. */
const POSSIBLE: Readonly<Partial<Record<StorageOperation, readonly Fault[]>>> = {
  open: [{ kind: "error", code: "EIO" }, { kind: "error", code: "ENOSPC" }, { kind: "error", code: "EMFILE" }],
  read: [{ kind: "error", code: "EIO" }],
  write: [
    { kind: "error", code: "EIO" },
    { kind: "error", code: "ENOSPC" },
    { kind: "error", code: "EINTR" },
    { kind: "short", bytes: 1 },
    { kind: "short", bytes: 100 },
    { kind: "part", bytes: 7, code: "ENOSPC" },
    { kind: "writeback", code: "EIO" },
  ],
  sync: [
    { kind: "error", code: "EIO" },
    { kind: "error", code: "ENOSPC" },
    { kind: "hang", ms: 1000 },
    { kind: "hang", ms: 5000 },
    { kind: "hang", ms: 30_000 },
  ],
  syncDirectory: [{ kind: "error", code: "EIO" }],
  truncate: [{ kind: "error", code: "EIO" }],
  rename: [{ kind: "error", code: "EIO" }, { kind: "error", code: "ENOSPC" }],
  link: [{ kind: "error", code: "EMLINK" }],
  remove: [{ kind: "error", code: "EIO" }],
  makeDirectory: [{ kind: "error", code: "ENOSPC" }],
};

/** A fault in one of `every` operations that can have one, of a kind that it can have. */
export class SeededFaults implements FaultSource {
  readonly #randomness: Randomness;
  readonly #every: number;

  constructor(randomness: Randomness, every: number) {
    this.#randomness = randomness, this.#every = every;
  }

  next({ operation }: DiskOperation): Fault | null {
    const possible = POSSIBLE[operation];
    if (possible === undefined || this.#randomness.below(this.#every) !== 0) return null;
    return possible[this.#randomness.below(possible.length)];
  }
}
