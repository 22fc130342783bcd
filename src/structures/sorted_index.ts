/**
 * Sorted index: the members of a sorted set by (score, member), as a B+tree in paged memory that counts, so that ranks take O(log n).
 * It stands where Redis has a skiplist.
 *
 * Header, u32 fields:
 *   0      4        8            12          16       20      24
 *   | root | height | first leaf | last leaf | length | nodes | the owner's word |      height 1: the root is a leaf; 0: no root
 * Leaf, `capacity` n (LEAF_MAX, less while it is a small root):
 *   0       4          8          12     16           16 + 8n
 *   | count | capacity | previous | next | scores f64 | entries u32 |
 * Inner node:
 *   0       8              208          408               608
 *   | count | children u32 | counts u32 | first entry u32 | first score f64 |     INNER_MAX of each; count of all below the child
 * Entry (a block of the member's own, which the index points to and never allocates, frees or writes):
 *   0      4                       8           16
 *   | next | length and flags u32  | score f64 | the member's bytes |          `next` is the dict's
 * Invariants: no node is empty; (first score, first entry) of every child but a node's first is its smallest element exactly, so no
 * node names an entry that is gone; leaves are linked in order; `nodes` counts leaves and inner nodes.
 * Order is by score, then by memcmp of the member. Memory for splits is allocated before anything is changed; taking away needs none.
 */
import { compareRanges } from "../base/bytes.ts";
import { assert, unreachable } from "../base/assert.ts";
import { type Address, type Allocator, type LiveMemory, type MemoryReader, NONE, OWNER } from "../memory/mod.ts";
import { KEY_LENGTH_MASK } from "./dict.ts";

export const MEMBER_ENTRY = { next: 0, info: 4, score: 8, member: 16 } as const;

const HEADER = { root: 0, height: 4, first: 8, last: 12, length: 16, nodes: 20, owner: 24, sizeBytes: 32 } as const;
const LEAF = { count: 0, capacity: 4, previous: 8, next: 12, scores: 16 } as const;
export const LEAF_MAX = 84;
/** What a root starts with: small sets are many. */
const LEAF_SMALL = 20;
const LEAF_BYTES = 1024, LEAF_SMALL_BYTES = 256;
const INNER_MAX = 50;
const INNER = { count: 0, children: 8, counts: 208, entries: 408, scores: 608, sizeBytes: 1024 } as const;
/** Below these a node is merged with a neighbour, when both together leave room to grow again. */
const LEAF_SPARSE = LEAF_MAX >> 2, LEAF_MERGED_MAX = LEAF_MAX - LEAF_SPARSE;
const INNER_SPARSE = INNER_MAX >> 2, INNER_MERGED_MAX = INNER_MAX - INNER_SPARSE;
/** Scores in a line of the processor's cache. */
const LINE_SCORES = 8;
/** More levels than 2^32 members can need. */
const HEIGHT_MAX = 24;

// ---- reading, live or frozen -----------------------------------------------------------------------------------------

export function indexLength(memory: MemoryReader, index: Address): number {
  return memory.u32(index, HEADER.length);
}

/** The word that belongs to the index's owner. */
export function indexOwnerWord(memory: MemoryReader, index: Address): number {
  return memory.u32(index, HEADER.owner);
}

export function firstLeaf(memory: MemoryReader, index: Address): Address {
  return memory.u32(index, HEADER.first) as Address;
}

export function lastLeaf(memory: MemoryReader, index: Address): Address {
  return memory.u32(index, HEADER.last) as Address;
}

export function leafCount(memory: MemoryReader, leaf: Address): number {
  return memory.u32(leaf, LEAF.count);
}

export function nextLeaf(memory: MemoryReader, leaf: Address): Address {
  return memory.u32(leaf, LEAF.next) as Address;
}

export function previousLeaf(memory: MemoryReader, leaf: Address): Address {
  return memory.u32(leaf, LEAF.previous) as Address;
}

export function leafScore(memory: MemoryReader, leaf: Address, slot: number): number {
  return memory.f64(leaf, LEAF.scores + (slot << 3));
}

export function leafEntry(memory: MemoryReader, leaf: Address, slot: number): Address {
  return memory.u32(leaf, LEAF.scores + (memory.u32(leaf, LEAF.capacity) << 3) + (slot << 2)) as Address;
}

export function memberLength(memory: MemoryReader, entry: Address): number {
  return memory.u32(entry, MEMBER_ENTRY.info) & KEY_LENGTH_MASK;
}

// ---- searching scores ------------------------------------------------------------------------------------------------

/**
 * The first of the places [from, count) whose score is at least this one. A line of the cache at a time: the processor fetches the next
 * ones meanwhile, where halving would wait for each.
 */
function firstAtLeast(doubles: Float64Array, at: number, from: number, count: number, score: number): number {
  let i = from;
  while (i + LINE_SCORES <= count && doubles[at + i + LINE_SCORES - 1] < score) i += LINE_SCORES;
  while (i < count && doubles[at + i] < score) i++;
  return i;
}

/** Likewise the first whose score is above. */
function firstAbove(doubles: Float64Array, at: number, from: number, count: number, score: number): number {
  let i = from;
  while (i + LINE_SCORES <= count && doubles[at + i + LINE_SCORES - 1] <= score) i += LINE_SCORES;
  while (i < count && doubles[at + i] <= score) i++;
  return i;
}

