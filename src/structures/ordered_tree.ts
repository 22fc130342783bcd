/**
 * B+tree in paged memory, keyed by stream ids: a stream's nodes, and the pending entries of groups and consumers.
 *
 * The tree itself is four u32 fields inside a block of its owner:
 *   0      4        8      12
 *   | root | height | size | granules |      root 0: empty; height 0: the root is a leaf; granules: 8-byte units of all nodes
 * A node:
 *   0       4          8
 *   | count | capacity | entry | entry | …   sorted by key
 *   entry of a leaf: | key, 4 words, most significant first | value, `valueWords` words |       of an inner node: | key | child |
 * Invariants: no node is empty; a child's key is a lower bound of all keys below it, except that of an inner node's first child,
 * which counts as the smallest id; a tree of one leaf grows the leaf's block, all other nodes have full size. What is appended in
 * order fills nodes whole; a node that becomes sparse is merged with a neighbour where both fit well into one.
 * Inserting allocates all it needs before it changes anything; removing needs no memory.
 */
import {
  type Address,
  type Allocator,
  type LiveMemory,
  type MemoryReader,
  NONE,
  OutOfArenaError,
  type Owner,
} from "../memory/mod.ts";
import type { StreamId } from "./stream_id.ts";

/** Bytes of the tree's fields in its owner's block. */
export const TREE_BYTES = 16;
const TREE = { root: 0, height: 4, size: 8, granules: 12 } as const;
const NODE = { count: 0, capacity: 4, entries: 8 } as const;
const KEY_BYTES = 16;
const INNER_STRIDE = KEY_BYTES + 4;
const NODE_BYTES_MAX = 1280;
const INNER_CAPACITY = capacityFor(INNER_STRIDE);
const SMALL_CAPACITY = 4;
const LEVELS_MAX = 16;

function capacityFor(stride: number): number {
  return Math.floor((NODE_BYTES_MAX - NODE.entries) / stride);
}

export function treeSize(memory: MemoryReader, block: Address, offsetBytes: number): number {
  return memory.u32(block, offsetBytes + TREE.size);
}

/**
 * A place in a tree, for walking live and frozen ones. Valid until the tree gets or loses an entry. One instance serves trees with
 * values of one size, one at a time: `open` says which.
 */
export class TreeCursor {
  readonly #memory: MemoryReader;
  readonly #leafStride: number;
  /** The path: node and index at each level, the root's first. An index may be -1 in the leaf, before its first entry. */
  readonly nodes: Uint32Array = new Uint32Array(LEVELS_MAX);
  readonly places: Int32Array = new Int32Array(LEVELS_MAX);
  height = 0;
  #root: Address = NONE;

  constructor(memory: MemoryReader, valueWords: number) {
    this.#memory = memory, this.#leafStride = KEY_BYTES + 4 * valueWords;
  }

  open(block: Address, offsetBytes: number): this {
    this.#root = this.#memory.u32(block, offsetBytes + TREE.root) as Address;
    this.height = this.#memory.u32(block, offsetBytes + TREE.height);
    return this;
  }

  get leaf(): Address {
    return this.nodes[this.height] as Address;
  }

  get place(): number {
    return this.places[this.height];
  }

