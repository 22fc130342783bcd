/**
 * Consumer groups of streams in paged memory: groups and consumers by name, and who was given which entry and has not acknowledged it.
 * Layout: stream_layout.ts. Groups and consumers are blocks that stay where they are.
 *
 * Every method keeps the two sides of a pending entry in step: the group's tree names the consumer, the consumer's tree has the id.
 * What needs memory gets it before anything changes; removing needs none. Freeing goes in slices. It knows nothing of the entries
 * themselves, which may be deleted while they are pending.
 */
import { I64 } from "../base/integer.ts";
import { type Address, type Allocator, type LiveMemory, NONE, OutOfArenaError, OWNER } from "../memory/mod.ts";
import { NameCursor, NameIndex, nameIndexSize } from "./name_index.ts";
import { OrderedTree, TreeCursor } from "./ordered_tree.ts";
import { newStreamId, type StreamId } from "./stream_id.ts";
import { CONSUMER, GROUP, OWN_WORDS, PENDING, PENDING_WORDS, readIdAt, STREAM } from "./stream_layout.ts";

const TWO_32 = 0x100000000;
const ZERO = new I64();

export class ConsumerGroups {
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #pending: OrderedTree;
  readonly #own: OrderedTree;
  readonly #groupIndex: NameIndex;
  readonly #consumerIndex: NameIndex;
  readonly #id = newStreamId();
  readonly #ownCursor: TreeCursor;
  readonly #pendingCursor: TreeCursor;
  readonly #groupCursor: NameCursor;
  readonly #consumerCursor: NameCursor;

  constructor(memory: LiveMemory, allocator: Allocator) {
    this.#memory = memory, this.#allocator = allocator;
    this.#pending = new OrderedTree(memory, allocator, OWNER.pendingEntries, PENDING_WORDS);
    this.#own = new OrderedTree(memory, allocator, OWNER.pendingEntries, OWN_WORDS);
    this.#groupIndex = new NameIndex(memory, allocator, OWNER.pendingEntries, GROUP.name);
    this.#consumerIndex = new NameIndex(memory, allocator, OWNER.pendingEntries, CONSUMER.name);
    this.#ownCursor = new TreeCursor(memory, OWN_WORDS), this.#pendingCursor = new TreeCursor(memory, PENDING_WORDS);
    this.#groupCursor = new NameCursor(memory), this.#consumerCursor = new NameCursor(memory);
  }

  // ---- groups --------------------------------------------------------------------------------------------------

  init(stream: Address): void {
    this.#groupIndex.init(stream, STREAM.groups);
  }