// ---- changing --------------------------------------------------------------------------------------------------------

/** What a seek looks for: the first element whose score or member is at least, or beyond, the bound. */
const BOUND = { scoreFrom: 0, scoreAfter: 1, memberFrom: 2, memberAfter: 3 } as const;

export class SortedIndex {
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  /** Where the last seek stopped: an element, or no leaf when there is none. */
  leaf: Address = NONE;
  slot = 0;
  /** How many elements come before it. */
  rank = 0;
  /** What the last `removeRun` took away. */
  readonly removed: Uint32Array = new Uint32Array(LEAF_MAX);
  /** From the leaf's parent (level 1) up: the node, and which child was taken. */
  readonly #path = new Uint32Array(HEIGHT_MAX);
  readonly #slots = new Int32Array(HEIGHT_MAX);
  readonly #spare: Address[] = [];
  /** The pair or bound that is sought. */
  #score = 0;
  #key: Uint8Array = new Uint8Array(0);
  #keyAt = 0;
  #keyLength = 0;

  constructor(memory: LiveMemory, allocator: Allocator) {
    this.#memory = memory, this.#allocator = allocator;
  }

  create(ownerWord: number): Address {
    const index = this.#allocator.allocate(HEADER.sizeBytes, OWNER.sortedIndexNode);
    this.#memory.fill(index, 0, 0, HEADER.sizeBytes);
    this.#memory.setU32(index, HEADER.owner, ownerWord);
    return index;
  }