  /** To the first entry; false when the tree is empty. */
  seekFirst(): boolean {
    if (this.#root === NONE) return false;
    this.#descend(0, this.#root, false);
    return true;
  }

  seekLast(): boolean {
    if (this.#root === NONE) return false;
    this.#descend(0, this.#root, true);
    return true;
  }

  /** To the last entry whose key is not above `id`; false when there is none. */
  seekFloor(id: StreamId): boolean {
    if (this.#root === NONE) return false;
    this.seekLeaf(id);
    return this.places[this.height] >= 0 || this.previous();
  }

  /** To the first entry whose key is not below `id`; false when there is none. */
  seekCeiling(id: StreamId): boolean {
    if (this.#root === NONE) return false;
    this.seekLeaf(id);
    return this.places[this.height] >= 0 && this.#isAt(id) ? true : this.next();
  }

  /** To the entry with this key; false when there is none. */
  find(id: StreamId): boolean {
    if (this.#root === NONE) return false;
    this.seekLeaf(id);
    return this.places[this.height] >= 0 && this.#isAt(id);
  }

  /** Into the leaf where `id` is or belongs, to the last entry that is not above it or to -1. The tree must not be empty. */
  seekLeaf(id: StreamId): void {
    const memory = this.#memory, height = this.height;
    let node = this.#root;
    for (let level = 0; level < height; level++) {
      const place = Math.max(0, this.#floorIn(node, INNER_STRIDE, id));
      this.nodes[level] = node, this.places[level] = place;
      node = memory.u32(node, NODE.entries + place * INNER_STRIDE + KEY_BYTES) as Address;
    }
    this.nodes[height] = node, this.places[height] = this.#floorIn(node, this.#leafStride, id);
  }

  /** To the next entry; false at the end, and then the cursor is of no use. */
  next(): boolean {
    const memory = this.#memory, { nodes, places, height } = this;
    for (let level = height; level >= 0; level--) {
      if (places[level] + 1 >= memory.u32(nodes[level] as Address, NODE.count)) continue;
      places[level]++;
      if (level < height) this.#descend(level + 1, this.#childAt(level), false);
      return true;
    }
    return false;
  }

  previous(): boolean {
    const { places, height } = this;
    for (let level = height; level >= 0; level--) {
      if (places[level] <= 0) continue;
      places[level]--;
      if (level < height) this.#descend(level + 1, this.#childAt(level), true);
      return true;
    }
    return false;
  }

  readKey(into: StreamId): void {
    const memory = this.#memory, leaf = this.leaf, at = this.#entryOffset();
    into[0] = memory.u32(leaf, at), into[1] = memory.u32(leaf, at + 4);
    into[2] = memory.u32(leaf, at + 8), into[3] = memory.u32(leaf, at + 12);
  }

  /** Word `index` of the value. */
  word(index: number): number {
    return this.#memory.u32(this.leaf, this.#entryOffset() + KEY_BYTES + 4 * index);
  }

  #entryOffset(): number {
    return NODE.entries + this.places[this.height] * this.#leafStride;
  }

  #childAt(level: number): Address {
    return this.#memory.u32(
      this.nodes[level] as Address,
      NODE.entries + this.places[level] * INNER_STRIDE + KEY_BYTES,
    ) as Address;
  }

  /** From `node` at `level` down to the first or last entry below it. */
  #descend(level: number, node: Address, toLast: boolean): void {
    const memory = this.#memory;
    for (let at = level;; at++) {
      this.nodes[at] = node;
      this.places[at] = toLast ? memory.u32(node, NODE.count) - 1 : 0;
      if (at === this.height) return;
      node = this.#childAt(at);
    }
  }

  #isAt(id: StreamId): boolean {
    return this.#compareAt(this.leaf, this.#entryOffset(), id) === 0;
  }

  /** Negative when the key at this offset is below `id`. */
  #compareAt(node: Address, at: number, id: StreamId): number {
    const memory = this.#memory;
    for (let word = 0; word < 4; word++) {
      const mine = memory.u32(node, at + 4 * word), other = id[word];
      if (mine !== other) return mine < other ? -1 : 1;
    }
    return 0;
  }

