/**
 * Members with scores, found by member and by order: a `Dict` and a `SortedIndex` over the same entries (drawn in `sorted_index.ts`).
 * What a large sorted set is made of. Its address is the index's, whose owner's word is the dict.
 * Invariants: the dict and the index hold the same entries, and an entry's score is the one it is indexed by; an entry is owned by the
 * set it is linked in. OutOfArenaError leaves everything as it was.
 */
import { compareRanges } from "../base/bytes.ts";
import { assert } from "../base/assert.ts";
import type { KeyedHash } from "../base/siphash.ts";
import { type Address, type Allocator, type LiveMemory, NONE, OWNER } from "../memory/mod.ts";
import { Dict, DictWalk } from "./dict.ts";
import {
  firstLeaf,
  indexOwnerWord,
  leafCount,
  leafEntry,
  leafScore,
  MEMBER_ENTRY,
  memberLength,
  nextLeaf,
  SortedIndex,
  SortedIndexBuilder,
} from "./sorted_index.ts";

const SLICE_ENTRIES = 4096;
/** What a leaf counts for when it is freed, beside its entries. */
const LEAF_EFFORT = 8;

/** One instance serves all of a keyspace; the set's address is passed in. */
export class ScoreDict {
  /** The table itself: size, scan. */
  readonly dict: Dict;
  /** The order: seeking, ranks. */
  readonly index: SortedIndex;
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #walk = new DictWalk();
  readonly #builder: SortedIndexBuilder;
  #isBuilding = false;
  #isAscending = true;
  #lastBuilt: Address = NONE;
  readonly #freeEntry = (entry: Address): void => this.#allocator.free(entry);

  constructor(memory: LiveMemory, allocator: Allocator, hash: KeyedHash) {
    this.#memory = memory, this.#allocator = allocator;
    this.dict = new Dict(memory, allocator, hash, MEMBER_ENTRY.member);
    this.index = new SortedIndex(memory, allocator);
    this.#builder = new SortedIndexBuilder(this.index);
  }

  /** An empty set with room for `entries` in its table. */
  create(entries: number): Address {
    const dict = this.dict.create();
    try {
      this.dict.reserve(dict, entries);
      return this.index.create(dict);
    } catch (error) {
      this.dict.destroy(dict);
      throw error;
    }
  }

