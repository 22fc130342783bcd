/**
 * Streams in paged memory: a tree of listpacks, each byte for byte what Redis 7.0 builds for the same commands, and consumer groups.
 * Layout: stream_layout.ts for the fields, stream_listpack_check.ts for a listpack.
 *
 * A stream is a block that stays where it is. Entries are only ever appended, marked as deleted in place, or freed with their whole
 * node. What needs memory gets it before anything changes, so a full arena leaves everything as it was; deleting and trimming need
 * none: each node's block has SPARE_BYTES for its counts to grow. Freeing goes in slices.
 * It checks nothing that a client may get wrong: an id that is appended must be above the last one.
 */
import { rangesEqual } from "../base/bytes.ts";
import { I64 } from "../base/integer.ts";
import { type Address, type Allocator, type LiveMemory, NONE, OutOfArenaError, OWNER } from "../memory/mod.ts";
import { ConsumerGroups } from "./consumer_groups.ts";
import { elementEquals, LISTPACK_BYTES_MAX, LISTPACK_HEADER_BYTES, Listpacks } from "./listpack.ts";
import { ListpackBuilder } from "./listpack_builder.ts";
import { OrderedTree, TreeCursor, treeSize } from "./ordered_tree.ts";
import {
  afterEntryAt,
  elementInteger,
  firstEntryAt,
  lastEntryAt,
  readEntryId,
  skipElements,
  StreamEntries,
} from "./stream_entries.ts";
import { compareIds, copyId, newStreamId, setMinId, type StreamId } from "./stream_id.ts";
import { NODE_WORDS, readIdAt, STREAM, streamLength } from "./stream_layout.ts";
import { STREAM_DELETED, STREAM_SAME_FIELDS } from "./stream_listpack_check.ts";

/** Where a listpack's counts of live and deleted entries are; the second one when the first takes one byte. */
const COUNT_AT = LISTPACK_HEADER_BYTES;
/** What the two counts together may take more than now, however many of the entries are deleted (5 bytes an integer at most). */
const SPARE_BYTES = 4;
/** A first node starts small, others as large as the one before got; a node doubles up to the maximum, then grows as it must. */
const NODE_START_BYTES = 256, NODE_GROWTH_BYTES_MAX = 4096;
/** The largest integer that a listpack keeps in one byte. */
const SMALL_MAX = 127;
/** Strings below this have their length in the encoding byte. */
const SHORT_BYTES = 64;
const TWO_32 = 0x100000000;
const BUILDER_BYTES_START = 4096, BUILDER_BYTES_KEPT = 1 << 20;

/** Fields of a stream as words, for code that reads several at once. */
const WORD = {
  length: STREAM.length / 4,
  added: STREAM.added / 4,
  lastId: STREAM.lastId / 4,
  lastNode: STREAM.lastNode / 4,
  lastNodeId: STREAM.lastNodeId / 4,
} as const;

/** Fields and values of an entry to append: slices of `bytes` as `Args` has them. */
export interface EntryFields {
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
  readonly lengths: Int32Array;
}

/** What to trim: by length or by id. One instance is reused. */
export class TrimRule {
  byId = false;
  lengthMax = 0;
  readonly idMin: StreamId = newStreamId();
  /** Free whole nodes only. */
  approximate = false;
  /** Entries to trim at most; 0 means no limit. */
  limit = 0;
}

export class Streams {
  readonly groups: ConsumerGroups;
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #nodes: OrderedTree;
  readonly #listpacks: Listpacks;
  readonly #cursor: TreeCursor;
  readonly #entries: StreamEntries;
  #builder = new ListpackBuilder(BUILDER_BYTES_START);
  readonly #integer = new I64();
  readonly #masterId = newStreamId();
  readonly #id = newStreamId();
  /** Where `addNode` reads an id: the one it is given may be `#id`. */
  readonly #lastNodeId = newStreamId();

  constructor(memory: LiveMemory, allocator: Allocator) {
    this.#memory = memory, this.#allocator = allocator;
    this.#nodes = new OrderedTree(memory, allocator, OWNER.streamNode, NODE_WORDS);
    this.#listpacks = new Listpacks(memory, allocator);
    this.#cursor = new TreeCursor(memory, NODE_WORDS);
    this.#entries = StreamEntries.inPlace(memory);
    this.groups = new ConsumerGroups(memory, allocator);
  }

