/**
 * Changes quicklists in paged memory (layout: `quicklist.ts`). One instance serves all lists of a keyspace; lists are named by the address
 * of their header, which never moves.
 *
 * Where nodes are split, merged and compressed follows Redis 7.0's quicklist.c, so that the same commands make the same nodes.
 * When the arena is full a change throws OutOfArenaError and the list is as it was; compressing and expanding at leisure give up quietly.
 * Bytes that are inserted must not lie in the node that changes. Nothing is allocated on the JavaScript heap for a push or a pop.
 */
import { assert } from "../base/assert.ts";
import { copyRange } from "../base/bytes.ts";
import { lzfCompress, lzfDecompress } from "../base/lzf.ts";
import { type Address, type Allocator, type LiveMemory, NONE, OutOfArenaError, OWNER } from "../memory/mod.ts";
import { ListCursor } from "./list_cursor.ts";
import {
  ElementEncoder,
  elementEquals,
  findElement,
  firstElement,
  lastElement,
  LISTPACK_EMPTY_BYTES,
  LISTPACK_END,
  LISTPACK_HEADER_BYTES,
  Listpacks,
  nextElement,
  previousElement,
  seekElement,
} from "./listpack.ts";
import {
  COMPRESSED_HEADER_BYTES,
  depthOf,
  fillOf,
  LIST,
  listOptions,
  NODE,
  NODE_FLAG,
  nodeBytesMax,
  nodesMerge,
  nodeTakes,
} from "./quicklist.ts";

/** Smaller nodes are not compressed, nor those that save no more than this. */
const COMPRESSIBLE_BYTES_MIN = 48, COMPRESSION_SAVES_MIN = 8;
/** Elements from this size on have a node of their own, without a listpack. */
export const PACKED_THRESHOLD_BYTES = 1 << 30;
/** Bytes of a listpack's element that are not its string, at most. */
const ELEMENT_HEAD_BYTES_MAX = 10;
/** A listpack's own count says no more than this. */
const ELEMENTS_SHOWN_MAX = 0xffff;
const WORD_BYTES = 8;
/** Smaller blocks stay when their listpack shrinks. */
const SHRINK_BYTES_MIN = 256;
const ALL = Infinity;

export class Quicklists {
  /** DEBUG QUICKLIST-PACKED-THRESHOLD changes it. */
  packedThresholdBytes: number = PACKED_THRESHOLD_BYTES;
  readonly cursor: ListCursor;
  /** Elements that the running `removeEqual` has removed: true even when it ends by throwing. */
  removed = 0;
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #packs: Listpacks;
  /** A node that is not compressed for now, as it is still to be changed. */
  #kept: Address = NONE;
  readonly #encoder = new ElementEncoder();
  readonly #header = new Uint8Array(LISTPACK_HEADER_BYTES);
  /** An element as it goes into a listpack. */
  #staged = new Uint8Array(256);
  #buffer = new Uint8Array(0);
  #rotated = new Uint8Array(256);

  constructor(memory: LiveMemory, allocator: Allocator) {
    this.#memory = memory, this.#allocator = allocator;
    this.#packs = new Listpacks(memory, allocator);
    this.cursor = new ListCursor(memory);
  }

  // ---- whole lists ---------------------------------------------------------------------------------------------

  /** An empty list; `fill` and `depth` are as in list-max-listpack-size and list-compress-depth. */
  create(fill: number, depth: number): Address {
    const memory = this.#memory, list = this.#allocator.allocate(LIST.sizeBytes, OWNER.quicklistNode);
    memory.fill(list, 0, 0, LIST.sizeBytes);
    memory.setU32(list, LIST.options, listOptions(fill, depth));
    return list;
  }

  length(list: Address): number {
    return this.#memory.f64(list, LIST.elements);
  }

  nodes(list: Address): number {
    return this.#memory.u32(list, LIST.nodes);
  }

  free(list: Address): void {
    this.freeSome(list, ALL);
  }

  /** Frees up to about `blocksMax` blocks of a list that nobody can reach any more; true when all of it is gone. */
  freeSome(list: Address, blocksMax: number): boolean {
    const memory = this.#memory;
    let node = memory.u32(list, LIST.head) as Address;
    for (let left = blocksMax; node !== NONE && left > 0; left -= 2) {
      const next = memory.u32(node, NODE.next) as Address;
      this.#freeNode(node);
      node = next;
    }
    if (node === NONE) this.#allocator.free(list);
    else memory.setU32(list, LIST.head, node);
    return node === NONE;
  }

  /** A copy with the same nodes. */
  copy(list: Address): Address {
    const memory = this.#memory, options = memory.u32(list, LIST.options);
    const copy = this.create(fillOf(options), depthOf(options));
    try {
      for (let node = this.#head(list); node !== NONE; node = this.#next(node)) {
        this.#appendNode(copy, this.#copyNode(node));
      }
    } catch (error) {
      this.free(copy);
      throw error;
    }
    memory.setF64(copy, LIST.elements, this.length(list));
    return copy;
  }

