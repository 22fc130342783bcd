/**
 * What is different between two data sets: keys that were added, removed, given another value or another expiry. Values are compared, not
 * bytes of files: an encoding or an order of fields makes no difference.
 *
 * Of a key in the first set a table keeps fingerprints of name and value (64 bits each), its size, type and expiry. As the table has room for
 * so many keys only, larger sets are compared a part of their keys at a time, by hash, each in passes over both files: memory does not grow
 * with them. The hash of names is keyed by chance.
 */
import { KeyedHash } from "../../base/siphash.ts";
import { TYPE_NAMES } from "../../keyspace/entry.ts";
import type { DataSource, OnProgress } from "./data_source.ts";
import type { KeyFacts } from "./key_facts.ts";
import { type BigKey, bigKey } from "./memory_account.ts";
import { PrefixTree } from "./prefix_tree.ts";

const KEYS_PER_PART = 1 << 21;
const FULL = 3 / 4;

export const CHANGES = ["added", "removed", "changed", "expiry"] as const;
export type Change = (typeof CHANGES)[number];

export interface Difference {
  readonly change: Change;
  /** As it is in the second set; as it was, when it was removed. */
  readonly key: BigKey;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface ChangeSums {
  keys: number;
  bytesBefore: number;
  bytesAfter: number;
}

/** Sums of a prefix: bytes before and after of keys that differ, added up; their number; the difference of these bytes. */
export const DIFF_SUM = { weight: 0, keys: 1, growth: 2 } as const;

export interface DiffOptions {
  readonly before: DataSource;
  readonly after: DataSource;
  readonly keysBefore: number;
  readonly top: number;
  readonly separators: string;
  readonly folds: boolean;
  readonly random: () => number;
  /** Keys of one part; fewer are for tests. */
  readonly keysPerPart?: number;
  readonly onDifference: (difference: Difference) => void;
  readonly onProgress: OnProgress;
}

export class DataDiff {
  readonly #o: DiffOptions;
  readonly #table: KeyTable;
  readonly #parts: number;
  #part = 0;
  sameKeys = 0;
  readonly byChange: Readonly<Record<Change, ChangeSums>> = {
    added: newSums(),
    removed: newSums(),
    changed: newSums(),
    expiry: newSums(),
  };
  /** Of all that differ, by type in the second set. */
  readonly byType: ChangeSums[] = TYPE_NAMES.map(newSums);
  readonly prefixes: PrefixTree;
  /** Those that differ most in size. */
  readonly largest: Difference[] = [];
  readonly #sums = new Float64Array(3);

  constructor(options: DiffOptions) {
    this.#o = options;
    const { keysBefore, separators, folds, random, keysPerPart = KEYS_PER_PART } = options;
    this.#parts = Math.max(1, Math.ceil(keysBefore / keysPerPart));
    this.#table = new KeyTable(Math.min(keysBefore, keysPerPart), random);
    this.prefixes = new PrefixTree({ separators, folds, measures: this.#sums.length });
  }

  /** Both sets can be read to their ends. @throws {StorageError} */
  run(): void {
    const { before, after } = this.#o, table = this.#table;
    for (this.#part = 0; this.#part < this.#parts; this.#part++) {
      table.clear();
      this.#pass(before, 0, () => table.put());
      this.#pass(after, 1, (facts) => this.#compare(facts));
      if (table.unseen > 0) this.#pass(before, 2, (facts) => this.#lookForRemoved(facts));
    }
  }

  /** The keys of the part, one after the other, in `table.current`. */
  #pass(source: DataSource, pass: number, visit: (facts: KeyFacts) => void): void {
    const table = this.#table, parts = this.#parts, part = this.#part;
    const progress: OnProgress = (share) => this.#o.onProgress((part + (pass + share) / 3) / parts);
    source.forEach((facts) => table.point(facts, parts) === part && visit(facts), progress);
  }

  #compare(facts: KeyFacts): void {
    const table = this.#table;
    if (!table.find()) return this.#found("added", facts, 0, facts.memoryBytes);
    table.see();
    const bytesBefore = table.bytes;
    if (!table.isSameValue(facts)) this.#found("changed", facts, bytesBefore, facts.memoryBytes);
    else if (table.expiresAtMs !== facts.expiresAtMs) this.#found("expiry", facts, bytesBefore, facts.memoryBytes);
    else this.sameKeys++;
  }

  #lookForRemoved(facts: KeyFacts): void {
    if (this.#table.find() && !this.#table.isSeen) this.#found("removed", facts, facts.memoryBytes, 0);
  }