  /** Frees the header of an index that is empty. */
  destroy(index: Address): void {
    assert(this.#memory.u32(index, HEADER.root) === NONE, "a destroyed index is empty");
    this.#allocator.free(index);
  }

  length(index: Address): number {
    return this.#memory.u32(index, HEADER.length);
  }

  /** Bytes of header and nodes. */
  overheadBytes(index: Address): number {
    const memory = this.#memory, root = memory.u32(index, HEADER.root) as Address;
    const bytes = this.#allocator.allocatedBytes(index);
    if (root === NONE) return bytes;
    return bytes + this.#allocator.allocatedBytes(root) + (memory.u32(index, HEADER.nodes) - 1) * LEAF_BYTES;
  }

  /** Adds an entry that is not there. @throws {OutOfArenaError} and then nothing has changed */
  insert(index: Address, score: number, entry: Address): void {
    const memory = this.#memory;
    if (memory.u32(index, HEADER.root) === NONE) this.#plantRoot(index);
    this.#probe(score, entry);
    let leaf = this.#descend(index);
    const slot = this.#slotInLeaf(leaf), count = memory.u32(leaf, LEAF.count);
    if (count === memory.u32(leaf, LEAF.capacity)) {
      if (count === LEAF_MAX) return this.#insertBySplitting(index, leaf, slot, score, entry);
      leaf = this.#growRoot(index, leaf);
    }
    this.#putInLeaf(leaf, slot, count, score, entry);
    this.#addToPath(index, 1);
  }

  /** Takes an entry away that is there with this score. */
  remove(index: Address, score: number, entry: Address): void {
    this.#probe(score, entry);
    const leaf = this.#descend(index);
    this.#cut(index, leaf, this.#slotOf(leaf, entry), 1);
  }

  /** Gives an entry another score. @throws {OutOfArenaError} and then nothing has changed */
  update(index: Address, oldScore: number, entry: Address, newScore: number): void {
    this.#probe(oldScore, entry);
    const leaf = this.#descend(index), slot = this.#slotOf(leaf, entry);
    if (this.#moveInLeaf(leaf, slot, newScore, entry)) return;
    this.insert(index, newScore, entry);
    this.remove(index, oldScore, entry);
  }

  /** How many elements come before an entry that is there with this score. */
  rankOf(index: Address, score: number, entry: Address): number {
    this.#probe(score, entry);
    const leaf = this.#descend(index);
    return this.#slotOf(leaf, entry) + this.#countBefore(index);
  }

  // ---- seeking -------------------------------------------------------------------------------------------------

  /** Stops at the element with this rank; none when there are fewer. */
  seekRank(index: Address, rank: number): void {
    const memory = this.#memory;
    this.rank = rank;
    if (rank >= memory.u32(index, HEADER.length)) {
      this.leaf = NONE;
      return;
    }
    let node = memory.u32(index, HEADER.root) as Address, rest = rank;
    for (let level = memory.u32(index, HEADER.height) - 1; level > 0; level--) {
      const words = memory.wordsOf(node), at = memory.wordOf(node), countsAt = at + (INNER.counts >> 2);
      let child = 0;
      while (rest >= words[countsAt + child]) rest -= words[countsAt + child++];
      this.#path[level] = node, this.#slots[level] = child;
      node = words[at + (INNER.children >> 2) + child] as Address;
    }
    this.leaf = node, this.slot = rest;
  }

  /** Stops at the first element whose score is at least (or, with `after`, above) this one. */
  seekScore(index: Address, score: number, after: boolean): void {
    this.#score = score;
    this.#seekBound(index, after ? BOUND.scoreAfter : BOUND.scoreFrom);
  }

  /** Stops at the first member that is at least (or above) this one, in an index whose scores are all the same. */
  seekMember(index: Address, key: Uint8Array, keyAt: number, keyLength: number, after: boolean): void {
    this.#key = key, this.#keyAt = keyAt, this.#keyLength = keyLength;
    this.#seekBound(index, after ? BOUND.memberAfter : BOUND.memberFrom);
  }

  /** Goes on to the element after, or to none. */
  next(): void {
    const memory = this.#memory;
    if (++this.slot < memory.u32(this.leaf, LEAF.count)) return;
    this.leaf = memory.u32(this.leaf, LEAF.next) as Address, this.slot = 0;
  }

  /** Goes back to the element before, or to none. */
  previous(): void {
    const memory = this.#memory;
    if (--this.slot >= 0) return;
    this.leaf = memory.u32(this.leaf, LEAF.previous) as Address;
    if (this.leaf !== NONE) this.slot = memory.u32(this.leaf, LEAF.count) - 1;
  }

  // ---- taking away many ----------------------------------------------------------------------------------------

  /** Takes away some of the elements from `rank` on, `max` at most, and says how many; they are in `removed`. */
  removeRun(index: Address, rank: number, max: number): number {
    this.seekRank(index, rank);
    if (this.leaf === NONE) return 0;
    const memory = this.#memory, leaf = this.leaf, slot = this.slot;
    const run = Math.min(max, memory.u32(leaf, LEAF.count) - slot);
    for (let i = 0; i < run; i++) this.removed[i] = leafEntry(memory, leaf, slot + i);
    this.#cut(index, leaf, slot, run);
    return run;
  }

  /**
   * Frees the last leaf of an index that is going away, and says how many elements it had; 0 when nothing is left. What only a search
   * would read is no longer kept right, so that little is written.
   */
  freeLeaf(index: Address): number {
    const memory = this.#memory, path = this.#path, height = memory.u32(index, HEADER.height);
    let node = memory.u32(index, height === 0 ? HEADER.last : HEADER.root) as Address;
    if (node === NONE) return 0;
    for (let level = height - 1; level > 0; level--) {
      path[level] = node;
      node = memory.u32(node, INNER.children + ((memory.u32(node, INNER.count) - 1) << 2)) as Address;
    }
    const count = memory.u32(node, LEAF.count);
    // Building failed before there were inner nodes: the chain is all there is.
    if (height === 0) memory.setU32(index, HEADER.last, previousLeaf(memory, node));
    this.#allocator.free(node);
    if (height === 0) return count;
    for (let level = 1; level < height; level++) {
      const parent = path[level] as Address, children = memory.u32(parent, INNER.count) - 1;
      if (children > 0) {
        memory.setU32(parent, INNER.count, children);
        return count;
      }
      this.#allocator.free(parent);
    }
    this.#setRootLeaf(index, NONE), memory.setU32(index, HEADER.height, 0);
    return count;
  }

  // ---- building ------------------------------------------------------------------------------------------------

  /** Called by `SortedIndexBuilder`: a leaf of `count` elements at one end; `at(i)` order is ascending. */
  addLeaf(
    index: Address,
    scores: Float64Array,
    entries: Uint32Array,
    from: number,
    count: number,
    atEnd: boolean,
  ): void {
    const memory = this.#memory, leaf = this.#newLeaf(LEAF_MAX, LEAF_BYTES);
    const entriesAt = LEAF.scores + (LEAF_MAX << 3);
    for (let i = 0; i < count; i++) {
      memory.setF64(leaf, LEAF.scores + (i << 3), scores[from + i]);
      memory.setU32(leaf, entriesAt + (i << 2), entries[from + i]);
    }
    memory.setU32(leaf, LEAF.count, count);
    const neighbour = memory.u32(index, atEnd ? HEADER.last : HEADER.first) as Address;
    if (neighbour === NONE) memory.setU32(index, HEADER.first, leaf), memory.setU32(index, HEADER.last, leaf);
    else if (atEnd) this.#link(index, neighbour, leaf, NONE);
    else this.#link(index, NONE, leaf, neighbour);
    memory.setU32(index, HEADER.length, memory.u32(index, HEADER.length) + count);
    memory.setU32(index, HEADER.nodes, memory.u32(index, HEADER.nodes) + 1);
  }

  /**
   * Called by `SortedIndexBuilder`: makes the inner nodes over the chain of leaves.
   * @throws {OutOfArenaError} and then there are leaves only
   */
  buildInner(index: Address): void {
    const memory = this.#memory, built: Address[] = [];
    let level: Address[] = [], height = 1;
    for (let leaf = firstLeaf(memory, index); leaf !== NONE; leaf = nextLeaf(memory, leaf)) level.push(leaf);
    try {
      for (; level.length > 1; height++) level = this.#buildLevel(level, height, built);
    } catch (error) {
      for (const node of built) this.#allocator.free(node);
      throw error;
    }
    memory.setU32(index, HEADER.root, level.length === 0 ? NONE : level[0]);
    memory.setU32(index, HEADER.height, level.length === 0 ? 0 : height);
    memory.setU32(index, HEADER.nodes, memory.u32(index, HEADER.nodes) + built.length);
  }

  #buildLevel(children: readonly Address[], height: number, built: Address[]): Address[] {
    const memory = this.#memory, parents: Address[] = [];
    for (let from = 0; from < children.length; from += INNER_MAX) {
      const parent = this.#newInner(), count = Math.min(INNER_MAX, children.length - from);
      built.push(parent), parents.push(parent);
      for (let i = 0; i < count; i++) {
        const child = children[from + i], first = this.#leftmostLeaf(child, height);
        const below = height === 1 ? memory.u32(child, LEAF.count) : this.#countBelow(child);
        this.#setChild(parent, i, child, below, leafScore(memory, first, 0), leafEntry(memory, first, 0));
      }
      memory.setU32(parent, INNER.count, count);
    }
    return parents;
  }

  // ---- comparing and descending --------------------------------------------------------------------------------

  #probe(score: number, entry: Address): void {
    const memory = this.#memory;
    this.#score = score;
    this.#key = memory.bytesOf(entry), this.#keyAt = memory.placeOf(entry) + MEMBER_ENTRY.member;
    this.#keyLength = memory.u32(entry, MEMBER_ENTRY.info) & KEY_LENGTH_MASK;
  }