  /** Bytes of all blocks; with `samples`, estimated from that many nodes. */
  memoryUsage(list: Address, samples: number): number {
    const memory = this.#memory, allocator = this.#allocator, nodesMax = samples === 0 ? ALL : samples;
    let bytes = 0, seen = 0;
    for (let node = this.#head(list); node !== NONE && seen < nodesMax; node = this.#next(node), seen++) {
      bytes += allocator.allocatedBytes(node) + allocator.allocatedBytes(memory.u32(node, NODE.content) as Address);
    }
    if (seen > 0 && seen < this.nodes(list)) bytes = Math.round(bytes / seen * this.nodes(list));
    return allocator.allocatedBytes(list) + bytes;
  }

  /** Bytes of all nodes' contents, uncompressed. */
  contentBytes(list: Address): number {
    let bytes = 0;
    for (let node = this.#head(list); node !== NONE; node = this.#next(node)) {
      bytes += this.#memory.u32(node, NODE.bytes);
    }
    return bytes;
  }

  // ---- for loaders ---------------------------------------------------------------------------------------------

  /** Adds a node with this sound listpack, which has `elements`, at the tail. */
  appendListpack(list: Address, source: Uint8Array, start: number, length: number, elements: number): void {
    const node = this.#newNode(this.#packs.ofBytes(source, start, length), length, elements, 0);
    this.#link(list, this.#tail(list), node, true);
    this.#count(list, elements);
  }

  /** Adds a node with this one element at the tail. */
  appendPlain(list: Address, source: Uint8Array, start: number, length: number): void {
    this.#link(list, this.#tail(list), this.#newPlain(source, start, length), true);
    this.#count(list, 1);
  }

  // ---- both ends -----------------------------------------------------------------------------------------------