  /** Index of the last entry whose key is not above `id`, or -1. What is appended is found at once. */
  #floorIn(node: Address, stride: number, id: StreamId): number {
    const count = this.#memory.u32(node, NODE.count);
    let low = 0, high = count - 1;
    if (this.#compareAt(node, NODE.entries + high * stride, id) <= 0) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compareAt(node, NODE.entries + middle * stride, id) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** The operations on trees with values of one size. Trees are passed in, so one instance serves all of a kind. */
export class OrderedTree {
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #owner: Owner;
  readonly #leafStride: number;
  readonly #leafCapacity: number;
  /** The path to what was looked up last. */
  readonly #path: TreeCursor;
  readonly #spares = new Uint32Array(LEVELS_MAX + 1);
  #spareCount = 0;
  readonly #separator: StreamId = new Uint32Array(4);
  /** The entry that the last `find` or `insert` came to: its leaf, and where in it. */
  #node: Address = NONE;
  #place = 0;

  constructor(memory: LiveMemory, allocator: Allocator, owner: Owner, valueWords: number) {
    this.#memory = memory, this.#allocator = allocator, this.#owner = owner;
    this.#leafStride = KEY_BYTES + 4 * valueWords, this.#leafCapacity = capacityFor(this.#leafStride);
    this.#path = new TreeCursor(memory, valueWords);
  }

  /** Makes the fields at this place an empty tree. */
  init(block: Address, offsetBytes: number): void {
    this.#memory.fill(block, offsetBytes, 0, TREE_BYTES);
  }

  size(block: Address, offsetBytes: number): number {
    return this.#memory.u32(block, offsetBytes + TREE.size);
  }

  /** Bytes of all nodes. */
  nodeBytes(block: Address, offsetBytes: number): number {
    return this.#memory.u32(block, offsetBytes + TREE.granules) * 8;
  }

  find(block: Address, offsetBytes: number, id: StreamId): boolean {
    const path = this.#path.open(block, offsetBytes);
    if (!path.find(id)) return false;
    this.#node = path.leaf, this.#place = path.place;
    return true;
  }

  findFirst(block: Address, offsetBytes: number): boolean {
    const path = this.#path.open(block, offsetBytes);
    if (!path.seekFirst()) return false;
    this.#node = path.leaf, this.#place = path.place;
    return true;
  }

  /** The key that was found or inserted last. */
  readKey(into: StreamId): void {
    const at = NODE.entries + this.#place * this.#leafStride;
    for (let word = 0; word < 4; word++) into[word] = this.#memory.u32(this.#node, at + 4 * word);
  }

  /** Word `index` of the value that was found or inserted last. */
  word(index: number): number {
    return this.#memory.u32(this.#node, this.#valueOffset(index));
  }

  setWord(index: number, value: number): void {
    this.#memory.setU32(this.#node, this.#valueOffset(index), value);
  }

  #valueOffset(index: number): number {
    return NODE.entries + this.#place * this.#leafStride + KEY_BYTES + 4 * index;
  }

  /**
   * Adds an entry, whose value the caller sets with `setWord`. False when the key is there; then that entry counts as found.
   * @throws {OutOfArenaError} and nothing has changed
   */
  insert(block: Address, offsetBytes: number, id: StreamId): boolean {
    const memory = this.#memory, path = this.#path.open(block, offsetBytes);
    if (memory.u32(block, offsetBytes + TREE.root) === NONE) {
      const root = this.#newNode(block, offsetBytes, this.#leafStride, SMALL_CAPACITY);
      memory.setU32(block, offsetBytes + TREE.root, root), memory.setU32(block, offsetBytes + TREE.height, 0);
      this.#put(root, 0, this.#leafStride, id);
      this.#node = root, this.#place = 0;
    } else {
      if (path.find(id)) {
        this.#node = path.leaf, this.#place = path.place;
        return false;
      }
      this.#insertAt(block, offsetBytes, id);
    }
    memory.setU32(block, offsetBytes + TREE.size, this.size(block, offsetBytes) + 1);
    return true;
  }

  /** Removes the entry that the last `find` or `findFirst` came to. */
  removeFound(block: Address, offsetBytes: number): void {
    const memory = this.#memory, path = this.#path;
    memory.setU32(block, offsetBytes + TREE.size, this.size(block, offsetBytes) - 1);
    this.#removeAt(block, offsetBytes, path.height);
    this.#collapseRoot(block, offsetBytes);
  }

  /** Frees up to `blocksMax` blocks from the end on; with `freesValues` the block that each value's first word names too. Returns how many. */
  freeSome(block: Address, offsetBytes: number, blocksMax: number, freesValues: boolean): number {
    const memory = this.#memory, path = this.#path;
    let freed = 0;
    while (freed < blocksMax && path.open(block, offsetBytes).seekLast()) {
      const leaf = path.leaf, had = memory.u32(leaf, NODE.count);
      const left = freesValues ? Math.max(0, had - (blocksMax - freed)) : 0;
      for (let place = left; freesValues && place < had; place++, freed++) {
        this.#allocator.free(memory.u32(leaf, NODE.entries + place * this.#leafStride + KEY_BYTES) as Address);
      }
      memory.setU32(block, offsetBytes + TREE.size, this.size(block, offsetBytes) - (had - left));
      memory.setU32(leaf, NODE.count, left);
      if (left === 0) this.#dropNode(block, offsetBytes, path.height), freed++;
    }
    return freed;
  }

  // ---- inserting -----------------------------------------------------------------------------------------------

  /** Inserts behind the place that the path leads to. */
  #insertAt(block: Address, offsetBytes: number, id: StreamId): void {
    const memory = this.#memory, path = this.#path, height = path.height, leaf = path.leaf, place = path.place + 1;
    if (memory.u32(leaf, NODE.count) < memory.u32(leaf, NODE.capacity)) {
      this.#put(leaf, place, this.#leafStride, id);
      this.#node = leaf, this.#place = place;
    } else if (memory.u32(leaf, NODE.capacity) < this.#leafCapacity) {
      const root = this.#growRoot(block, offsetBytes, leaf);
      this.#put(root, place, this.#leafStride, id);
      this.#node = root, this.#place = place;
    } else {
      this.#prepareSpares(block, offsetBytes);
      this.#splitInsert(block, offsetBytes, height, place, this.#leafStride, id, NONE);
    }
  }