  create(): Address {
    const stream = this.#allocator.allocate(STREAM.sizeBytes, OWNER.streamNode);
    this.#memory.fill(stream, 0, 0, STREAM.sizeBytes);
    return stream;
  }

  // ---- fields --------------------------------------------------------------------------------------------------

  nodeCount(stream: Address): number {
    return treeSize(this.#memory, stream, STREAM.nodes);
  }

  setLastId(stream: Address, id: StreamId): void {
    this.#setId(stream, STREAM.lastId, id);
  }

  setFirstId(stream: Address, id: StreamId): void {
    this.#setId(stream, STREAM.firstId, id);
  }

  setMaxDeletedId(stream: Address, id: StreamId): void {
    this.#setId(stream, STREAM.maxDeletedId, id);
  }

  setAdded(stream: Address, count: I64): void {
    this.#memory.setU32(stream, STREAM.added, count.lo), this.#memory.setU32(stream, STREAM.added + 4, count.hi >>> 0);
  }

  #setId(stream: Address, offsetBytes: number, id: StreamId): void {
    const memory = this.#memory, words = memory.wordsOf(stream), at = memory.wordOf(stream) + (offsetBytes >> 2);
    for (let word = 0; word < 4; word++) {
      if (words[at + word] !== id[word]) memory.setU32(stream, offsetBytes + 4 * word, id[word]);
    }
  }

  /** For loading, after the nodes; otherwise the length follows what is appended and deleted. */
  setLength(stream: Address, length: number): void {
    this.#memory.setU64(stream, STREAM.length, length);
  }