  groupCount(stream: Address): number {
    return nameIndexSize(this.#memory, stream, STREAM.groups);
  }

  find(stream: Address, name: Uint8Array, nameBytes: number, length: number): Address {
    return this.#groupIndex.find(stream, STREAM.groups, name, nameBytes, length);
  }

  /** A new group of a name that the last `find` missed. @throws {OutOfArenaError} and nothing has changed */
  create(
    stream: Address,
    name: Uint8Array,
    nameBytes: number,
    length: number,
    lastId: StreamId,
    entriesRead: I64,
  ): Address {
    const memory = this.#memory, group = this.#newNamed(GROUP.name, name, nameBytes, length);
    this.setLastId(group, lastId), this.setEntriesRead(group, entriesRead);
    this.#pending.init(group, GROUP.pending), this.#consumerIndex.init(group, GROUP.consumers);
    memory.setU32(group, GROUP.nameLength, length);
    this.#index(this.#groupIndex, stream, STREAM.groups, group);
    return group;
  }

  /** Takes the group that the last `find` returned out of the stream; the caller frees it. */
  detach(stream: Address): void {
    this.#groupIndex.removeFound(stream, STREAM.groups);
  }

  setLastId(group: Address, id: StreamId): void {
    for (let word = 0; word < 4; word++) this.#memory.setU32(group, GROUP.lastId + 4 * word, id[word]);
  }

  setEntriesRead(group: Address, count: I64): void {
    this.#memory.setU32(group, GROUP.entriesRead, count.lo);
    this.#memory.setU32(group, GROUP.entriesRead + 4, count.hi >>> 0);
  }

  pendingCount(group: Address): number {
    return this.#pending.size(group, GROUP.pending);
  }

  // ---- consumers -----------------------------------------------------------------------------------------------

  consumerCount(group: Address): number {
    return nameIndexSize(this.#memory, group, GROUP.consumers);
  }

  findConsumer(group: Address, name: Uint8Array, nameBytes: number, length: number): Address {
    return this.#consumerIndex.find(group, GROUP.consumers, name, nameBytes, length);
  }

  /** A new consumer of a name that the last `findConsumer` missed. @throws {OutOfArenaError} and nothing has changed */
  createConsumer(group: Address, name: Uint8Array, nameBytes: number, length: number, seenMs: number): Address {
    const consumer = this.#newNamed(CONSUMER.name, name, nameBytes, length);
    this.#memory.setU64(consumer, CONSUMER.seen, seenMs);
    this.#own.init(consumer, CONSUMER.pending);
    this.#memory.setU32(consumer, CONSUMER.nameLength, length);
    this.#index(this.#consumerIndex, group, GROUP.consumers, consumer);
    return consumer;
  }

  setSeen(consumer: Address, seenMs: number): void {
    this.#memory.setU64(consumer, CONSUMER.seen, seenMs);
  }

  /** The same with a time from a file, which may be anything. */
  setSeenWords(consumer: Address, high: number, low: number): void {
    this.#memory.setU32(consumer, CONSUMER.seen, low), this.#memory.setU32(consumer, CONSUMER.seen + 4, high);
  }

  ownCount(consumer: Address): number {
    return this.#own.size(consumer, CONSUMER.pending);
  }

  /** Deletes the consumer that the last `findConsumer` returned, and what was pending with it. */
  removeConsumer(group: Address, consumer: Address): void {
    this.#consumerIndex.removeFound(group, GROUP.consumers);
    const cursor = this.#ownCursor.open(consumer, CONSUMER.pending), id = this.#id;
    for (let more = cursor.seekFirst(); more; more = cursor.next()) {
      cursor.readKey(id);
      if (this.#pending.find(group, GROUP.pending, id)) this.#pending.removeFound(group, GROUP.pending);
    }
    this.#own.freeSome(consumer, CONSUMER.pending, Infinity, false);
    this.#allocator.free(consumer);
  }

  // ---- pending entries -----------------------------------------------------------------------------------------

  /** Whether the entry is pending; then the methods below are about it, until the next change. */
  findPending(group: Address, id: StreamId): boolean {
    return this.#pending.find(group, GROUP.pending, id);
  }

  get consumer(): Address {
    return this.#pending.word(PENDING.consumer) as Address;
  }

  /** When it was delivered last, as a double. */
  get deliveredMs(): number {
    return (this.#pending.word(PENDING.deliveredHigh) | 0) * TWO_32 + this.#pending.word(PENDING.deliveredLow);
  }

  readDelivered(into: I64): I64 {
    return into.set(this.#pending.word(PENDING.deliveredHigh), this.#pending.word(PENDING.deliveredLow));
  }

  readDeliveries(into: I64): I64 {
    return into.set(this.#pending.word(PENDING.countHigh), this.#pending.word(PENDING.countLow));
  }

  setDelivered(high: number, low: number): void {
    this.#pending.setWord(PENDING.deliveredLow, low), this.#pending.setWord(PENDING.deliveredHigh, high >>> 0);
  }

  setDeliveredMs(ms: number): void {
    const high = Math.floor(ms / TWO_32);
    this.setDelivered(high, ms - high * TWO_32);
  }

  setDeliveries(count: I64): void {
    this.#pending.setWord(PENDING.countLow, count.lo), this.#pending.setWord(PENDING.countHigh, count.hi >>> 0);
  }

  addDelivery(): void {
    const low = (this.#pending.word(PENDING.countLow) + 1) >>> 0;
    this.#pending.setWord(PENDING.countLow, low);
    if (low === 0) this.#pending.setWord(PENDING.countHigh, (this.#pending.word(PENDING.countHigh) + 1) >>> 0);
  }

  /**
   * Makes the entry pending with this consumer, whoever had it; it is the found one then. True when it was not pending before: then its
   * numbers are 0 and the caller sets them. @throws {OutOfArenaError} and nothing has changed
   */
  assign(group: Address, consumer: Address, id: StreamId): boolean {
    const isNew = this.#pending.insert(group, GROUP.pending, id), before = isNew ? NONE : this.consumer;
    if (before === consumer) return false;
    try {
      this.#own.insert(consumer, CONSUMER.pending, id);
    } catch (error) {
      if (isNew && error instanceof OutOfArenaError) this.#forget(group, id);
      throw error;
    }
    if (isNew) this.setDelivered(0, 0), this.setDeliveries(ZERO);
    else if (before !== NONE) this.#dropOwn(before, id);
    this.#pending.setWord(PENDING.consumer, consumer);
    return isNew;
  }

  /** Makes an entry pending with nobody yet: for loading, which gives it to its consumer later. False when it is there. */
  addUnassigned(group: Address, id: StreamId): boolean {
    if (!this.#pending.insert(group, GROUP.pending, id)) return false;
    this.#pending.setWord(PENDING.consumer, NONE);
    return true;
  }

  /** The found entry is done with: removes it from the group and from its consumer. */
  removePending(group: Address, id: StreamId): void {
    const consumer = this.consumer;
    this.#pending.removeFound(group, GROUP.pending);
    this.#dropOwn(consumer, id);
  }

  #forget(group: Address, id: StreamId): void {
    this.#pending.find(group, GROUP.pending, id);
    this.#pending.removeFound(group, GROUP.pending);
  }

  #dropOwn(consumer: Address, id: StreamId): void {
    if (this.#own.find(consumer, CONSUMER.pending, id)) this.#own.removeFound(consumer, CONSUMER.pending);
  }

  // ---- as a whole ----------------------------------------------------------------------------------------------

  /** Frees up to about `blocksMax` blocks of the stream's groups; true when none is left. */
  freeSome(stream: Address, blocksMax: number): boolean {
    for (let blocks = blocksMax; blocks > 0;) {
      const group = this.#groupIndex.last(stream, STREAM.groups);
      if (group === NONE) return true;
      const freed = this.#freeContents(group, blocks);
      blocks -= freed;
      if (blocks <= 0) break;
      this.#groupIndex.takeLast(stream, STREAM.groups);
      this.#allocator.free(group), blocks--;
    }
    return this.groupCount(stream) === 0;
  }

  /** Frees up to about `blocksMax` blocks of a detached group; true when it is gone. */
  freeSomeOfGroup(group: Address, blocksMax: number): boolean {
    if (this.#freeContents(group, blocksMax) >= blocksMax) return false;
    this.#allocator.free(group);
    return true;
  }

  /** Roughly how many blocks a group has. */
  blocksOf(group: Address): number {
    return Math.ceil(this.#pending.nodeBytes(group, GROUP.pending) / 1024) * 2 + 2 * this.consumerCount(group) + 1;
  }

  /** Roughly how many blocks the groups have, guessed from the last one. */
  effort(stream: Address): number {
    const last = this.#groupIndex.last(stream, STREAM.groups);
    return last === NONE ? 0 : this.groupCount(stream) * this.blocksOf(last);
  }

  /** Frees blocks of a group's entries and consumers; fewer than `blocksMax` when nothing is left of them. */
  #freeContents(group: Address, blocksMax: number): number {
    let freed = this.#pending.freeSome(group, GROUP.pending, blocksMax, false);
    while (freed < blocksMax) {
      const consumer = this.#consumerIndex.last(group, GROUP.consumers);
      if (consumer === NONE) break;
      freed += this.#own.freeSome(consumer, CONSUMER.pending, blocksMax - freed, false);
      if (freed >= blocksMax) break;
      this.#consumerIndex.takeLast(group, GROUP.consumers);
      this.#allocator.free(consumer), freed++;
    }
    return freed;
  }

  /** Copies the groups of one stream to another, which has none. @throws {OutOfArenaError} and the other has some of them */
  copyAll(from: Address, to: Address): void {
    const cursor = this.#groupCursor.open(from, STREAM.groups);
    for (let group = cursor.next(); group !== NONE; group = cursor.next()) this.#copyGroup(group, to);
  }

  #copyGroup(group: Address, to: Address): void {
    const memory = this.#memory, length = memory.u32(group, GROUP.nameLength);
    const bytes = memory.bytesOf(group), nameAt = memory.placeOf(group) + GROUP.name;
    this.find(to, bytes, nameAt, length);
    const copy = this.create(to, bytes, nameAt, length, readIdAt(memory, group, GROUP.lastId, this.#id), ZERO);
    memory.copy(group, GROUP.entriesRead, copy, GROUP.entriesRead, 8);
    this.#copyPending(group, copy);
    const cursor = this.#consumerCursor.open(group, GROUP.consumers);
    for (let one = cursor.next(); one !== NONE; one = cursor.next()) this.#copyConsumer(one, copy);
  }

  #copyPending(group: Address, copy: Address): void {
    const cursor = this.#pendingCursor.open(group, GROUP.pending), id = this.#id;
    for (let more = cursor.seekFirst(); more; more = cursor.next()) {
      cursor.readKey(id);
      this.addUnassigned(copy, id);
      for (let word = 0; word < PENDING.consumer; word++) this.#pending.setWord(word, cursor.word(word));
    }
  }

  #copyConsumer(consumer: Address, group: Address): void {
    const memory = this.#memory, length = memory.u32(consumer, CONSUMER.nameLength);
    const bytes = memory.bytesOf(consumer), nameAt = memory.placeOf(consumer) + CONSUMER.name;
    this.findConsumer(group, bytes, nameAt, length);
    const copy = this.createConsumer(group, bytes, nameAt, length, 0);
    memory.copy(consumer, CONSUMER.seen, copy, CONSUMER.seen, 8);
    const cursor = this.#ownCursor.open(consumer, CONSUMER.pending), id = this.#id;
    for (let more = cursor.seekFirst(); more; more = cursor.next()) {
      cursor.readKey(id);
      this.assign(group, copy, id);
    }
  }

  /** Bytes of all blocks of a stream's groups. */
  memoryUsage(stream: Address): number {
    let bytes = this.#groupIndex.listBytes(stream, STREAM.groups);
    const cursor = this.#groupCursor.open(stream, STREAM.groups);
    for (let group = cursor.next(); group !== NONE; group = cursor.next()) bytes += this.#groupBytes(group);
    return bytes;
  }

  #groupBytes(group: Address): number {
    let bytes = this.#allocator.allocatedBytes(group) + this.#pending.nodeBytes(group, GROUP.pending) +
      this.#consumerIndex.listBytes(group, GROUP.consumers);
    const cursor = this.#consumerCursor.open(group, GROUP.consumers);
    for (let one = cursor.next(); one !== NONE; one = cursor.next()) {
      bytes += this.#allocator.allocatedBytes(one) + this.#own.nodeBytes(one, CONSUMER.pending);
    }
    return bytes;
  }

  /** A block with a name. */
  #newNamed(nameOffset: number, name: Uint8Array, nameBytes: number, length: number): Address {
    const block = this.#allocator.allocate(nameOffset + length, OWNER.pendingEntries);
    this.#memory.copyIn(block, nameOffset, name, nameBytes, length);
    return block;
  }

  #index(index: NameIndex, owner: Address, offsetBytes: number, item: Address): void {
    try {
      index.insertMissed(owner, offsetBytes, item);
    } catch (error) {
      if (error instanceof OutOfArenaError) this.#allocator.free(item);
      throw error;
    }
  }
}