  #growRoot(block: Address, offsetBytes: number, leaf: Address): Address {
    const memory = this.#memory, capacity = Math.min(memory.u32(leaf, NODE.capacity) * 2, this.#leafCapacity);
    const root = this.#newNode(block, offsetBytes, this.#leafStride, capacity), count = memory.u32(leaf, NODE.count);
    memory.copy(leaf, NODE.entries, root, NODE.entries, count * this.#leafStride);
    memory.setU32(root, NODE.count, count);
    memory.setU32(block, offsetBytes + TREE.root, root);
    this.#freeNode(block, offsetBytes, leaf);
    return root;
  }

  /** Allocates a node for each one on the path that will be split, and for a new root, before anything changes. */
  #prepareSpares(block: Address, offsetBytes: number): void {
    const memory = this.#memory, path = this.#path;
    this.#spareCount = 0;
    try {
      let level = path.height, stride = this.#leafStride;
      for (; level >= 0; level--, stride = INNER_STRIDE) {
        const node = path.nodes[level] as Address;
        if (memory.u32(node, NODE.count) < memory.u32(node, NODE.capacity)) return;
        this.#addSpare(block, offsetBytes, stride);
      }
      this.#addSpare(block, offsetBytes, INNER_STRIDE);
    } catch (error) {
      if (error instanceof OutOfArenaError) {
        while (this.#spareCount > 0) this.#freeNode(block, offsetBytes, this.#spares[--this.#spareCount] as Address);
      }
      throw error;
    }
  }