  /** Sign of entry's member minus the sought one. */
  #compareMember(entry: Address): number {
    const memory = this.#memory, length = memory.u32(entry, MEMBER_ENTRY.info) & KEY_LENGTH_MASK;
    const at = memory.placeOf(entry) + MEMBER_ENTRY.member;
    return compareRanges(memory.bytesOf(entry), at, length, this.#key, this.#keyAt, this.#keyLength);
  }

  /** The leaf where the sought pair is or belongs; leaves the way in `#path` and `#slots`. */
  #descend(index: Address): Address {
    const memory = this.#memory, score = this.#score;
    let node = memory.u32(index, HEADER.root) as Address;
    for (let level = memory.u32(index, HEADER.height) - 1; level > 0; level--) {
      const words = memory.wordsOf(node), at = memory.wordOf(node);
      const doubles = memory.doublesOf(node), scoresAt = memory.doubleOf(node) + (INNER.scores >> 3);
      // The last child that does not begin after the pair. Only where scores are equal are entries looked at.
      const count = words[at], entriesAt = at + (INNER.entries >> 2);
      const equal = firstAtLeast(doubles, scoresAt, 1, count, score);
      const above = firstAbove(doubles, scoresAt, equal, count, score);
      const child = (equal === above ? equal : this.#firstMember(words, entriesAt, equal, above, true)) - 1;
      this.#path[level] = node, this.#slots[level] = child;
      node = words[at + (INNER.children >> 2) + child] as Address;
    }
    return node;
  }