  dictOf(set: Address): Address {
    return indexOwnerWord(this.#memory, set) as Address;
  }

  size(set: Address): number {
    return this.dict.size(this.dictOf(set));
  }

  /** The entry of a member, or NONE. */
  find(set: Address, member: Uint8Array, memberAt: number, memberBytes: number): Address {
    return this.dict.find(this.dictOf(set), member, memberAt, memberBytes);
  }

  scoreOf(entry: Address): number {
    return this.#memory.f64(entry, MEMBER_ENTRY.score);
  }

  /** Adds the member that the last `find` did not find. */
  insertMissed(set: Address, score: number, member: Uint8Array, memberAt: number, memberBytes: number): void {
    const entry = this.#newEntry(score, member, memberAt, memberBytes);
    try {
      this.index.insert(set, score, entry);
    } catch (error) {
      this.#allocator.free(entry);
      throw error;
    }
    try {
      this.dict.insertMissed(this.dictOf(set), entry);
    } catch (error) {
      this.index.remove(set, score, entry);
      this.#allocator.free(entry);
      throw error;
    }
  }

  /** Gives an entry another score, which is not equal to the one it has. */
  setScore(set: Address, entry: Address, score: number): void {
    this.index.update(set, this.scoreOf(entry), entry, score);
    this.#memory.setF64(entry, MEMBER_ENTRY.score, score);
  }

  /** Takes away the entry that the last `find` returned. */
  removeFound(set: Address, entry: Address): void {
    const dict = this.dictOf(set);
    this.dict.unlinkFound(dict, entry);
    this.index.remove(set, this.scoreOf(entry), entry);
    this.#allocator.free(entry);
    this.dict.shrinkIfSparse(dict);
  }

  /** Takes away `count` members from `rank` on, which are there. */
  removeRange(set: Address, rank: number, count: number): void {
    const dict = this.dictOf(set), memory = this.#memory;
    for (let left = count; left > 0;) {
      const run = this.index.removeRun(set, rank, left);
      for (let i = 0; i < run; i++) {
        const entry = this.index.removed[i] as Address, at = memory.placeOf(entry) + MEMBER_ENTRY.member;
        const found = this.dict.find(dict, memory.bytesOf(entry), at, memberLength(memory, entry));
        assert(found === entry, "an indexed member is in the dict");
        this.dict.unlinkFound(dict, entry);
        this.#allocator.free(entry);
      }
      left -= run;
    }
    this.dict.shrinkIfSparse(dict);
  }

  // ---- building ------------------------------------------------------------------------------------------------

  /** Starts to fill an empty set with members that mostly come in order; `append` them, then `finish`. After an error `free` it. */
  start(set: Address, ascending: boolean): void {
    this.#builder.start(set, ascending);
    this.#isBuilding = true, this.#isAscending = ascending, this.#lastBuilt = NONE;
  }

  /** Adds a member to a set that is being filled; false, and nothing done, when it has been there. */
  append(set: Address, score: number, member: Uint8Array, memberAt: number, memberBytes: number): boolean {
    const dict = this.dictOf(set);
    if (this.dict.find(dict, member, memberAt, memberBytes) !== NONE) return false;
    const entry = this.#newEntry(score, member, memberAt, memberBytes);
    try {
      this.dict.insertMissed(dict, entry);
    } catch (error) {
      this.#allocator.free(entry);
      throw error;
    }
    if (this.#isBuilding && !this.#isInOrder(entry, score)) this.finish(set);
    if (this.#isBuilding) this.#builder.add(score, entry);
    else this.index.insert(set, score, entry);
    this.#lastBuilt = entry;
    return true;
  }

  finish(set: Address): void {
    if (!this.#isBuilding) return;
    this.#isBuilding = false;
    this.#builder.finish();
    assert(this.index.length(set) <= this.size(set), "what was built is in the dict");
  }

  /**
   * For sums of sets: gives a member a score, or what `combine` makes of the one it has and this; the index is made by `indexAll`.
   * True when the member is new.
   */
  accumulate(
    set: Address,
    score: number,
    member: Uint8Array,
    memberAt: number,
    memberBytes: number,
    combine: (old: number, score: number) => number,
  ): boolean {
    const dict = this.dictOf(set), found = this.dict.find(dict, member, memberAt, memberBytes);
    if (found !== NONE) {
      this.#memory.setF64(found, MEMBER_ENTRY.score, combine(this.scoreOf(found), score));
      return false;
    }
    const entry = this.#newEntry(score, member, memberAt, memberBytes);
    try {
      this.dict.insertMissed(dict, entry);
    } catch (error) {
      this.#allocator.free(entry);
      throw error;
    }
    return true;
  }

  /** Puts all members of a set that was accumulated into its index. After an error `free` it. */
  indexAll(set: Address): void {
    const walk = this.#walk;
    walk.start(this.#memory, this.dictOf(set));
    for (let entry = walk.next(); entry !== NONE; entry = walk.next()) {
      this.index.insert(set, this.scoreOf(entry), entry);
    }
  }

  // ---- whole sets ----------------------------------------------------------------------------------------------

  /** A deep copy. @throws {OutOfArenaError} and then nothing is left of it */
  copy(set: Address): Address {
    const memory = this.#memory, copy = this.create(this.size(set));
    this.start(copy, true);
    try {
      for (let leaf = firstLeaf(memory, set); leaf !== NONE; leaf = nextLeaf(memory, leaf)) {
        for (let slot = 0, count = leafCount(memory, leaf); slot < count; slot++) {
          const entry = leafEntry(memory, leaf, slot), at = memory.placeOf(entry) + MEMBER_ENTRY.member;
          this.append(copy, leafScore(memory, leaf, slot), memory.bytesOf(entry), at, memberLength(memory, entry));
        }
      }
      this.finish(copy);
    } catch (error) {
      this.free(copy);
      throw error;
    }
    return copy;
  }

  /** Frees up to about `blocksMax` blocks, and the set when none are left; true then. Nothing else may use it any more. */
  freeSome(set: Address, blocksMax: number): boolean {
    for (let done = 0; done < blocksMax; done += LEAF_EFFORT) {
      if (this.index.freeLeaf(set) > 0) continue;
      if (!this.dict.dismantle(this.dictOf(set), blocksMax - done, this.#freeEntry)) return false;
      this.index.destroy(set);
      return true;
    }
    return false;
  }

  free(set: Address): void {
    while (!this.freeSome(set, SLICE_ENTRIES));
  }

  /** Bytes of all blocks; with `samples`, those of the entries are estimated from that many. */
  memoryUsage(set: Address, samples: number): number {
    const walk = this.#walk, dict = this.dictOf(set), size = this.size(set);
    const counted = samples === 0 ? size : Math.min(samples, size);
    let bytes = 0;
    walk.start(this.#memory, dict);
    for (let i = 0; i < counted; i++) bytes += this.#allocator.allocatedBytes(walk.next());
    return this.dict.overheadBytes(dict) + this.index.overheadBytes(set) +
      (counted === 0 ? 0 : Math.floor((bytes / counted) * size));
  }

  // ---- inside --------------------------------------------------------------------------------------------------

  #newEntry(score: number, member: Uint8Array, memberAt: number, memberBytes: number): Address {
    const memory = this.#memory;
    const entry = this.#allocator.allocate(MEMBER_ENTRY.member + memberBytes, OWNER.fieldEntry);
    memory.setU32(entry, MEMBER_ENTRY.info, memberBytes);
    memory.setF64(entry, MEMBER_ENTRY.score, score);
    memory.copyIn(entry, MEMBER_ENTRY.member, member, memberAt, memberBytes);
    return entry;
  }

  /** Whether an entry comes behind the last one that was built, in the direction of building. */
  #isInOrder(entry: Address, score: number): boolean {
    const last = this.#lastBuilt;
    if (last === NONE) return true;
    const lastScore = this.scoreOf(last);
    if (score !== lastScore) return score > lastScore === this.#isAscending;
    const memory = this.#memory, at = MEMBER_ENTRY.member;
    const order = compareRanges(
      memory.bytesOf(entry),
      memory.placeOf(entry) + at,
      memberLength(memory, entry),
      memory.bytesOf(last),
      memory.placeOf(last) + at,
      memberLength(memory, last),
    );
    return order > 0 === this.#isAscending;
  }
}