  #addSpare(block: Address, offsetBytes: number, stride: number): void {
    this.#spares[this.#spareCount] = this.#newNode(block, offsetBytes, stride, capacityFor(stride));
    this.#spareCount++;
  }

  /** Inserts (id, child) at `place` of the full node at `level`, which is split; the spares are there. */
  #splitInsert(
    block: Address,
    offsetBytes: number,
    level: number,
    place: number,
    stride: number,
    id: StreamId,
    child: Address,
  ): void {
    const memory = this.#memory, path = this.#path, left = path.nodes[level] as Address;
    const right = this.#spares[path.height - level] as Address, count = memory.u32(left, NODE.count);
    const kept = place === count && this.#isRightmost(level) ? count : count >>> 1;
    memory.copy(left, NODE.entries + kept * stride, right, NODE.entries, (count - kept) * stride);
    memory.setU32(left, NODE.count, kept), memory.setU32(right, NODE.count, count - kept);
    const toRight = place > kept || kept === count, target = toRight ? right : left;
    const targetPlace = toRight ? place - kept : place;
    this.#put(target, targetPlace, stride, id);
    if (level === path.height) this.#node = target, this.#place = targetPlace;
    else memory.setU32(target, NODE.entries + targetPlace * stride + KEY_BYTES, child);
    this.#linkRight(block, offsetBytes, level, left, right);
  }

  /** Gives the parent of `left`, at `level`, the new node to the right of it. */
  #linkRight(block: Address, offsetBytes: number, level: number, left: Address, right: Address): void {
    const memory = this.#memory, path = this.#path, separator = this.#separator;
    for (let word = 0; word < 4; word++) separator[word] = memory.u32(right, NODE.entries + 4 * word);
    if (level === 0) return this.#newRoot(block, offsetBytes, left, right);
    const parent = path.nodes[level - 1] as Address, place = path.places[level - 1] + 1;
    if (memory.u32(parent, NODE.count) === INNER_CAPACITY) {
      return this.#splitInsert(block, offsetBytes, level - 1, place, INNER_STRIDE, separator, right);
    }
    this.#put(parent, place, INNER_STRIDE, separator);
    memory.setU32(parent, NODE.entries + place * INNER_STRIDE + KEY_BYTES, right);
  }

  #newRoot(block: Address, offsetBytes: number, left: Address, right: Address): void {
    const memory = this.#memory, root = this.#spares[this.#path.height + 1] as Address;
    memory.fill(root, NODE.entries, 0, KEY_BYTES);
    memory.setU32(root, NODE.entries + KEY_BYTES, left);
    memory.setU32(root, NODE.count, 1);
    this.#put(root, 1, INNER_STRIDE, this.#separator);
    memory.setU32(root, NODE.entries + INNER_STRIDE + KEY_BYTES, right);
    memory.setU32(block, offsetBytes + TREE.root, root);
    memory.setU32(block, offsetBytes + TREE.height, this.#path.height + 1);
  }

  #isRightmost(level: number): boolean {
    const { nodes, places } = this.#path;
    for (let above = level - 1; above >= 0; above--) {
      if (places[above] + 1 !== this.#memory.u32(nodes[above] as Address, NODE.count)) return false;
    }
    return true;
  }

  /** Makes room at `place` of a node that is not full and writes the key. */
  #put(node: Address, place: number, stride: number, id: StreamId): void {
    const memory = this.#memory, count = memory.u32(node, NODE.count), at = NODE.entries + place * stride;
    if (place < count) memory.copy(node, at, node, at + stride, (count - place) * stride);
    for (let word = 0; word < 4; word++) memory.setU32(node, at + 4 * word, id[word]);
    memory.setU32(node, NODE.count, count + 1);
  }

  // ---- removing ------------------------------------------------------------------------------------------------

  /** Removes the path's entry of the node at `level`, then the node if it is empty, or merges it if it is sparse. */
  #removeAt(block: Address, offsetBytes: number, level: number): void {
    const memory = this.#memory, { nodes, places, height } = this.#path, node = nodes[level] as Address;
    const stride = level === height ? this.#leafStride : INNER_STRIDE, place = places[level];
    const count = memory.u32(node, NODE.count) - 1, at = NODE.entries + place * stride;
    if (place < count) memory.copy(node, at + stride, node, at, (count - place) * stride);
    memory.setU32(node, NODE.count, count);
    if (count === 0) this.#dropNode(block, offsetBytes, level);
    else if (level > 0 && count * 4 < memory.u32(node, NODE.capacity)) this.#merge(block, offsetBytes, level, stride);
  }

  /** Frees the path's empty node at `level` and takes it out of its parent. */
  #dropNode(block: Address, offsetBytes: number, level: number): void {
    this.#freeNode(block, offsetBytes, this.#path.nodes[level] as Address);
    if (level > 0) return this.#removeAt(block, offsetBytes, level - 1);
    this.#memory.setU32(block, offsetBytes + TREE.root, NONE), this.#memory.setU32(block, offsetBytes + TREE.height, 0);
  }

  /** Merges the path's sparse node at `level` with a neighbour of the same parent, if three quarters of a node hold both. */
  #merge(block: Address, offsetBytes: number, level: number, stride: number): void {
    const { nodes, places } = this.#path, parent = nodes[level - 1] as Address, place = places[level - 1];
    const siblings = this.#memory.u32(parent, NODE.count);
    if (place + 1 < siblings && this.#mergeInto(block, offsetBytes, level, stride, place)) return;
    if (place > 0) this.#mergeInto(block, offsetBytes, level, stride, place - 1);
  }

  /** Merges the children `place` and `place + 1` of the path's node above `level`. */
  #mergeInto(block: Address, offsetBytes: number, level: number, stride: number, place: number): boolean {
    const memory = this.#memory, { nodes, places, height } = this.#path, parent = nodes[level - 1] as Address;
    const at = NODE.entries + place * INNER_STRIDE;
    const left = memory.u32(parent, at + KEY_BYTES) as Address,
      right = memory.u32(parent, at + INNER_STRIDE + KEY_BYTES) as Address;
    const had = memory.u32(left, NODE.count), more = memory.u32(right, NODE.count);
    if ((had + more) * 4 > memory.u32(left, NODE.capacity) * 3) return false;
    // The first key of an inner node may be above keys below it; the parent's is not.
    if (level < height) memory.copy(parent, at + INNER_STRIDE, right, NODE.entries, KEY_BYTES);
    memory.copy(right, NODE.entries, left, NODE.entries + had * stride, more * stride);
    memory.setU32(left, NODE.count, had + more);
    this.#freeNode(block, offsetBytes, right);
    places[level - 1] = place + 1;
    this.#removeAt(block, offsetBytes, level - 1);
    return true;
  }

  #collapseRoot(block: Address, offsetBytes: number): void {
    const memory = this.#memory;
    let height = memory.u32(block, offsetBytes + TREE.height);
    for (; height > 0; height--) {
      const root = memory.u32(block, offsetBytes + TREE.root) as Address;
      if (memory.u32(root, NODE.count) > 1) return;
      memory.setU32(block, offsetBytes + TREE.root, memory.u32(root, NODE.entries + KEY_BYTES));
      memory.setU32(block, offsetBytes + TREE.height, height - 1);
      this.#freeNode(block, offsetBytes, root);
    }
  }

  // ---- nodes ---------------------------------------------------------------------------------------------------

  #newNode(block: Address, offsetBytes: number, stride: number, capacity: number): Address {
    const memory = this.#memory, node = this.#allocator.allocate(NODE.entries + capacity * stride, this.#owner);
    memory.setU32(node, NODE.count, 0), memory.setU32(node, NODE.capacity, capacity);
    this.#addGranules(block, offsetBytes, this.#allocator.allocatedBytes(node) / 8);
    return node;
  }

  #freeNode(block: Address, offsetBytes: number, node: Address): void {
    this.#addGranules(block, offsetBytes, -this.#allocator.allocatedBytes(node) / 8);
    this.#allocator.free(node);
  }

  #addGranules(block: Address, offsetBytes: number, more: number): void {
    const at = offsetBytes + TREE.granules;
    this.#memory.setU32(block, at, this.#memory.u32(block, at) + more);
  }
}