  push(list: Address, atHead: boolean, source: Uint8Array, start: number, length: number): void {
    const end = atHead ? this.#head(list) : this.#tail(list);
    if (end !== NONE && this.#takes(list, end, length)) this.#extend(list, end, atHead, source, start, length);
    else {
      this.#link(list, end, this.#newNodeOf(source, start, length), !atHead);
      if (end !== NONE) this.#trimFull(end);
    }
    this.#added(list, length);
  }

  /** Sees to it that the next pop at this end needs no memory. */
  preparePop(list: Address, atHead: boolean): void {
    const node = atHead ? this.#head(list) : this.#tail(list);
    if (this.#isCompressed(node)) this.#expand(node);
  }

  /** Removes the first or the last element of a list that has one. */
  pop(list: Address, atHead: boolean): void {
    const node = atHead ? this.#head(list) : this.#tail(list), isLast = this.#elements(node) === 1;
    if (!isLast && this.#isCompressed(node)) this.#expand(node);
    this.#dropEdge(list, node, atHead);
    if (isLast) this.#compress(list, NONE);
  }

  /**
   * Takes the first or last element, the one that the cursor is at, and pushes it again, at the other end or at the same: nodes come out as
   * if it were taken first and then pushed.
   */
  rotate(list: Address, fromHead: boolean, toHead: boolean): void {
    if (this.length(list) === 1) return;
    const from = fromHead ? this.#head(list) : this.#tail(list), { cursor } = this, element = cursor.read();
    const text = element.text(cursor.bytes), length = element.length;
    if (this.#rotated.length < length) this.#rotated = new Uint8Array(length);
    this.#rotated.set(text.subarray(element.start, element.start + length));
    if (this.#isCompressed(from)) this.#expand(from);
    const target = this.#endWithout(list, from, toHead);
    const takes = target === from ? this.#takesRotated(list, from, length) : this.#takes(list, target, length);
    if (takes) {
      if (target === from && fromHead === toHead) return;
      this.#extend(list, target, toHead, this.#rotated, 0, length);
    } else {
      this.#link(
        list,
        toHead ? this.#head(list) : this.#tail(list),
        this.#newNodeOf(this.#rotated, 0, length),
        !toHead,
      );
    }
    this.#added(list, length);
    this.#dropEdge(list, from, fromHead);
    this.#compress(list, NONE);
  }

  /** The node at an end once one element of `from` is gone; a list has more than that one. */
  #endWithout(list: Address, from: Address, atHead: boolean): Address {
    const end = atHead ? this.#head(list) : this.#tail(list);
    if (end !== from || this.#elements(from) > 1) return end;
    return atHead ? this.#next(from) : this.#previous(from);
  }

  /** Whether a node takes one of its own elements, the one at the cursor, once that is gone from it. */
  #takesRotated(list: Address, node: Address, length: number): boolean {
    if (!this.#isPacked(node) || length >= this.packedThresholdBytes) return false;
    const { cursor } = this, memory = this.#memory, following = nextElement(cursor.bytes, cursor.start, cursor.at);
    const end = following < 0 ? memory.u32(node, NODE.bytes) - 1 : following;
    const bytes = memory.u32(node, NODE.bytes) - (end - cursor.at), elements = memory.u32(node, NODE.elements) - 1;
    return nodeTakes(bytes, elements, this.#fill(list), length);
  }

  // ---- in the middle -------------------------------------------------------------------------------------------

  /** Inserts next to the element that the cursor is at. */
  insert(list: Address, after: boolean, source: Uint8Array, start: number, length: number): void {
    const { node } = this.cursor;
    if (this.#isLarge(length)) this.#insertLarge(list, after, source, start, length);
    else if (this.#takes(list, node, length)) this.#insertInto(list, node, after, source, start, length);
    else this.#insertBeside(list, after, source, start, length);
    this.#added(list, length);
  }

  /** Puts other bytes in place of the element that the cursor is at. */
  replace(list: Address, source: Uint8Array, start: number, length: number): void {
    const { node, at } = this.cursor, isLarge = this.#isLarge(length);
    if (this.#isPacked(node) !== isLarge) {
      this.#memory.cow.writtenBytes += length;
      if (isLarge) this.#replacePlain(node, source, start, length);
      else {
        this.#expand(node);
        this.#setPack(node, this.#packs.replace(this.#content(node), at, source, start, length), this.#elements(node));
      }
      return this.#compress(list, node);
    }
    // From packed to plain or back: the new element goes behind the old one, which is then the last of its node.
    if (isLarge) this.#expand(node);
    this.#kept = node;
    try {
      this.insert(list, true, source, start, length);
    } finally {
      this.#kept = NONE;
    }
    const next = this.#next(node), isAlone = this.#elements(node) === 1;
    this.#dropEdge(list, node, false);
    this.#compress(list, isAlone ? NONE : node);
    this.#compress(list, next);
  }

  /** Removes elements from index `start` on; the list has that many. */
  deleteRange(list: Address, start: number, count: number): void {
    if (count === 0) return;
    this.#seek(list, start);
    const { node } = this.cursor, offset = this.#elementsBefore();
    this.#expandEdges(list, node, offset, count);
    this.#cutRange(list, node, offset, count);
    this.#compress(list, NONE);
  }

  /** Removes elements at both ends, of a list that has more than these. */
  trim(list: Address, fromHead: number, fromTail: number): void {
    // What may fail comes first.
    if (fromHead > 0) this.#seek(list, fromHead), this.#expand(this.cursor.node);
    if (fromTail > 0) this.#seek(list, -1 - fromTail), this.#expand(this.cursor.node);
    if (fromHead > 0) this.#cutRange(list, this.#head(list), 0, fromHead);
    if (fromTail > 0) {
      this.#seek(list, -fromTail);
      this.#cutRange(list, this.cursor.node, this.#elementsBefore(), fromTail);
    }
    this.#compress(list, this.#head(list));
    this.#compress(list, this.#tail(list));
  }

  /** Removes up to `countMax` elements that equal the bytes, from the head or the tail on; returns how many, as `removed` says too. */
  removeEqual(
    list: Address,
    fromHead: boolean,
    countMax: number,
    source: Uint8Array,
    start: number,
    length: number,
  ): number {
    this.removed = 0;
    let node = fromHead ? this.#head(list) : this.#tail(list);
    while (node !== NONE && this.removed < countMax) {
      const following = fromHead ? this.#next(node) : this.#previous(node);
      if (this.#isPacked(node)) this.#removeIn(list, node, fromHead, countMax, source, start, length);
      else if (this.#plainEquals(node, source, start, length)) this.#unlink(list, node), this.removed++;
      node = following;
    }
    if (this.removed > 0) this.#compress(list, NONE);
    return this.removed;
  }

  #removeIn(
    list: Address,
    node: Address,
    fromHead: boolean,
    countMax: number,
    source: Uint8Array,
    start: number,
    length: number,
  ): void {
    const { cursor } = this, before = this.removed;
    cursor.open(node);
    let at = fromHead
      ? findElement(cursor.bytes, cursor.start, LISTPACK_HEADER_BYTES, source, start, length, 0)
      : this.#findBackward(lastElement(cursor.bytes, cursor.start), source, start, length);
    if (at < 0) return;
    this.#expand(node);
    while (at >= 0 && this.removed < countMax) {
      if (this.#elements(node) === 1) {
        this.#unlink(list, node), this.removed++;
        return;
      }
      const following = fromHead ? -1 : previousElement(cursor.bytes, cursor.start, at);
      this.#setPack(node, this.#packs.deleteRange(this.#content(node), at, 1), this.#elements(node) - 1);
      this.removed++, this.#count(list, -1);
      cursor.open(node);
      at = fromHead
        ? findElement(cursor.bytes, cursor.start, this.#packs.at, source, start, length, 0)
        : this.#findBackward(following, source, start, length);
    }
    if (this.removed > before) this.#compress(list, node);
  }

  /** Place of the nearest element from `from` on, towards the head of the cursor's node, that equals the bytes, or -1. */
  #findBackward(from: number, source: Uint8Array, start: number, length: number): number {
    const { bytes, start: lp } = this.cursor;
    let at = from;
    while (at >= 0 && !elementEquals(bytes, lp, at, source, start, length)) at = previousElement(bytes, lp, at);
    return at;
  }

  #plainEquals(node: Address, source: Uint8Array, start: number, length: number): boolean {
    const { cursor } = this;
    cursor.lookFor(source, start, length);
    cursor.open(node);
    return cursor.isMatch();
  }

  // ---- inserting -----------------------------------------------------------------------------------------------

  #insertInto(list: Address, node: Address, after: boolean, source: Uint8Array, start: number, length: number): void {
    const packs = this.#packs, { at } = this.cursor;
    this.#expand(node);
    const pack = this.#content(node);
    const moved = after
      ? packs.insertAfter(pack, at, source, start, length)
      : packs.insertBefore(pack, at, source, start, length);
    this.#setPack(node, moved, this.#elements(node) + 1);
    this.#compress(list, node);
  }

  /** Inserts at the cursor although its node is full: into the next node, a new one, or between its halves. */
  #insertBeside(list: Address, after: boolean, source: Uint8Array, start: number, length: number): void {
    const { node } = this.cursor, neighbour = after ? this.#next(node) : this.#previous(node);
    if (!this.#isAtEdge(after)) return this.#insertSplitting(list, after, source, start, length);
    if (neighbour === NONE || !this.#takes(list, neighbour, length)) {
      return this.#link(list, node, this.#newPacked(source, start, length), after);
    }
    this.#extend(list, neighbour, after, source, start, length);
    this.#compress(list, neighbour);
  }

  #insertSplitting(list: Address, after: boolean, source: Uint8Array, start: number, length: number): void {
    const packs = this.#packs, { node } = this.cursor;
    let half = this.#copyHalf(node, after);
    try {
      half = after ? packs.prepend(half, source, start, length) : packs.append(half, source, start, length);
    } catch (error) {
      packs.free(half);
      throw error;
    }
    const fresh = this.#newNode(half, packs.bytes(half), packs.count(half), 0);
    this.#cutHalf(node, after);
    this.#link(list, node, fresh, after);
    this.#mergeAround(list, node);
  }

  #insertLarge(list: Address, after: boolean, source: Uint8Array, start: number, length: number): void {
    const packs = this.#packs, { node } = this.cursor;
    if (!this.#isPacked(node) || this.#isAtEdge(after)) {
      return this.#link(list, node, this.#newPlain(source, start, length), after);
    }
    const half = this.#copyHalf(node, after), fresh = this.#newNode(half, packs.bytes(half), packs.count(half), 0);
    let plain: Address;
    try {
      plain = this.#newPlain(source, start, length);
    } catch (error) {
      this.#freeNode(fresh);
      throw error;
    }
    this.#cutHalf(node, after);
    this.#link(list, node, plain, after);
    this.#link(list, plain, fresh, after);
  }

  /** A listpack of what is behind (or before) the cursor's element; the node is expanded and otherwise unchanged. */
  #copyHalf(node: Address, after: boolean): Address {
    this.#expand(node);
    const packs = this.#packs, before = this.#elementsBefore(), half = packs.copy(this.#content(node));
    return after
      ? packs.deleteRange(half, LISTPACK_HEADER_BYTES, before + 1)
      : packs.deleteRange(half, this.cursor.at, ALL);
  }

  /** Removes from the node what `copyHalf` copied. */
  #cutHalf(node: Address, after: boolean): void {
    const packs = this.#packs, memory = this.#memory, { at } = this.cursor, pack = this.#content(node);
    const from = after ? nextElement(memory.bytesOf(pack), memory.placeOf(pack), at) : LISTPACK_HEADER_BYTES;
    const moved = packs.deleteRange(pack, from, after ? ALL : this.#elementsBefore());
    this.#setPack(node, moved, packs.count(moved));
  }

  #replacePlain(node: Address, source: Uint8Array, start: number, length: number): void {
    const memory = this.#memory, content = this.#allocator.allocate(length, OWNER.value);
    memory.copyIn(content, 0, source, start, length);
    this.#allocator.free(this.#content(node));
    memory.setU32(node, NODE.content, content);
    memory.setU32(node, NODE.bytes, length);
    memory.setU32(node, NODE.flags, NODE_FLAG.plain);
  }

  /** Removes the first or last element of a node that is not compressed. */
  #dropEdge(list: Address, node: Address, first: boolean): void {
    if (this.#elements(node) === 1) return this.#unlink(list, node);
    const memory = this.#memory, content = this.#content(node), start = memory.u32(node, NODE.start);
    const bytes = memory.bytesOf(content), lp = memory.placeOf(content) + start, total = memory.u32(node, NODE.bytes);
    if (first) {
      const at = nextElement(bytes, lp, LISTPACK_HEADER_BYTES), gone = at - LISTPACK_HEADER_BYTES;
      this.#setEnds(node, content, start + gone, total - gone, -1);
    } else {
      const at = lastElement(bytes, lp);
      memory.setU8(content, start + at, LISTPACK_END);
      this.#setEnds(node, content, start, at + 1, -1);
    }
    this.#count(list, -1);
    this.#giveBack(node);
  }

  /** Whether nothing of its node is behind (or before) the cursor's element. */
  #isAtEdge(after: boolean): boolean {
    const { isPlain, bytes, start, at } = this.cursor;
    if (isPlain) return true;
    return after ? nextElement(bytes, start, at) < 0 : at === LISTPACK_HEADER_BYTES;
  }

  /** Elements of the cursor's node before the cursor. */
  #elementsBefore(): number {
    const { isPlain, bytes, start, at } = this.cursor;
    if (isPlain) return 0;
    let before = 0;
    for (let one = firstElement(bytes, start); one !== at; one = nextElement(bytes, start, one)) before++;
    return before;
  }