  /** The first slot whose element is not before the sought pair. */
  #slotInLeaf(leaf: Address): number {
    const memory = this.#memory, score = this.#score, words = memory.wordsOf(leaf), at = memory.wordOf(leaf);
    const doubles = memory.doublesOf(leaf), scoresAt = memory.doubleOf(leaf) + (LEAF.scores >> 3), count = words[at];
    const equal = firstAtLeast(doubles, scoresAt, 0, count, score);
    const above = firstAbove(doubles, scoresAt, equal, count, score);
    if (equal === above) return equal;
    const entriesAt = at + (LEAF.scores >> 2) + (words[at + (LEAF.capacity >> 2)] << 1);
    return this.#firstMember(words, entriesAt, equal, above, false);
  }

  /** Of the slots [from, to), whose scores are equal, the first whose member is not before (or, with `after`, is after) the sought one. */
  #firstMember(words: Uint32Array, entriesAt: number, from: number, to: number, after: boolean): number {
    let low = from, high = to;
    while (low < high) {
      const middle = (low + high) >>> 1, order = this.#compareMember(words[entriesAt + middle] as Address);
      if (after ? order <= 0 : order < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The slot of an entry that is in this leaf with the sought score: found by its address, so that no other entry is looked at. While
   * its score is changed it may be here twice.
   */
  #slotOf(leaf: Address, entry: Address): number {
    const memory = this.#memory, words = memory.wordsOf(leaf);
    const first = memory.wordOf(leaf) + ((LEAF.scores + (memory.u32(leaf, LEAF.capacity) << 3)) >> 2);
    const end = first + memory.u32(leaf, LEAF.count);
    for (let at = first; at < end; at++) {
      if (words[at] === entry && leafScore(memory, leaf, at - first) === this.#score) return at - first;
    }
    return unreachable("an entry is in the leaf that its score and member lead to");
  }

  /** Elements before the leaf that the last descent led to. */
  #countBefore(index: Address): number {
    const memory = this.#memory;
    let before = 0;
    for (let level = memory.u32(index, HEADER.height) - 1; level > 0; level--) {
      const node = this.#path[level] as Address, words = memory.wordsOf(node);
      const countsAt = memory.wordOf(node) + (INNER.counts >> 2);
      for (let i = this.#slots[level] - 1; i >= 0; i--) before += words[countsAt + i];
    }
    return before;
  }

  #seekBound(index: Address, bound: number): void {
    const memory = this.#memory;
    let node = memory.u32(index, HEADER.root) as Address;
    this.leaf = NONE, this.rank = 0;
    if (node === NONE) return;
    for (let level = memory.u32(index, HEADER.height) - 1; level > 0; level--) {
      const words = memory.wordsOf(node), at = memory.wordOf(node);
      const child = this.#firstBeyond(node, INNER.scores, at + (INNER.entries >> 2), 1, words[at], bound) - 1;
      const countsAt = at + (INNER.counts >> 2);
      for (let i = 0; i < child; i++) this.rank += words[countsAt + i];
      node = words[at + (INNER.children >> 2) + child] as Address;
    }
    const words = memory.wordsOf(node), at = memory.wordOf(node), count = words[at];
    const entriesAt = at + (LEAF.scores >> 2) + (words[at + (LEAF.capacity >> 2)] << 1);
    const slot = this.#firstBeyond(node, LEAF.scores, entriesAt, 0, count, bound);
    this.rank += slot;
    if (slot < count) this.leaf = node, this.slot = slot;
    else this.leaf = nextLeaf(memory, node), this.slot = 0;
  }

  /** The first of a node's places [from, count) that is not below the bound. */
  #firstBeyond(node: Address, scores: number, entriesAt: number, from: number, count: number, bound: number): number {
    const memory = this.#memory, scoresAt = memory.doubleOf(node) + (scores >> 3);
    if (bound === BOUND.scoreFrom) return firstAtLeast(memory.doublesOf(node), scoresAt, from, count, this.#score);
    if (bound === BOUND.scoreAfter) return firstAbove(memory.doublesOf(node), scoresAt, from, count, this.#score);
    return this.#firstMember(memory.wordsOf(node), entriesAt, from, count, bound === BOUND.memberAfter);
  }

  #leftmostLeaf(node: Address, height: number): Address {
    let leaf = node;
    for (let level = height - 1; level > 0; level--) leaf = this.#memory.u32(leaf, INNER.children) as Address;
    return leaf;
  }

  // ---- leaves --------------------------------------------------------------------------------------------------

  #newLeaf(capacity: number, sizeBytes: number): Address {
    const leaf = this.#allocator.allocate(sizeBytes, OWNER.sortedIndexNode);
    this.#startLeaf(leaf, capacity);
    return leaf;
  }

  #startLeaf(leaf: Address, capacity: number): void {
    const memory = this.#memory;
    memory.setU32(leaf, LEAF.count, 0), memory.setU32(leaf, LEAF.capacity, capacity);
    memory.setU32(leaf, LEAF.previous, NONE), memory.setU32(leaf, LEAF.next, NONE);
  }

  #plantRoot(index: Address): void {
    this.#setRootLeaf(index, this.#newLeaf(LEAF_SMALL, LEAF_SMALL_BYTES));
    this.#memory.setU32(index, HEADER.height, 1), this.#memory.setU32(index, HEADER.nodes, 1);
  }

  #setRootLeaf(index: Address, leaf: Address): void {
    const memory = this.#memory;
    memory.setU32(index, HEADER.root, leaf);
    memory.setU32(index, HEADER.first, leaf), memory.setU32(index, HEADER.last, leaf);
  }

  /** A small root becomes a leaf of full size. */
  #growRoot(index: Address, small: Address): Address {
    const memory = this.#memory, leaf = this.#newLeaf(LEAF_MAX, LEAF_BYTES), count = memory.u32(small, LEAF.count);
    memory.copy(small, LEAF.scores, leaf, LEAF.scores, count << 3);
    memory.copy(small, LEAF.scores + (LEAF_SMALL << 3), leaf, LEAF.scores + (LEAF_MAX << 3), count << 2);
    memory.setU32(leaf, LEAF.count, count);
    this.#setRootLeaf(index, leaf);
    this.#allocator.free(small);
    return leaf;
  }

  #putInLeaf(leaf: Address, slot: number, count: number, score: number, entry: Address): void {
    const memory = this.#memory, entries = LEAF.scores + (memory.u32(leaf, LEAF.capacity) << 3);
    const scoreAt = LEAF.scores + (slot << 3), entryAt = entries + (slot << 2);
    memory.copy(leaf, scoreAt, leaf, scoreAt + 8, (count - slot) << 3);
    memory.copy(leaf, entryAt, leaf, entryAt + 4, (count - slot) << 2);
    memory.setF64(leaf, scoreAt, score);
    memory.setU32(leaf, entryAt, entry);
    memory.setU32(leaf, LEAF.count, count + 1);
  }

  /** Gives the element in `slot` another score when it belongs in this leaf with it, and surely nowhere else. */
  #moveInLeaf(leaf: Address, slot: number, score: number, entry: Address): boolean {
    const memory = this.#memory, count = memory.u32(leaf, LEAF.count);
    // A new first element would have to be made known above; one that comes last may belong to the next leaf.
    if (slot === 0) return false;
    this.#score = score;
    const target = this.#slotInLeaf(leaf);
    if (target === 0 || (target === count && memory.u32(leaf, LEAF.next) !== NONE)) return false;
    const entries = LEAF.scores + (memory.u32(leaf, LEAF.capacity) << 3);
    // Without the element itself, those between its old and its new place move by one.
    const to = target > slot ? target - 1 : target;
    const from = target > slot ? slot + 1 : target, length = Math.abs(to - slot), by = target > slot ? -1 : 1;
    memory.copy(leaf, LEAF.scores + (from << 3), leaf, LEAF.scores + ((from + by) << 3), length << 3);
    memory.copy(leaf, entries + (from << 2), leaf, entries + ((from + by) << 2), length << 2);
    memory.setF64(leaf, LEAF.scores + (to << 3), score);
    memory.setU32(leaf, entries + (to << 2), entry);
    return true;
  }

  /** Moves the elements from `from` on behind those of `target`. */
  #moveElements(leaf: Address, from: number, target: Address): void {
    const memory = this.#memory, count = memory.u32(leaf, LEAF.count), has = memory.u32(target, LEAF.count);
    const entries = LEAF.scores + (LEAF_MAX << 3), moved = count - from;
    memory.copy(leaf, LEAF.scores + (from << 3), target, LEAF.scores + (has << 3), moved << 3);
    memory.copy(leaf, entries + (from << 2), target, entries + (has << 2), moved << 2);
    memory.setU32(target, LEAF.count, has + moved);
    memory.setU32(leaf, LEAF.count, from);
  }

  /** Puts a leaf between two, either of which may be none. */
  #link(index: Address, left: Address, leaf: Address, right: Address): void {
    const memory = this.#memory;
    memory.setU32(leaf, LEAF.previous, left), memory.setU32(leaf, LEAF.next, right);
    this.#join(index, left, leaf);
    this.#join(index, leaf, right);
  }

  #join(index: Address, left: Address, right: Address): void {
    const memory = this.#memory;
    if (left === NONE) memory.setU32(index, HEADER.first, right);
    else memory.setU32(left, LEAF.next, right);
    if (right === NONE) memory.setU32(index, HEADER.last, left);
    else memory.setU32(right, LEAF.previous, left);
  }

  // ---- inner nodes ---------------------------------------------------------------------------------------------

  #newInner(): Address {
    const node = this.#allocator.allocate(INNER.sizeBytes, OWNER.sortedIndexNode);
    this.#memory.setU32(node, INNER.count, 0);
    return node;
  }

  #setChild(node: Address, slot: number, child: Address, below: number, score: number, entry: number): void {
    const memory = this.#memory;
    memory.setU32(node, INNER.children + (slot << 2), child);
    memory.setU32(node, INNER.counts + (slot << 2), below);
    memory.setU32(node, INNER.entries + (slot << 2), entry);
    memory.setF64(node, INNER.scores + (slot << 3), score);
  }

  /** Copies the children [from, to) so that the first of them gets place `at` of `target`; within a node too. */
  #copyChildren(node: Address, from: number, to: number, target: Address, at: number): void {
    const memory = this.#memory, words = (to - from) << 2;
    memory.copy(node, INNER.children + (from << 2), target, INNER.children + (at << 2), words);
    memory.copy(node, INNER.counts + (from << 2), target, INNER.counts + (at << 2), words);
    memory.copy(node, INNER.entries + (from << 2), target, INNER.entries + (at << 2), words);
    memory.copy(node, INNER.scores + (from << 3), target, INNER.scores + (at << 3), words << 1);
  }

  #putChild(node: Address, slot: number, child: Address, below: number, score: number, entry: number): void {
    const memory = this.#memory, count = memory.u32(node, INNER.count);
    this.#copyChildren(node, slot, count, node, slot + 1);
    this.#setChild(node, slot, child, below, score, entry);
    memory.setU32(node, INNER.count, count + 1);
  }

  /** Takes a child out; returns how many are left. */
  #dropChild(node: Address, slot: number): number {
    const memory = this.#memory, count = memory.u32(node, INNER.count) - 1;
    this.#copyChildren(node, slot + 1, count + 1, node, slot);
    memory.setU32(node, INNER.count, count);
    return count;
  }

  #countBelow(node: Address): number {
    const memory = this.#memory;
    let below = 0;
    for (let i = memory.u32(node, INNER.count) - 1; i >= 0; i--) below += memory.u32(node, INNER.counts + (i << 2));
    return below;
  }

  /** Adds to the length and to the counts of all children on the path. */
  #addToPath(index: Address, by: number): void {
    const memory = this.#memory;
    for (let level = memory.u32(index, HEADER.height) - 1; level > 0; level--) {
      const node = this.#path[level] as Address, at = INNER.counts + (this.#slots[level] << 2);
      memory.setU32(node, at, memory.u32(node, at) + by);
    }
    memory.setU32(index, HEADER.length, memory.u32(index, HEADER.length) + by);
  }

  // ---- splitting -----------------------------------------------------------------------------------------------

  #insertBySplitting(index: Address, leaf: Address, slot: number, score: number, entry: Address): void {
    const memory = this.#memory, count = memory.u32(leaf, LEAF.count);
    this.#reserveNodes(index);
    this.#addToPath(index, 1);
    const right = this.#spare.pop()!, next = memory.u32(leaf, LEAF.next) as Address;
    this.#startLeaf(right, LEAF_MAX);
    // Members that come in order leave full leaves behind them.
    const isLast = slot === count && next === NONE, isFirst = slot === 0 && memory.u32(leaf, LEAF.previous) === NONE;
    const kept = isLast ? count : isFirst ? 0 : count >> 1;
    this.#moveElements(leaf, kept, right);
    if (slot > kept || isLast) this.#putInLeaf(right, slot - kept, count - kept, score, entry);
    else this.#putInLeaf(leaf, slot, kept, score, entry);
    this.#link(index, leaf, right, next);
    this.#addChild(index, memory.u32(leaf, LEAF.count), right);
  }

  /** Takes the blocks that the coming split needs: one a full level, and a root when all are full. */
  #reserveNodes(index: Address): void {
    const memory = this.#memory, height = memory.u32(index, HEADER.height);
    let needed = 1, level = 1;
    while (level < height && memory.u32(this.#path[level] as Address, INNER.count) === INNER_MAX) needed++, level++;
    if (level === height) needed++;
    try {
      while (this.#spare.length < needed) {
        this.#spare.push(this.#allocator.allocate(LEAF_BYTES, OWNER.sortedIndexNode));
      }
    } catch (error) {
      while (this.#spare.length > 0) this.#allocator.free(this.#spare.pop()!);
      throw error;
    }
    memory.setU32(index, HEADER.nodes, memory.u32(index, HEADER.nodes) + needed);
  }

  /** Makes the right half of a leaf that was split known above; `leftCount` is what the left half has now. */
  #addChild(index: Address, leftCount: number, leaf: Address): void {
    const memory = this.#memory, height = memory.u32(index, HEADER.height);
    let left = leftCount, child = leaf, below = memory.u32(leaf, LEAF.count);
    let score = leafScore(memory, leaf, 0), entry: number = leafEntry(memory, leaf, 0);
    for (let level = 1; level < height; level++) {
      const node = this.#path[level] as Address, slot = this.#slots[level] + 1, count = memory.u32(node, INNER.count);
      memory.setU32(node, INNER.counts + ((slot - 1) << 2), left);
      if (count < INNER_MAX) return this.#putChild(node, slot, child, below, score, entry);
      const right = this.#spare.pop()!, kept = slot === count ? count : count >> 1;
      this.#copyChildren(node, kept, count, right, 0);
      memory.setU32(right, INNER.count, count - kept), memory.setU32(node, INNER.count, kept);
      if (slot > kept || slot === count) this.#putChild(right, slot - kept, child, below, score, entry);
      else this.#putChild(node, slot, child, below, score, entry);
      left = this.#countBelow(node), child = right, below = this.#countBelow(right);
      score = memory.f64(right, INNER.scores), entry = memory.u32(right, INNER.entries);
    }
    const root = this.#spare.pop()!;
    this.#setChild(root, 0, memory.u32(index, HEADER.root) as Address, left, 0, NONE);
    this.#setChild(root, 1, child, below, score, entry);
    memory.setU32(root, INNER.count, 2);
    memory.setU32(index, HEADER.root, root), memory.setU32(index, HEADER.height, height + 1);
  }

  // ---- shrinking -----------------------------------------------------------------------------------------------

  /** Takes `run` elements out of the leaf that the path leads to. */
  #cut(index: Address, leaf: Address, slot: number, run: number): void {
    const memory = this.#memory, count = memory.u32(leaf, LEAF.count), rest = count - slot - run;
    this.#addToPath(index, -run);
    if (run === count) return this.#dropLeaf(index, leaf);
    const entries = LEAF.scores + (memory.u32(leaf, LEAF.capacity) << 3);
    memory.copy(leaf, LEAF.scores + ((slot + run) << 3), leaf, LEAF.scores + (slot << 3), rest << 3);
    memory.copy(leaf, entries + ((slot + run) << 2), leaf, entries + (slot << 2), rest << 2);
    memory.setU32(leaf, LEAF.count, count - run);
    if (memory.u32(index, HEADER.height) === 1) return;
    if (slot === 0) this.#tellFirst(index, 1);
    if (count - run < LEAF_SPARSE && this.#mergeLeaf(index, leaf)) this.#mergeInner(index, 2);
  }

  /** The first element below the path at this level changed: the ancestor that names it learns the new one. */
  #tellFirst(index: Address, fromLevel: number): void {
    const memory = this.#memory, height = memory.u32(index, HEADER.height);
    let level = fromLevel;
    while (level < height && this.#slots[level] === 0) level++;
    if (level >= height) return;
    const node = this.#path[level] as Address, slot = this.#slots[level];
    const leaf = this.#leftmostLeaf(memory.u32(node, INNER.children + (slot << 2)) as Address, level);
    memory.setF64(node, INNER.scores + (slot << 3), leafScore(memory, leaf, 0));
    memory.setU32(node, INNER.entries + (slot << 2), leafEntry(memory, leaf, 0));
  }

  /** Takes out a leaf that is empty, and the nodes above that have no other child. */
  #dropLeaf(index: Address, leaf: Address): void {
    const memory = this.#memory, height = memory.u32(index, HEADER.height);
    this.#join(index, previousLeaf(memory, leaf), nextLeaf(memory, leaf));
    this.#freeNode(index, leaf);
    let level = 1;
    for (; level < height; level++) {
      const node = this.#path[level] as Address;
      if (this.#dropChild(node, this.#slots[level]) > 0) break;
      this.#freeNode(index, node);
    }
    if (level >= height) {
      memory.setU32(index, HEADER.root, NONE), memory.setU32(index, HEADER.height, 0);
      return;
    }
    if (this.#slots[level] === 0) this.#tellFirst(index, level + 1);
    this.#mergeInner(index, level + 1);
  }

  #freeNode(index: Address, node: Address): void {
    this.#allocator.free(node);
    this.#memory.setU32(index, HEADER.nodes, this.#memory.u32(index, HEADER.nodes) - 1);
  }

  /** Merges a sparse leaf with a neighbour under the same parent; true when that took a child from the parent. */
  #mergeLeaf(index: Address, leaf: Address): boolean {
    const memory = this.#memory, parent = this.#path[1] as Address, slot = this.#slots[1];
    const count = memory.u32(leaf, LEAF.count), children = memory.u32(parent, INNER.count);
    let left = slot;
    if (slot + 1 < children && count + this.#belowOf(parent, slot + 1) <= LEAF_MERGED_MAX) left = slot;
    else if (slot > 0 && count + this.#belowOf(parent, slot - 1) <= LEAF_MERGED_MAX) left = slot - 1;
    else return false;
    const target = this.#childOf(parent, left), gone = this.#childOf(parent, left + 1);
    this.#moveElements(gone, 0, target);
    this.#join(index, target, nextLeaf(memory, gone));
    this.#absorbed(index, parent, left, gone);
    return true;
  }

  /** Merges inner nodes on the path that have become sparse, from the child of the node at `level` up; drops roots with one child. */
  #mergeInner(index: Address, level: number): void {
    const memory = this.#memory, height = memory.u32(index, HEADER.height);
    for (let at = level; at < height; at++) {
      const node = this.#path[at - 1] as Address, parent = this.#path[at] as Address, slot = this.#slots[at];
      const count = memory.u32(node, INNER.count), children = memory.u32(parent, INNER.count);
      if (count >= INNER_SPARSE) break;
      let left = slot;
      if (slot + 1 < children && count + this.#childrenOf(parent, slot + 1) <= INNER_MERGED_MAX) left = slot;
      else if (slot > 0 && count + this.#childrenOf(parent, slot - 1) <= INNER_MERGED_MAX) left = slot - 1;
      else break;
      this.#mergeChildren(index, parent, left);
    }
    while (memory.u32(index, HEADER.height) > 1) {
      const root = memory.u32(index, HEADER.root) as Address;
      if (memory.u32(root, INNER.count) > 1) break;
      memory.setU32(index, HEADER.root, memory.u32(root, INNER.children));
      memory.setU32(index, HEADER.height, memory.u32(index, HEADER.height) - 1);
      this.#freeNode(index, root);
    }
  }

  #mergeChildren(index: Address, parent: Address, left: number): void {
    const memory = this.#memory, target = this.#childOf(parent, left), gone = this.#childOf(parent, left + 1);
    const has = memory.u32(target, INNER.count), more = memory.u32(gone, INNER.count);
    this.#copyChildren(gone, 0, more, target, has);
    // What a node's first child begins with only its parent knows.
    memory.setU32(target, INNER.entries + (has << 2), memory.u32(parent, INNER.entries + ((left + 1) << 2)));
    memory.setF64(target, INNER.scores + (has << 3), memory.f64(parent, INNER.scores + ((left + 1) << 3)));
    memory.setU32(target, INNER.count, has + more);
    this.#absorbed(index, parent, left, gone);
  }

  /** The child after `left` has given all it had to it. */
  #absorbed(index: Address, parent: Address, left: number, gone: Address): void {
    const below = this.#belowOf(parent, left) + this.#belowOf(parent, left + 1);
    this.#memory.setU32(parent, INNER.counts + (left << 2), below);
    this.#dropChild(parent, left + 1);
    this.#freeNode(index, gone);
  }

  #childOf(node: Address, slot: number): Address {
    return this.#memory.u32(node, INNER.children + (slot << 2)) as Address;
  }

  #belowOf(node: Address, slot: number): number {
    return this.#memory.u32(node, INNER.counts + (slot << 2));
  }

  #childrenOf(node: Address, slot: number): number {
    return this.#memory.u32(this.#childOf(node, slot), INNER.count);
  }
}