  /** Makes the first entry that is not deleted the stream's first id; 0-0 when there is none. */
  updateFirstId(stream: Address): void {
    const entries = this.#entries;
    const found = streamLength(this.#memory, stream) > 0 && entries.open(stream, null, null, false).next();
    this.setFirstId(stream, found ? entries.id : setMinId(this.#id));
  }

  /** The id of the last entry ever appended, or that XSETID set. */
  readLastId(stream: Address, into: StreamId): void {
    copyWords(this.#memory.wordsOf(stream), this.#memory.wordOf(stream) + WORD.lastId, into);
  }

  /** The id of the last entry that is not deleted; false when there is none. */
  readLastEntryId(stream: Address, into: StreamId): boolean {
    const entries = this.#entries;
    if (streamLength(this.#memory, stream) === 0 || !entries.open(stream, null, null, true).next()) return false;
    copyId(into, entries.id);
    return true;
  }

  /** The id of the first entry, deleted or not; false when there is none. */
  readFirstNodeId(stream: Address, into: StreamId): boolean {
    const entries = this.#entries;
    if (!entries.open(stream, null, null, false, true).next()) return false;
    copyId(into, entries.id);
    return true;
  }

  has(stream: Address, id: StreamId): boolean {
    return this.#entries.open(stream, id, id, false).next();
  }

  // ---- appending -----------------------------------------------------------------------------------------------

  /**
   * Appends an entry: `pairs` fields and values from argument `from` on, of `payloadBytes` bytes. `bytesMax` and `entriesMax` limit a
   * node; 0 is no limit.
   * @throws {OutOfArenaError} and nothing has changed
   */
  append(
    stream: Address,
    id: StreamId,
    fields: EntryFields,
    from: number,
    pairs: number,
    payloadBytes: number,
    bytesMax: number,
    entriesMax: number,
  ): void {
    const memory = this.#memory, words = memory.wordsOf(stream), at = memory.wordOf(stream);
    const last = words[at + WORD.lastNode] as Address;
    if (last !== NONE) copyWords(words, at + WORD.lastNodeId, this.#masterId);
    // After XSETID to an id below that of a deleted entry the last node may begin with the new id: then it takes the entry, full or not.
    const isNext = last !== NONE &&
      (this.#hasRoom(last, payloadBytes, bytesMax, entriesMax) || compareIds(id, this.#masterId) === 0);
    if (isNext) this.#appendTo(stream, last, id, fields, from, pairs);
    else this.#appendNode(stream, id, fields, from, pairs);
    memory.cow.writtenBytes += payloadBytes;
    this.#appended(stream, id);
  }

  /** Counts an entry that was appended. */
  #appended(stream: Address, id: StreamId): void {
    const memory = this.#memory, words = memory.wordsOf(stream), at = memory.wordOf(stream);
    const length = words[at + WORD.length] + 1, added = words[at + WORD.added] + 1;
    if (length < TWO_32) memory.setU32(stream, STREAM.length, length);
    else this.setLength(stream, streamLength(memory, stream) + 1);
    memory.setU32(stream, STREAM.added, added);
    if (added === TWO_32) memory.setU32(stream, STREAM.added + 4, words[at + WORD.added + 1] + 1);
    this.setLastId(stream, id);
    if (length === 1) this.setFirstId(stream, id);
  }

  #hasRoom(listpack: Address, payloadBytes: number, bytesMax: number, entriesMax: number): boolean {
    const limit = bytesMax === 0 || bytesMax > LISTPACK_BYTES_MAX ? LISTPACK_BYTES_MAX : bytesMax;
    if (this.#listpacks.bytes(listpack) + payloadBytes >= limit) return false;
    if (entriesMax === 0) return true;
    const bytes = this.#memory.bytesOf(listpack), place = this.#memory.placeOf(listpack);
    return elementInteger(bytes, place + COUNT_AT) +
        elementInteger(bytes, place + skipElements(bytes, place, COUNT_AT, 1)) < entriesMax;
  }

  #appendTo(
    stream: Address,
    listpack: Address,
    id: StreamId,
    fields: EntryFields,
    from: number,
    pairs: number,
  ): void {
    const builder = this.#begin(), same = this.#hasMasterFields(listpack, fields, from, pairs);
    this.#buildEntry(builder, id, same, fields, from, pairs);
    builder.closeElements();
    const added = builder.lengthBytes - LISTPACK_HEADER_BYTES;
    const roomy = this.#reserve(listpack, this.#listpacks.bytes(listpack) + added + SPARE_BYTES);
    if (roomy !== listpack) this.#relinkLast(stream, roomy);
    const count = elementInteger(this.#memory.bytesOf(roomy), this.#memory.placeOf(roomy) + COUNT_AT);
    this.#setCounter(roomy, COUNT_AT, count + 1);
    this.#listpacks.appendEncoded(roomy, builder.bytes, LISTPACK_HEADER_BYTES, added, builder.count);
  }

  /** A new last node with one entry; the node that was last until now is fitted to what it holds. */
  #appendNode(stream: Address, id: StreamId, fields: EntryFields, from: number, pairs: number): void {
    const builder = this.#begin(), integer = this.#integer;
    builder.appendSmall(1), builder.appendSmall(0), builder.appendInteger(integer.setNumber(pairs));
    for (let i = from; i < from + 2 * pairs; i += 2) builder.append(fields.bytes, fields.offsets[i], fields.lengths[i]);
    builder.appendSmall(0);
    copyId(this.#masterId, id);
    this.#buildEntry(builder, id, true, fields, from, pairs);
    builder.finish();
    this.addNode(stream, id, builder.bytes, 0, builder.lengthBytes, this.#fitLast(stream));
  }

  /**
   * Adds a node whose listpack is sound: for loading. False when there is one with this id. Length and ids are the caller's business.
   * @throws {OutOfArenaError} and nothing has changed
   */
  addNode(
    stream: Address,
    id: StreamId,
    bytes: Uint8Array,
    start: number,
    length: number,
    roomBytes = 0,
  ): boolean {
    const listpack = this.#allocator.allocate(Math.max(length + SPARE_BYTES, roomBytes), OWNER.listpack);
    this.#memory.copyIn(listpack, 0, bytes, start, length);
    let isNew = false;
    try {
      isNew = this.#nodes.insert(stream, STREAM.nodes, id);
    } finally {
      if (!isNew) this.#allocator.free(listpack);
    }
    if (!isNew) return false;
    this.#nodes.setWord(0, listpack);
    const last = readIdAt(this.#memory, stream, STREAM.lastNodeId, this.#lastNodeId);
    if (this.nodeCount(stream) === 1 || compareIds(id, last) > 0) this.#setLastNode(stream, listpack, id);
    return true;
  }

  #begin(): ListpackBuilder {
    if (this.#builder.bytes.length > BUILDER_BYTES_KEPT) this.#builder = new ListpackBuilder(BUILDER_BYTES_START);
    this.#builder.reset();
    return this.#builder;
  }

  /** Flags, id, fields and values, number of elements; the id counts from `#masterId`. */
  #buildEntry(
    builder: ListpackBuilder,
    id: StreamId,
    same: boolean,
    fields: EntryFields,
    from: number,
    pairs: number,
  ): void {
    const { bytes, offsets, lengths } = fields;
    builder.appendSmall(same ? STREAM_SAME_FIELDS : 0);
    this.#buildDifference(builder, id, 0), this.#buildDifference(builder, id, 2);
    if (!same) this.#buildCount(builder, pairs);
    for (let i = from; i < from + 2 * pairs; i += 2) {
      if (!same) builder.append(bytes, offsets[i], lengths[i]);
      builder.append(bytes, offsets[i + 1], lengths[i + 1]);
    }
    this.#buildCount(builder, same ? pairs + 3 : 2 * pairs + 4);
  }

  #buildCount(builder: ListpackBuilder, count: number): void {
    if (count <= SMALL_MAX) builder.appendSmall(count);
    else builder.appendInteger(this.#integer.setNumber(count));
  }

  /** Words `word` and `word + 1` of `id` minus those of `#masterId`, as 64 bits. */
  #buildDifference(builder: ListpackBuilder, id: StreamId, word: number): void {
    const master = this.#masterId, low = id[word + 1] - master[word + 1];
    if (low >= 0 && low <= SMALL_MAX && id[word] === master[word]) return builder.appendSmall(low);
    builder.appendInteger(this.#integer.set(id[word] - master[word] - (low < 0 ? 1 : 0), low));
  }

  #hasMasterFields(listpack: Address, fields: EntryFields, from: number, pairs: number): boolean {
    const bytes = this.#memory.bytesOf(listpack), place = this.#memory.placeOf(listpack);
    let at = skipElements(bytes, place, COUNT_AT, 2);
    if (elementInteger(bytes, place + at) !== pairs) return false;
    for (let i = from; i < from + 2 * pairs; i += 2) {
      at = skipElements(bytes, place, at, 1);
      const length = fields.lengths[i];
      // A short string has the encoding 10xxxxxx, and then no other text has the same.
      const isSame = length < SHORT_BYTES && bytes[place + at] === (0x80 | length)
        ? rangesEqual(bytes, place + at + 1, fields.bytes, fields.offsets[i], length)
        : elementEquals(bytes, place, at, fields.bytes, fields.offsets[i], length);
      if (!isSame) return false;
    }
    return true;
  }

  /** Room in the listpack's block, which doubles while it is small. */
  #reserve(listpack: Address, sizeBytes: number): Address {
    const allocated = this.#allocator.allocatedBytes(listpack);
    if (sizeBytes <= allocated) return listpack;
    return this.#listpacks.reserve(listpack, Math.max(sizeBytes, Math.min(2 * allocated, NODE_GROWTH_BYTES_MAX)));
  }

  /** Fits the last node to what it holds; returns what the next one may be expected to take. */
  #fitLast(stream: Address): number {
    const last = this.#memory.u32(stream, STREAM.lastNode) as Address;
    if (last === NONE) return NODE_START_BYTES;
    const fitted = this.#listpacks.fit(last, SPARE_BYTES);
    if (fitted !== last) this.#relinkLast(stream, fitted);
    return Math.min(this.#listpacks.bytes(fitted) + SPARE_BYTES, NODE_GROWTH_BYTES_MAX);
  }

  /** The last node's listpack has moved. */
  #relinkLast(stream: Address, listpack: Address): void {
    this.#nodes.find(stream, STREAM.nodes, readIdAt(this.#memory, stream, STREAM.lastNodeId, this.#id));
    this.#nodes.setWord(0, listpack);
    this.#memory.setU32(stream, STREAM.lastNode, listpack);
  }

  #setLastNode(stream: Address, listpack: Address, id: StreamId): void {
    this.#memory.setU32(stream, STREAM.lastNode, listpack);
    this.#setId(stream, STREAM.lastNodeId, id);
  }

  /** The node of this listpack, which the tree has found, goes. */
  #removeNode(stream: Address, listpack: Address): void {
    this.#nodes.removeFound(stream, STREAM.nodes);
    this.#listpacks.free(listpack);
    if (this.#memory.u32(stream, STREAM.lastNode) !== listpack) return;
    const cursor = this.#cursor.open(stream, STREAM.nodes);
    if (!cursor.seekLast()) return this.#setLastNode(stream, NONE, setMinId(this.#id));
    cursor.readKey(this.#id);
    this.#setLastNode(stream, cursor.word(0) as Address, this.#id);
  }

  /** Sets a counter of the master entry. */
  #setCounter(listpack: Address, at: number, count: number): void {
    if (count < 0x80 && this.#memory.u8(listpack, at) < 0x80) this.#memory.setU8(listpack, at, count);
    else this.#listpacks.replaceIntegerInPlace(listpack, at, this.#integer.setNumber(count));
  }

  /** Moves `deleted` entries from the count of live ones to that of deleted ones. */
  #countDeleted(listpack: Address, deleted: number): void {
    const bytes = this.#memory.bytesOf(listpack), place = this.#memory.placeOf(listpack);
    const live = elementInteger(bytes, place + COUNT_AT), deletedAt = skipElements(bytes, place, COUNT_AT, 1);
    const before = elementInteger(bytes, place + deletedAt);
    this.#setCounter(listpack, deletedAt, before + deleted);
    this.#setCounter(listpack, COUNT_AT, live - deleted);
  }

  // ---- deleting ------------------------------------------------------------------------------------------------

  /** Deletes an entry; false when it is not there. The stream's first and largest deleted ids are the caller's business. */
  delete(stream: Address, id: StreamId): boolean {
    const entries = this.#entries;
    if (!entries.open(stream, id, id, false).next()) return false;
    const listpack = entries.node, masterId = entries.masterId;
    if (elementInteger(entries.bytes, this.#memory.placeOf(listpack) + COUNT_AT) === 1) {
      this.#nodes.find(stream, STREAM.nodes, masterId);
      this.#removeNode(stream, listpack);
    } else {
      this.#memory.setU8(listpack, entries.entryAt, entries.flags | STREAM_DELETED);
      this.#countDeleted(listpack, 1);
    }
    this.setLength(stream, streamLength(this.#memory, stream) - 1);
    return true;
  }

  /** Trims from the front; returns how many entries went. The order of checks is Redis's (streamTrim). */
  trim(stream: Address, rule: TrimRule): number {
    const nodes = this.#nodes;
    let deleted = 0;
    while (nodes.findFirst(stream, STREAM.nodes)) {
      const length = streamLength(this.#memory, stream);
      if (!rule.byId && length <= rule.lengthMax) break;
      const listpack = nodes.word(0) as Address;
      const live = elementInteger(this.#memory.bytesOf(listpack), this.#memory.placeOf(listpack) + COUNT_AT);
      if (rule.limit !== 0 && deleted + live > rule.limit) break;
      nodes.readKey(this.#masterId);
      if (!this.#mayGoWhole(listpack, live, length, rule)) {
        if (!rule.approximate) deleted += this.#trimNode(stream, listpack, rule);
        break;
      }
      this.#removeNode(stream, listpack);
      this.setLength(stream, length - live);
      deleted += live;
    }
    if (deleted > 0) this.updateFirstId(stream);
    return deleted;
  }

  #mayGoWhole(listpack: Address, live: number, length: number, rule: TrimRule): boolean {
    if (!rule.byId) return length - live >= rule.lengthMax;
    const bytes = this.#memory.bytesOf(listpack), place = this.#memory.placeOf(listpack);
    readEntryId(bytes, place, lastEntryAt(bytes, place), this.#masterId, this.#id);
    return compareIds(this.#id, rule.idMin) < 0;
  }

  /** Marks entries at the front of a node, whose id is in `#masterId`, as deleted. */
  #trimNode(stream: Address, listpack: Address, rule: TrimRule): number {
    const memory = this.#memory, length = streamLength(memory, stream);
    const bytes = memory.bytesOf(listpack), place = memory.placeOf(listpack), end = this.#listpacks.bytes(listpack) - 1;
    let deleted = 0;
    for (let at = firstEntryAt(bytes, place); at < end; at = afterEntryAt(bytes, place, at)) {
      if (!rule.byId && length - deleted <= rule.lengthMax) break;
      readEntryId(bytes, place, at, this.#masterId, this.#id);
      if (rule.byId && compareIds(this.#id, rule.idMin) >= 0) break;
      const flags = bytes[place + at];
      if ((flags & STREAM_DELETED) !== 0) continue;
      memory.setU8(listpack, at, flags | STREAM_DELETED);
      deleted++;
    }
    if (deleted > 0) this.#countDeleted(listpack, deleted);
    this.setLength(stream, length - deleted);
    return deleted;
  }

  // ---- as a whole ----------------------------------------------------------------------------------------------

  /** Frees up to about `blocksMax` blocks; true when the stream is gone. */
  freeSome(stream: Address, blocksMax: number): boolean {
    const freed = this.#nodes.freeSome(stream, STREAM.nodes, blocksMax, true);
    if (freed >= blocksMax || !this.groups.freeSome(stream, blocksMax - freed)) return false;
    this.#allocator.free(stream);
    return true;
  }

  /** Roughly how many blocks freeing it takes. */
  freeEffort(stream: Address): number {
    return this.nodeCount(stream) + this.groups.effort(stream) + 1;
  }

  /** A deep copy, groups included. @throws {OutOfArenaError} and what was copied is freed */
  copy(stream: Address): Address {
    const copy = this.create();
    try {
      this.#memory.copy(stream, STREAM.length, copy, STREAM.length, STREAM.groups - STREAM.length);
      this.#copyNodes(stream, copy);
      this.groups.copyAll(stream, copy);
    } catch (error) {
      if (error instanceof OutOfArenaError) this.freeSome(copy, Infinity);
      throw error;
    }
    return copy;
  }

  #copyNodes(stream: Address, copy: Address): void {
    const cursor = this.#cursor.open(stream, STREAM.nodes), id = this.#id;
    for (let more = cursor.seekFirst(); more; more = cursor.next()) {
      cursor.readKey(id);
      const listpack = cursor.word(0) as Address, length = this.#listpacks.bytes(listpack);
      this.addNode(copy, id, this.#memory.bytesOf(listpack), this.#memory.placeOf(listpack), length);
    }
  }

  /** Bytes of all blocks; with `samples`, those of listpacks are estimated from the first ones and the last one. */
  memoryUsage(stream: Address, samples: number): number {
    return this.#allocator.allocatedBytes(stream) + this.#nodes.nodeBytes(stream, STREAM.nodes) +
      this.#listpackBytes(stream, samples) + this.groups.memoryUsage(stream);
  }

  #listpackBytes(stream: Address, samples: number): number {
    const cursor = this.#cursor.open(stream, STREAM.nodes), count = this.nodeCount(stream);
    let bytes = 0, seen = 0;
    for (let more = cursor.seekFirst(); more && (samples === 0 || seen < samples); more = cursor.next(), seen++) {
      bytes += this.#allocator.allocatedBytes(cursor.word(0) as Address);
    }
    if (seen === count || seen === 0) return bytes;
    cursor.seekLast();
    return Math.floor(bytes / seen) * (count - 1) + this.#allocator.allocatedBytes(cursor.word(0) as Address);
  }
}

function copyWords(words: Uint32Array, at: number, into: StreamId): void {
  into[0] = words[at], into[1] = words[at + 1], into[2] = words[at + 2], into[3] = words[at + 3];
}