  #found(change: Change, facts: KeyFacts, bytesBefore: number, bytesAfter: number): void {
    for (const sums of [this.byChange[change], this.byType[facts.type]]) {
      sums.keys++, sums.bytesBefore += bytesBefore, sums.bytesAfter += bytesAfter;
    }
    const sums = this.#sums;
    sums[DIFF_SUM.weight] = bytesBefore + bytesAfter, sums[DIFF_SUM.keys] = 1;
    sums[DIFF_SUM.growth] = bytesAfter - bytesBefore;
    this.prefixes.add(facts.key, facts.keyLength, sums);
    const difference: Difference = { change, key: bigKey(facts, facts.length), bytesBefore, bytesAfter };
    this.#keepLargest(difference);
    this.#o.onDifference(difference);
  }

  #keepLargest(difference: Difference): void {
    const { largest } = this, { top } = this.#o, size = growthOf(difference);
    if (largest.length === top && (top === 0 || size <= growthOf(largest[largest.length - 1]))) return;
    let at = largest.length;
    while (at > 0 && growthOf(largest[at - 1]) < size) at--;
    largest.splice(at, 0, difference);
    if (largest.length > top) largest.pop();
  }
}

function growthOf({ bytesBefore, bytesAfter }: Difference): number {
  return Math.abs(bytesAfter - bytesBefore);
}

function newSums(): ChangeSums {
  return { keys: 0, bytesBefore: 0, bytesAfter: 0 };
}

/** Keys of the first set by fingerprint. Invariant: a slot whose `#high` is 0 is free. */
class KeyTable {
  readonly #mask: number;
  readonly #lowHash: KeyedHash;
  readonly #highHash: KeyedHash;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #digests: Uint32Array;
  readonly #bytes: Float64Array;
  readonly #expiries: Float64Array;
  readonly #types: Uint8Array;
  readonly #seen: Uint8Array;
  readonly #digest = new Uint32Array(2);
  unseen = 0;
  #facts!: KeyFacts;
  #keyLow = 0;
  #keyHigh = 0;
  /** The slot that `find` found. */
  #at = 0;

  constructor(keys: number, random: () => number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, keys / FULL * 1.1)));
    this.#mask = slots - 1;
    this.#lowHash = new KeyedHash(random(), random()), this.#highHash = new KeyedHash(random(), random());
    this.#low = new Uint32Array(slots), this.#high = new Uint32Array(slots), this.#digests = new Uint32Array(slots * 2);
    this.#bytes = new Float64Array(slots), this.#expiries = new Float64Array(slots);
    this.#types = new Uint8Array(slots), this.#seen = new Uint8Array(slots);
  }

  clear(): void {
    this.#high.fill(0), this.#seen.fill(0), this.unseen = 0;
  }

  /** Makes a key the current one; returns the part that it belongs to. */
  point(facts: KeyFacts, parts: number): number {
    const { key, keyLength, database } = facts;
    this.#facts = facts;
    this.#keyLow = (this.#lowHash.hash(key, 0, keyLength) ^ Math.imul(database, 0x9e3779b1)) >>> 0;
    this.#keyHigh = (this.#highHash.hash(key, 0, keyLength) | 1) >>> 0;
    return partOf(this.#keyLow, parts);
  }

  put(): void {
    const facts = this.#facts;
    if (this.find()) return;
    const at = this.#at;
    facts.digest(this.#digest);
    this.#low[at] = this.#keyLow, this.#high[at] = this.#keyHigh;
    this.#digests[2 * at] = this.#digest[0], this.#digests[2 * at + 1] = this.#digest[1];
    this.#bytes[at] = facts.memoryBytes, this.#expiries[at] = facts.expiresAtMs, this.#types[at] = facts.type;
    this.unseen++;
  }

  /** Looks the current key up; false leaves `#at` at the free slot. */
  find(): boolean {
    // The top bits chose the part, so that the others are still spread.
    let at = this.#keyLow & this.#mask;
    while (this.#high[at] !== 0) {
      if (this.#low[at] === this.#keyLow && this.#high[at] === this.#keyHigh) {
        this.#at = at;
        return true;
      }
      at = (at + 1) & this.#mask;
    }
    this.#at = at;
    return false;
  }

  see(): void {
    if (this.#seen[this.#at] === 0) this.#seen[this.#at] = 1, this.unseen--;
  }

  get isSeen(): boolean {
    return this.#seen[this.#at] === 1;
  }

  get bytes(): number {
    return this.#bytes[this.#at];
  }

  get expiresAtMs(): number {
    return this.#expiries[this.#at];
  }

  isSameValue(facts: KeyFacts): boolean {
    const at = this.#at;
    if (this.#types[at] !== facts.type) return false;
    facts.digest(this.#digest);
    return this.#digests[2 * at] === this.#digest[0] && this.#digests[2 * at + 1] === this.#digest[1];
  }
}

function partOf(hash: number, parts: number): number {
  return Math.floor(hash / 2 ** 32 * parts);
}