/**
 * Fills an empty index with elements that come in order, up or down, without searching: full leaves first, then the nodes above them.
 * Between `start` and `finish` the index must not be used; after an error it is good for `freeLeaf` only.
 */
export class SortedIndexBuilder {
  readonly #tree: SortedIndex;
  readonly #scores = new Float64Array(LEAF_MAX);
  readonly #entries = new Uint32Array(LEAF_MAX);
  #index: Address = NONE;
  #ascending = true;
  #count = 0;

  constructor(tree: SortedIndex) {
    this.#tree = tree;
  }

  start(index: Address, ascending: boolean): void {
    this.#index = index, this.#ascending = ascending, this.#count = 0;
  }

  add(score: number, entry: Address): void {
    if (this.#count === LEAF_MAX) this.#flush();
    const at = this.#ascending ? this.#count : LEAF_MAX - 1 - this.#count;
    this.#scores[at] = score, this.#entries[at] = entry;
    this.#count++;
  }

  finish(): void {
    if (this.#count > 0) this.#flush();
    this.#tree.buildInner(this.#index);
  }

  #flush(): void {
    const from = this.#ascending ? 0 : LEAF_MAX - this.#count;
    this.#tree.addLeaf(this.#index, this.#scores, this.#entries, from, this.#count, this.#ascending);
    this.#count = 0;
  }
}