  // ---- cutting -------------------------------------------------------------------------------------------------

  /** Expands the nodes of which a range is only a part. */
  #expandEdges(list: Address, first: Address, offset: number, count: number): void {
    if (depthOf(this.#memory.u32(list, LIST.options)) === 0) return;
    let node = first, left = count + offset;
    if (offset > 0) this.#expand(node);
    for (; left >= this.#elements(node) && left > 0; node = this.#next(node)) {
      left -= this.#elements(node);
      if (left === 0) return;
    }
    this.#expand(node);
  }

  #cutRange(list: Address, first: Address, offset: number, count: number): void {
    let node = first, from = offset, left = count;
    while (left > 0) {
      const next = this.#next(node), here = this.#elements(node), cut = Math.min(here - from, left);
      if (cut === here) this.#unlink(list, node);
      else {
        this.#closeGap(node);
        const memory = this.#memory, pack = this.#content(node);
        const at = seekElement(memory.bytesOf(pack), memory.placeOf(pack), from);
        this.#setPack(node, this.#packs.deleteRange(pack, at, cut), here - cut);
        this.#count(list, -cut);
      }
      left -= cut, from = 0, node = next;
    }
  }

  // ---- merging -------------------------------------------------------------------------------------------------

  /** Merges the nodes next to a node that was split, and then it with its neighbours, where they fit in one. */
  #mergeAround(list: Address, center: Address): void {
    const previous = this.#previous(center), next = this.#next(center);
    if (previous !== NONE) this.#merge(list, this.#previous(previous), previous);
    if (next !== NONE) this.#merge(list, next, this.#next(next));
    const before = this.#previous(center), target = this.#merge(list, before, center) ? before : center;
    this.#merge(list, target, this.#next(target));
  }

  /** Puts all of `b` into `a`, when both may be one; `b` is gone then. */
  #merge(list: Address, a: Address, b: Address): boolean {
    if (a === NONE || b === NONE || !this.#isPacked(a) || !this.#isPacked(b)) return false;
    const memory = this.#memory, elements = this.#elements(a) + this.#elements(b);
    if (!nodesMerge(memory.u32(a, NODE.bytes) + memory.u32(b, NODE.bytes), elements, this.#fill(list))) return false;
    try {
      this.#expand(a), this.#expand(b);
      this.#setPack(a, this.#packs.appendAll(this.#content(a), this.#content(b)), elements);
    } catch (error) {
      return gaveUp(error);
    }
    this.#count(list, this.#elements(b));
    this.#unlink(list, b);
    this.#compress(list, NONE);
    this.#compress(list, a);
    return true;
  }

  // ---- nodes ---------------------------------------------------------------------------------------------------

  #head(list: Address): Address {
    return this.#memory.u32(list, LIST.head) as Address;
  }

  #tail(list: Address): Address {
    return this.#memory.u32(list, LIST.tail) as Address;
  }

  #next(node: Address): Address {
    return this.#memory.u32(node, NODE.next) as Address;
  }

  #previous(node: Address): Address {
    return this.#memory.u32(node, NODE.previous) as Address;
  }

  #elements(node: Address): number {
    return this.#memory.u32(node, NODE.elements);
  }

  #content(node: Address): Address {
    return this.#memory.u32(node, NODE.content) as Address;
  }

  #fill(list: Address): number {
    return fillOf(this.#memory.u32(list, LIST.options));
  }

  #isPacked(node: Address): boolean {
    return (this.#memory.u32(node, NODE.flags) & NODE_FLAG.plain) === 0;
  }

  #isLarge(length: number): boolean {
    return length >= this.packedThresholdBytes;
  }

  #seek(list: Address, index: number): void {
    assert(this.cursor.seek(list, index), "the list has this element");
  }

  /** An element of this length has come in. */
  #added(list: Address, length: number): void {
    this.#memory.cow.writtenBytes += length;
    this.#count(list, 1);
  }

  #count(list: Address, added: number): void {
    this.#memory.setF64(list, LIST.elements, this.#memory.f64(list, LIST.elements) + added);
  }

  /** Whether a node takes one more element of this length. */
  #takes(list: Address, node: Address, length: number): boolean {
    const memory = this.#memory;
    return this.#isPacked(node) && length < this.packedThresholdBytes &&
      nodeTakes(memory.u32(node, NODE.bytes), memory.u32(node, NODE.elements), this.#fill(list), length);
  }

  #extend(list: Address, node: Address, atHead: boolean, source: Uint8Array, start: number, length: number): void {
    if (this.#isCompressed(node)) this.#expand(node);
    const memory = this.#memory, size = this.#stage(source, start, length), total = memory.u32(node, NODE.bytes);
    this.#makeRoom(list, node, atHead, size);
    const content = this.#content(node), from = memory.u32(node, NODE.start), staged = this.#staged;
    if (atHead) {
      // The old header goes under the new element.
      memory.copyIn(content, from - size + LISTPACK_HEADER_BYTES, staged, 0, size);
      this.#setEnds(node, content, from - size, total + size, 1);
    } else {
      memory.copyIn(content, from + total - 1, staged, 0, size + 1);
      this.#setEnds(node, content, from, total + size, 1);
    }
  }

  /** Encodes an element into `#staged`, with an end byte behind it; returns its size without that. */
  #stage(source: Uint8Array, start: number, length: number): number {
    const { head, headBytes, dataBytes, backlen, backlenBytes, sizeBytes } = this.#encoder.ofBytes(
      source,
      start,
      length,
    );
    if (this.#staged.length <= sizeBytes) this.#staged = new Uint8Array(sizeBytes + 1);
    const staged = this.#staged;
    for (let i = 0; i < headBytes; i++) staged[i] = head[i];
    copyRange(source, start, staged, headBytes, dataBytes);
    for (let i = 0, at = headBytes + dataBytes; i < backlenBytes; i++) staged[at + i] = backlen[i];
    staged[sizeBytes] = LISTPACK_END;
    return sizeBytes;
  }

  /** Notes where a node's listpack begins, how long it is, and how many more elements it has; writes its header. */
  #setEnds(node: Address, content: Address, start: number, bytes: number, added: number): void {
    const memory = this.#memory, elements = this.#elements(node) + added, header = this.#header;
    const shown = elements < ELEMENTS_SHOWN_MAX ? elements : ELEMENTS_SHOWN_MAX;
    header[0] = bytes, header[1] = bytes >>> 8, header[2] = bytes >>> 16, header[3] = bytes >>> 24;
    header[4] = shown, header[5] = shown >>> 8;
    memory.copyIn(content, start, header, 0, LISTPACK_HEADER_BYTES);
    memory.setU32(node, NODE.start, start);
    memory.setU32(node, NODE.bytes, bytes);
    memory.setU32(node, NODE.elements, elements);
  }

  /** Sees to it that `size` bytes are free before or behind a node's listpack. */
  #makeRoom(list: Address, node: Address, atHead: boolean, size: number): void {
    const memory = this.#memory, start = memory.u32(node, NODE.start), total = memory.u32(node, NODE.bytes);
    const allocated = this.#allocator.allocatedBytes(this.#content(node));
    if (atHead ? start >= size : start + total + size <= allocated) return;
    const needed = total + size, max = nodeBytesMax(this.#fill(list));
    const wanted = needed >= max ? needed : Math.min(max, needed + (needed >>> 1));
    // Where half of what grows is free at the other end, the listpack only moves.
    const isRoomy = allocated >= needed + (needed >>> 2);
    this.#moveTo(node, isRoomy ? allocated : wanted, atHead, size);
  }

  /**
   * Moves a node's listpack to the end of a block of this size, or to its start, so that `roomBytes` are free at the other end. Where that
   * allows, words stay words: copying those is faster.
   */
  #moveTo(node: Address, sizeBytes: number, toEnd: boolean, roomBytes: number): void {
    const memory = this.#memory, allocator = this.#allocator, old = this.#content(node);
    const start = memory.u32(node, NODE.start), total = memory.u32(node, NODE.bytes);
    const block = allocator.allocate(sizeBytes, OWNER.listpack), free = allocator.allocatedBytes(block) - total;
    const aligned = toEnd ? free - ((free - start) & (WORD_BYTES - 1)) : start & (WORD_BYTES - 1);
    const isRoomy = roomBytes <= (toEnd ? aligned : free - aligned), target = isRoomy ? aligned : toEnd ? free : 0;
    memory.copy(old, start, block, target, total);
    memory.setU32(node, NODE.content, block);
    memory.setU32(node, NODE.start, target);
    allocator.free(old);
  }

  /** Exchanges a block of which more than the half is free, when there is room for that. */
  #giveBack(node: Address): void {
    const total = this.#memory.u32(node, NODE.bytes), allocated = this.#allocator.allocatedBytes(this.#content(node));
    if (allocated >= SHRINK_BYTES_MIN && total * 2 <= allocated) this.#fit(node);
  }

  /** Takes from a node that is full what of its block it does not use, when that is much. */
  #trimFull(node: Address): void {
    const total = this.#memory.u32(node, NODE.bytes), allocated = this.#allocator.allocatedBytes(this.#content(node));
    if (this.#isPacked(node) && this.#allocator.sizeFor(total) * 4 <= allocated * 3) this.#fit(node);
  }

  /** Moves a listpack to a block of its size, when there is room for that; not while a snapshot is live, which would copy the pages. */
  #fit(node: Address): void {
    if (this.#memory.snapshotLive || this.#isCompressed(node)) return;
    try {
      this.#moveTo(node, this.#memory.u32(node, NODE.bytes), false, 0);
    } catch (error) {
      gaveUp(error);
    }
  }

  /** Notes that a node's listpack has changed. */
  #setPack(node: Address, pack: Address, elements: number): void {
    const memory = this.#memory;
    if (memory.u32(node, NODE.content) !== pack) memory.setU32(node, NODE.content, pack);
    memory.setU32(node, NODE.bytes, this.#packs.bytes(pack));
    memory.setU32(node, NODE.elements, elements);
  }

  #newNodeOf(source: Uint8Array, start: number, length: number): Address {
    return this.#isLarge(length) ? this.#newPlain(source, start, length) : this.#newPacked(source, start, length);
  }

  #newPacked(source: Uint8Array, start: number, length: number): Address {
    const packs = this.#packs, empty = packs.createFor(LISTPACK_EMPTY_BYTES + length + ELEMENT_HEAD_BYTES_MAX);
    const pack = packs.append(empty, source, start, length);
    return this.#newNode(pack, packs.bytes(pack), 1, 0);
  }

  #newPlain(source: Uint8Array, start: number, length: number): Address {
    const content = this.#allocator.allocate(length, OWNER.value);
    this.#memory.copyIn(content, 0, source, start, length);
    return this.#newNode(content, length, 1, NODE_FLAG.plain);
  }

  /** A node for a content, linked nowhere. @throws {OutOfArenaError} and then the content has been freed */
  #newNode(content: Address, bytes: number, elements: number, flags: number): Address {
    const memory = this.#memory;
    let node: Address;
    try {
      node = this.#allocator.allocate(NODE.sizeBytes, OWNER.quicklistNode);
    } catch (error) {
      this.#allocator.free(content);
      throw error;
    }
    memory.setU32(node, NODE.previous, NONE);
    memory.setU32(node, NODE.next, NONE);
    memory.setU32(node, NODE.content, content);
    memory.setU32(node, NODE.start, 0);
    memory.setU32(node, NODE.bytes, bytes);
    memory.setU32(node, NODE.elements, elements);
    memory.setU32(node, NODE.flags, flags);
    return node;
  }

  #copyNode(node: Address): Address {
    const memory = this.#memory, flags = memory.u32(node, NODE.flags), content = this.#content(node);
    const bytes = memory.u32(node, NODE.bytes);
    const size = (flags & NODE_FLAG.compressed) !== 0 ? COMPRESSED_HEADER_BYTES + memory.u32(content, 0) : bytes;
    const copy = this.#allocator.allocate(size, this.#allocator.ownerOf(content));
    memory.copy(content, memory.u32(node, NODE.start), copy, 0, size);
    return this.#newNode(copy, bytes, this.#elements(node), flags);
  }

  #freeNode(node: Address): void {
    this.#allocator.free(this.#content(node));
    this.#allocator.free(node);
  }

  /** Puts a node next to `old` (or into an empty list, for NONE), and compresses what is now inside. Its elements are not counted. */
  #link(list: Address, old: Address, node: Address, after: boolean): void {
    if (old === NONE) this.#insertLinks(list, NONE, node, NONE);
    else if (after) this.#insertLinks(list, old, node, this.#next(old));
    else this.#insertLinks(list, this.#previous(old), node, old);
    if (old !== NONE) this.#compress(list, old);
    this.#compress(list, node);
  }

  /** Adds a node at the tail, compressed or not as it is. */
  #appendNode(list: Address, node: Address): void {
    this.#insertLinks(list, this.#tail(list), node, NONE);
  }

  #insertLinks(list: Address, previous: Address, node: Address, next: Address): void {
    const memory = this.#memory;
    memory.setU32(node, NODE.previous, previous);
    memory.setU32(node, NODE.next, next);
    this.#join(list, previous, node);
    this.#join(list, node, next);
    memory.setU32(list, LIST.nodes, memory.u32(list, LIST.nodes) + 1);
  }

  /** Makes two nodes neighbours; NONE is what is outside the list. */
  #join(list: Address, left: Address, right: Address): void {
    const memory = this.#memory;
    if (left === NONE) memory.setU32(list, LIST.head, right);
    else memory.setU32(left, NODE.next, right);
    if (right === NONE) memory.setU32(list, LIST.tail, left);
    else memory.setU32(right, NODE.previous, left);
  }

  /** Takes a node out, with its elements, and frees it. */
  #unlink(list: Address, node: Address): void {
    const memory = this.#memory;
    this.#join(list, this.#previous(node), this.#next(node));
    memory.setU32(list, LIST.nodes, memory.u32(list, LIST.nodes) - 1);
    this.#count(list, -this.#elements(node));
    this.#freeNode(node);
  }

  // ---- compression ---------------------------------------------------------------------------------------------

  /** Compresses `node` (unless it is NONE or near an end) and the nodes that are the first inside; expands those near the ends. */
  #compress(list: Address, node: Address): void {
    const depth = depthOf(this.#memory.u32(list, LIST.options));
    if (depth === 0 || this.nodes(list) < depth * 2) return;
    let left = this.#head(list), right = this.#tail(list), isNearEnd = false;
    for (let i = 0; i < depth; i++) {
      this.#expandIfRoom(left), this.#expandIfRoom(right);
      if (left === node || right === node) isNearEnd = true;
      if (left === right || this.#next(left) === right) return;
      left = this.#next(left), right = this.#previous(right);
    }
    if (!isNearEnd && node !== NONE) this.#squeeze(node);
    this.#squeeze(left), this.#squeeze(right);
  }

  /** Compresses a node, when that saves enough and there is room for it. */
  #squeeze(node: Address): void {
    const memory = this.#memory, bytes = memory.u32(node, NODE.bytes), flags = memory.u32(node, NODE.flags);
    if ((flags & NODE_FLAG.compressed) !== 0 || bytes < COMPRESSIBLE_BYTES_MIN || node === this.#kept) return;
    const raw = this.#content(node), buffer = this.#bufferOf(bytes);
    const at = memory.placeOf(raw) + memory.u32(node, NODE.start);
    const size = lzfCompress(memory.bytesOf(raw), at, bytes, buffer, 0, bytes);
    if (size === 0 || size + COMPRESSION_SAVES_MIN >= bytes) return;
    let content: Address;
    try {
      content = this.#allocator.allocate(COMPRESSED_HEADER_BYTES + size, this.#allocator.ownerOf(raw));
    } catch (error) {
      return void gaveUp(error);
    }
    memory.setU32(content, 0, size);
    memory.copyIn(content, COMPRESSED_HEADER_BYTES, buffer, 0, size);
    this.#exchange(node, raw, content, flags | NODE_FLAG.compressed);
  }

  /** Makes a node's content readable and writable, with nothing before it. */
  #expand(node: Address): void {
    const memory = this.#memory, flags = memory.u32(node, NODE.flags);
    if ((flags & NODE_FLAG.compressed) === 0) return this.#closeGap(node);
    const packed = this.#content(node), bytes = memory.u32(node, NODE.bytes), buffer = this.#bufferOf(bytes);
    const at = memory.placeOf(packed) + COMPRESSED_HEADER_BYTES;
    const content = this.#allocator.allocate(bytes, this.#allocator.ownerOf(packed));
    const isWhole = lzfDecompress(memory.bytesOf(packed), at, memory.u32(packed, 0), buffer, 0, bytes);
    assert(isWhole, "a compressed node expands to its bytes");
    memory.copyIn(content, 0, buffer, 0, bytes);
    this.#exchange(node, packed, content, flags & ~NODE_FLAG.compressed);
  }

  /** Moves a listpack to the start of its block. */
  #closeGap(node: Address): void {
    const memory = this.#memory, start = memory.u32(node, NODE.start), content = this.#content(node);
    if (start === 0) return;
    memory.copy(content, start, content, 0, memory.u32(node, NODE.bytes));
    memory.setU32(node, NODE.start, 0);
    if (this.cursor.node === node) this.cursor.reopen();
  }

  #isCompressed(node: Address): boolean {
    return (this.#memory.u32(node, NODE.flags) & NODE_FLAG.compressed) !== 0;
  }

  #expandIfRoom(node: Address): void {
    try {
      if (this.#isCompressed(node)) this.#expand(node);
    } catch (error) {
      gaveUp(error);
    }
  }

  #exchange(node: Address, old: Address, content: Address, flags: number): void {
    this.#memory.setU32(node, NODE.content, content);
    this.#memory.setU32(node, NODE.start, 0);
    this.#memory.setU32(node, NODE.flags, flags);
    this.#allocator.free(old);
  }

  #bufferOf(bytes: number): Uint8Array {
    if (this.#buffer.length < bytes) this.#buffer = new Uint8Array(bytes);
    return this.#buffer;
  }
}

/** What is only done at leisure is left when the arena is full; anything else is an error. */
function gaveUp(error: unknown): false {
  if (!(error instanceof OutOfArenaError)) throw error;
  return false;
}
