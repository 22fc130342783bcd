/**
 * Hash table in paged memory: chained, powers of two, grown and shrunk incrementally. Serves the keyspace and, later, fields and members.
 *
 * Header, u32 fields, little-endian:
 *   0         4        8       12         16       20      24          28
 *   | table 0 | log2 0 | used0 | table 1  | log2 1 | used1 | rehashAt  | takenTo |
 * `table` is 0 for none. Up to 4096 slots it is one chunk of slots; above, a directory of chunk addresses, a chunk (16 KiB) being
 * added when its first entry comes and freed when the rehash has emptied it: no large block is ever zeroed or freed at once.
 * A slot is the address of the first entry of its chain; an entry begins with
 *   0      4
 *   | next | key length (29 bits), flags (3 bits) | …            the key's bytes at the offset fixed for the entry layout
 * `takenTo` is how far `dismantle` has come, 0 otherwise.
 * Invariants: `rehashAt` is NOT_REHASHING or the first slot of table 0 that may still hold entries; table 1 exists exactly while
 * rehashing; inserts go to table 1 then. The dict never allocates or frees entries: their owner does.
 */
import type { KeyedHash } from "../base/siphash.ts";
import {
  type Address,
  type Allocator,
  type LiveMemory,
  type MemoryReader,
  NONE,
  OutOfArenaError,
  OWNER,
} from "../memory/mod.ts";

const HEADER = {
  table0: 0,
  log0: 4,
  used0: 8,
  table1: 12,
  log1: 16,
  used1: 20,
  rehashAt: 24,
  takenTo: 28,
  sizeBytes: 32,
} as const;
/** The same in words, for the look-up, which reads the header's words directly. */
const WORD = { table0: 0, log0: 1, table1: 3, log1: 4, rehashAt: 6 } as const;
const NOT_REHASHING = 0xffffffff;
const CHUNK_LOG2 = 12;
const CHUNK_SLOTS = 1 << CHUNK_LOG2;
const CHUNK_MASK = CHUNK_SLOTS - 1;
const LOG2_MIN = 2;
const LOG2_MAX = 31;
export const KEY_LENGTH_MASK = 0x1fffffff;
const KEY_INFO = 4;
/** While a snapshot is live, tables grow only past this load, as growing dirties pages. */
const FORCE_RATIO = 5;
/** The load up to which `mayGrow` is asked. */
const MAX_LOAD = 1.618;
/** A small entry often lies in two cache lines: this word is near its end, and what is read there does not matter. */
const SMALL_ENTRY_END_WORD = 9;
/** Empty slots one rehash step may pass over. */
const EMPTY_VISITS_PER_STEP = 10;
/** A table shrinks to a sixteenth at most: should it fill again at once, the large one is emptied before chains get long. */
const SHRINK_LOG2_MAX = 4;
/** Places of a chain that are drawn from exactly evenly at loads below 1: longer chains are rare. */
const FAIR_CHAIN = 4;
/** A table this much larger than its entries has no chains worth the name. */
const SPARSE_RATIO = 8;

/** Where a table's slot lives: a block and an offset; `block` is 0 when its chunk is absent (all slots empty). */
function slotBlock(memory: MemoryReader, table: Address, log2: number, slot: number): Address {
  return log2 <= CHUNK_LOG2 ? table : memory.u32(table, (slot >>> CHUNK_LOG2) << 2) as Address;
}

/** The first entry of a slot's chain, or NONE. */
function slotValue(memory: MemoryReader, table: Address, log2: number, slot: number): Address {
  const block = slotBlock(memory, table, log2, slot);
  return block === NONE ? NONE : memory.u32(block, (slot & CHUNK_MASK) << 2) as Address;
}

export function dictSize(memory: MemoryReader, dict: Address): number {
  return memory.u32(dict, HEADER.used0) + memory.u32(dict, HEADER.used1);
}

/** What the tables of a dict take that has settled with so many entries, without the entries: it depends on nothing else. */
export function settledTableBytes(entries: number): number {
  const slots = slotCount(log2For(entries));
  return HEADER.sizeBytes + slots * 4 + (slots > CHUNK_SLOTS ? (slots >>> CHUNK_LOG2) * 4 : 0);
}

/** Some entries of a dict: addresses at[0] to at[count - 1]; the arrays are reused for the next ones. */
export interface EntryBatch {
  readonly at: Uint32Array;
  count: number;
}

/**
 * All entries, a chain or more at a time, about `batchSize` to a batch. Nothing may change meanwhile. For saving, on live or frozen
 * memory, where the caller wants to stop in between.
 */
export function* entriesOf(memory: MemoryReader, dict: Address, batchSize: number): Generator<EntryBatch> {
  const batch: EntryBatch = { at: new Uint32Array(batchSize * 2), count: 0 };
  for (const half of [0, HEADER.table1 - HEADER.table0]) {
    const table = memory.u32(dict, HEADER.table0 + half) as Address, log2 = memory.u32(dict, HEADER.log0 + half);
    const slots = table === NONE ? 0 : slotCount(log2);
    for (let first = 0; first < slots; first += CHUNK_SLOTS) {
      const block = slotBlock(memory, table, log2, first);
      if (block === NONE) continue;
      const count = Math.min(CHUNK_SLOTS, slots);
      for (let slot = 0; slot < count; slot++) {
        for (let e = memory.u32(block, slot << 2) as Address; e !== NONE; e = memory.u32(e, 0) as Address) {
          if (batch.count === batch.at.length) yield batch, batch.count = 0;
          batch.at[batch.count++] = e;
        }
        if (batch.count >= batchSize) yield batch, batch.count = 0;
      }
    }
  }
  if (batch.count > 0) yield batch;
}

/** Calls `visit` for every entry; nothing may change meanwhile. For saving, rewriting and digests, on live or frozen memory. */
export function forEachEntry(memory: MemoryReader, dict: Address, visit: (entry: Address) => void): void {
  forEachInTable(memory, memory.u32(dict, HEADER.table0) as Address, memory.u32(dict, HEADER.log0), visit);
  forEachInTable(memory, memory.u32(dict, HEADER.table1) as Address, memory.u32(dict, HEADER.log1), visit);
}

function forEachInTable(memory: MemoryReader, table: Address, log2: number, visit: (entry: Address) => void): void {
  if (table === NONE) return;
  const slots = slotCount(log2);
  for (let first = 0; first < slots; first += CHUNK_SLOTS) {
    const block = slotBlock(memory, table, log2, first);
    if (block === NONE) continue;
    const count = Math.min(CHUNK_SLOTS, slots);
    for (let i = 0; i < count; i++) {
      let entry = memory.u32(block, i << 2) as Address;
      while (entry !== NONE) {
        const next = memory.u32(entry, 0) as Address;
        visit(entry);
        entry = next;
      }
    }
  }
}

/** Chains that a walk reads ahead. */
const WALK_CHAINS = 16;

/**
 * Walks all entries one by one; one instance is reused. While walking, nothing may be inserted or look up in the dict; what was
 * returned last may be unlinked and freed. The next few chains are read ahead together, as each is a cache miss in a large dict.
 */
export class DictWalk {
  #memory!: MemoryReader;
  #dict: Address = NONE;
  #table = 0;
  #root: Address = NONE;
  #log2 = 0;
  /** First slot of the next block of the table, and the slots it has. */
  #nextFirst = 0;
  #slots = 0;
  #block: Address = NONE;
  /** Slot in the block, the first one behind it, and which slot of the table the block begins with. */
  #slot = 0;
  #end = 0;
  #first = 0;
  /** First entries of the chains that were read ahead, and what follows each; those from `#chain` on are still to be returned. */
  readonly #heads = new Uint32Array(WALK_CHAINS);
  readonly #seconds = new Uint32Array(WALK_CHAINS);
  readonly #slotsAhead = new Uint32Array(WALK_CHAINS);
  #chains = 0;
  #chain = 0;
  #next: Address = NONE;
  /** What the table tells of the hash of the entry that was returned last: its lowest `hashLog2` bits. */
  hashBits = 0;
  hashLog2 = 0;

  start(memory: MemoryReader, dict: Address): void {
    this.#memory = memory, this.#dict = dict;
    this.#slot =
      this.#end =
      this.#chain =
      this.#chains =
        0, this.#next = NONE;
    this.#open(0);
  }

  /** The next entry, or NONE at the end. */
  next(): Address {
    const entry = this.#next;
    if (entry !== NONE) {
      this.#next = this.#memory.u32(entry, 0) as Address;
      return entry;
    }
    if (this.#chain === this.#chains && !this.#readAhead()) return NONE;
    this.#next = this.#seconds[this.#chain] as Address;
    this.hashBits = this.#slotsAhead[this.#chain];
    return this.#heads[this.#chain++] as Address;
  }

  /** Finds the next chains; false when there are none. */
  #readAhead(): boolean {
    const memory = this.#memory, heads = this.#heads, seconds = this.#seconds, slots = this.#slotsAhead;
    let found = 0;
    // Chains that are read ahead together are of one table.
    while (found < WALK_CHAINS && (this.#slot < this.#end || (found === 0 && this.#nextBlock()))) {
      const slot = this.#slot++, head = memory.u32(this.#block, slot << 2);
      if (head === NONE) continue;
      slots[found] = this.#first + slot;
      heads[found++] = head;
    }
    this.hashLog2 = this.#log2;
    for (let i = 0; i < found; i++) seconds[i] = memory.u32(heads[i] as Address, 0);
    this.#chains = found, this.#chain = 0;
    return found > 0;
  }

  #open(table: number): void {
    const memory = this.#memory, half = table === 0 ? 0 : HEADER.table1 - HEADER.table0;
    this.#table = table, this.#nextFirst = 0;
    this.#root = memory.u32(this.#dict, HEADER.table0 + half) as Address;
    this.#log2 = memory.u32(this.#dict, HEADER.log0 + half);
    this.#slots = this.#root === NONE ? 0 : slotCount(this.#log2);
  }

  /** Goes to the next block that is there; false when there is none. */
  #nextBlock(): boolean {
    while (true) {
      while (this.#nextFirst < this.#slots) {
        const block = slotBlock(this.#memory, this.#root, this.#log2, this.#nextFirst);
        this.#first = this.#nextFirst;
        this.#nextFirst += CHUNK_SLOTS;
        if (block === NONE) continue;
        this.#block = block, this.#slot = 0, this.#end = Math.min(CHUNK_SLOTS, this.#slots);
        return true;
      }
      if (this.#table === 1) return false;
      this.#open(1);
    }
  }
}

/** The operations of one entry layout. Headers are passed in, so one instance serves all dicts of that layout. */
export class Dict {
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #hash: KeyedHash;
  readonly #keyOffset: number;
  /** Whether a table may be had that takes so many bytes more, while chains are still short. */
  mayGrow: (bytes: number) => boolean = () => true;
  /** Set by the last `findSlot`: what leads to the entry, 0 for the slot itself. */
  #previous: Address = NONE;
  #foundTable = 0;
  #foundSlot = 0;
  /** Hash of the key of the last `find`. */
  #lastHash = 0;

  constructor(memory: LiveMemory, allocator: Allocator, hash: KeyedHash, keyOffsetBytes: number) {
    this.#memory = memory, this.#allocator = allocator, this.#hash = hash, this.#keyOffset = keyOffsetBytes;
  }

  create(): Address {
    const dict = this.#allocator.allocate(HEADER.sizeBytes, OWNER.dictHeader);
    this.#memory.fill(dict, 0, 0, HEADER.sizeBytes);
    this.#memory.setU32(dict, HEADER.rehashAt, NOT_REHASHING);
    return dict;
  }

  /** Frees the header and tables of a dict whose entries are gone (`takeSome` has returned 0 for the last time). */
  destroy(dict: Address): void {
    this.#freeTable(dict, 0), this.#freeTable(dict, 1);
    this.#allocator.free(dict);
  }

  size(dict: Address): number {
    return dictSize(this.#memory, dict);
  }

  slots(dict: Address): number {
    const memory = this.#memory;
    let slots = memory.u32(dict, HEADER.table0) === 0 ? 0 : slotCount(memory.u32(dict, HEADER.log0));
    if (memory.u32(dict, HEADER.table1) !== 0) slots += slotCount(memory.u32(dict, HEADER.log1));
    return slots;
  }

  isRehashing(dict: Address): boolean {
    return this.#memory.u32(dict, HEADER.rehashAt) !== NOT_REHASHING;
  }

  /** The entry with this key, or NONE. Moves one slot along when a rehash is under way. */
  find(dict: Address, key: Uint8Array, keyBytes: number, length: number): Address {
    const memory = this.#memory, header = memory.wordsOf(dict), at = memory.wordOf(dict);
    if (header[at + WORD.rehashAt] !== NOT_REHASHING) this.rehashOnUse(dict, 1);
    const hash = this.#lastHash = this.#hash.hash(key, keyBytes, length);
    const table0 = header[at + WORD.table0] as Address;
    if (table0 === NONE) return NONE;
    const entry = this.#findIn(0, table0, header[at + WORD.log0], hash, key, keyBytes, length);
    const table1 = header[at + WORD.table1] as Address;
    if (entry !== NONE || table1 === NONE) return entry;
    return this.#findIn(1, table1, header[at + WORD.log1], hash, key, keyBytes, length);
  }

  /**
   * The entry with the same key as an entry of another dict of this layout, or NONE. The lowest `knownLog2` bits of its hash are known,
   * as a `DictWalk` knows them: where the tables are of like size the key is not hashed at all. `insertMissed` may follow only when
   * nothing is known (-1).
   */
  findSame(dict: Address, like: Address, knownBits: number, knownLog2: number): Address {
    const memory = this.#memory, header = memory.wordsOf(dict), at = memory.wordOf(dict);
    if (header[at + WORD.rehashAt] !== NOT_REHASHING) this.rehashOnUse(dict, 1);
    const table0 = header[at + WORD.table0] as Address, table1 = header[at + WORD.table1] as Address;
    const log0 = header[at + WORD.log0], log1 = header[at + WORD.log1];
    const hash = this.#lastHash = log0 <= knownLog2 && log1 <= knownLog2 ? knownBits : this.hashOf(like);
    if (table0 === NONE) return NONE;
    const entry = this.#findSameIn(0, table0, log0, hash, like);
    return entry !== NONE || table1 === NONE ? entry : this.#findSameIn(1, table1, log1, hash, like);
  }

  /** The hash that `findHashed` wants of a linked or unlinked entry. */
  hashOf(entry: Address): number {
    const memory = this.#memory, length = memory.u32(entry, KEY_INFO) & KEY_LENGTH_MASK;
    return this.#hash.hash(memory.bytesOf(entry), memory.placeOf(entry) + this.#keyOffset, length);
  }

  /** `find` for the key of an unlinked entry whose hash is known; leaves moving slots along to `rehashOnUse`. */
  findHashed(dict: Address, entry: Address, hash: number): Address {
    const memory = this.#memory, length = memory.u32(entry, KEY_INFO) & KEY_LENGTH_MASK;
    const key = memory.bytesOf(entry), keyBytes = memory.placeOf(entry) + this.#keyOffset;
    this.#lastHash = hash;
    const table0 = memory.u32(dict, HEADER.table0) as Address, table1 = memory.u32(dict, HEADER.table1) as Address;
    const found = table0 === NONE
      ? NONE
      : this.#findIn(0, table0, memory.u32(dict, HEADER.log0), hash, key, keyBytes, length);
    if (found !== NONE || table1 === NONE) return found;
    return this.#findIn(1, table1, memory.u32(dict, HEADER.log1), hash, key, keyBytes, length);
  }

  /**
   * Reads the slots and first entries that inserts of `count` hashes will read, each read independent of the others, so that the
   * processor waits for many at once. Returns a number that means nothing, but keeps the reads from being optimized away.
   */
  warm(dict: Address, hashes: Uint32Array, heads: Uint32Array, count: number): number {
    const memory = this.#memory, half = this.isRehashing(dict) ? HEADER.table1 - HEADER.table0 : 0;
    const table = memory.u32(dict, HEADER.table0 + half) as Address, log2 = memory.u32(dict, HEADER.log0 + half);
    if (table === NONE) return 0;
    const slots = mask(log2);
    for (let i = 0; i < count; i++) {
      const slot = (hashes[i] & slots) >>> 0, block = slotBlock(memory, table, log2, slot);
      heads[i] = block === NONE ? NONE : memory.u32(block, (slot & CHUNK_MASK) << 2);
    }
    // The first of each chain, then the second; longer chains are rare.
    let sum = 0;
    for (let i = 0; i < count; i++) {
      if (heads[i] === NONE) continue;
      const words = memory.wordsOf(heads[i] as Address), at = memory.wordOf(heads[i] as Address);
      sum ^= words[at + SMALL_ENTRY_END_WORD];
      heads[i] = words[at];
    }
    for (let i = 0; i < count; i++) if (heads[i] !== NONE) sum ^= memory.u32(heads[i] as Address, KEY_INFO);
    return sum;
  }

  /** `warm` for keys that will be looked up: those at these places of `bytes`. */
  warmKeys(
    dict: Address,
    bytes: Uint8Array,
    offsets: Int32Array,
    lengths: Int32Array,
    hashes: Uint32Array,
    heads: Uint32Array,
    count: number,
  ): number {
    for (let i = 0; i < count; i++) hashes[i] = this.#hash.hash(bytes, offsets[i], lengths[i]);
    return this.warm(dict, hashes, heads, count);
  }

  /** Links an entry of the key that the last `find` did not find. May throw OutOfArenaError, having changed nothing. */
  insertMissed(dict: Address, entry: Address): void {
    const memory = this.#memory;
    this.#growIfNeeded(dict);
    const table = memory.u32(dict, HEADER.rehashAt) === NOT_REHASHING ? 0 : 1;
    this.#link(dict, table, entry, this.#lastHash);
    const used = table === 0 ? HEADER.used0 : HEADER.used1;
    memory.setU32(dict, used, memory.u32(dict, used) + 1);
  }

  /** Unlinks the entry that the last `find` returned (nothing else may have been called in between). */
  unlinkFound(dict: Address, entry: Address): void {
    const memory = this.#memory;
    this.#setLink(dict, memory.u32(entry, 0));
    const used = this.#foundTable === 0 ? HEADER.used0 : HEADER.used1;
    memory.setU32(dict, used, memory.u32(dict, used) - 1);
  }

  /** Puts `entry` (same key) where the entry that the last `find` returned stands. */
  replaceFound(dict: Address, found: Address, entry: Address): void {
    this.#memory.setU32(entry, 0, this.#memory.u32(found, 0));
    this.#setLink(dict, entry);
  }

  /** Rehashes up to `slots` slots; returns false when nothing is left to do, or nothing may be done while a snapshot is live. */
  rehash(dict: Address, slots: number): boolean {
    const memory = this.#memory;
    if (!this.isRehashing(dict)) return false;
    if (memory.snapshotLive && !this.#goesOnInSnapshot(dict)) return false;
    let at = memory.u32(dict, HEADER.rehashAt), emptyVisits = slots * EMPTY_VISITS_PER_STEP;
    const table = memory.u32(dict, HEADER.table0) as Address, log2 = memory.u32(dict, HEADER.log0);
    for (let step = 0; step < slots; step++) {
      if (memory.u32(dict, HEADER.used0) === 0) return this.#finishRehash(dict);
      let block = slotBlock(memory, table, log2, at);
      while (block === NONE || memory.u32(block, (at & CHUNK_MASK) << 2) === 0) {
        at = block === NONE ? (at | CHUNK_MASK) + 1 : this.#advance(dict, table, log2, at);
        if (--emptyVisits === 0) {
          memory.setU32(dict, HEADER.rehashAt, at);
          return true;
        }
        block = slotBlock(memory, table, log2, at);
      }
      this.#moveChain(dict, block, at);
      at = this.#advance(dict, table, log2, at);
      memory.setU32(dict, HEADER.rehashAt, at);
    }
    return memory.u32(dict, HEADER.used0) === 0 ? this.#finishRehash(dict) : true;
  }

  /** Makes room for `entries` at once, so that loading a file does not rehash on the way. */
  reserve(dict: Address, entries: number): void {
    const log2 = log2For(entries);
    if (this.isRehashing(dict) || log2 <= this.#log2Of(dict)) return;
    this.#resizeTo(dict, log2);
  }

  /** Starts to shrink a table that is less than a tenth full; the cron calls it. */
  shrinkIfSparse(dict: Address): void {
    const memory = this.#memory;
    if (this.isRehashing(dict) || memory.snapshotLive || memory.u32(dict, HEADER.table0) === 0) return;
    const slots = slotCount(memory.u32(dict, HEADER.log0)), used = memory.u32(dict, HEADER.used0);
    if (slots <= slotCount(LOG2_MIN) || used * 10 >= slots) return;
    this.#resizeOnUse(dict, Math.max(log2For(used), memory.u32(dict, HEADER.log0) - SHRINK_LOG2_MAX));
  }

  /**
   * Visits the entries of one cursor position and returns the next cursor, 0 at the end. The cursor counts with its bits reversed, so
   * that growing and shrinking between calls never makes it miss an entry that is there all the time.
   */
  scan(dict: Address, cursor: number, visit: (entry: Address) => void): number {
    const memory = this.#memory;
    if (this.size(dict) === 0) return 0;
    const log0 = memory.u32(dict, HEADER.log0);
    if (!this.isRehashing(dict)) {
      this.#visitSlot(dict, 0, cursor & mask(log0), visit);
      return nextCursor(cursor, mask(log0));
    }
    const log1 = memory.u32(dict, HEADER.log1);
    const small = log0 <= log1 ? 0 : 1, large = 1 - small;
    const smallMask = mask(Math.min(log0, log1)), largeMask = mask(Math.max(log0, log1));
    this.#visitSlot(dict, small, cursor & smallMask, visit);
    let next = cursor;
    do {
      this.#visitSlot(dict, large, next & largeMask, visit);
      next = nextCursor(next, largeMask);
    } while ((next & (smallMask ^ largeMask)) !== 0);
    return next;
  }

  /**
   * An entry chosen at random, or NONE when empty; `random(n)` is uniform below n. A slot and a place in its chain are drawn until an
   * entry is there, so all have the same chance; only those beyond the last place share it. Moves one slot along when a rehash is
   * under way.
   */
  randomEntry(dict: Address, random: (below: number) => number): Address {
    const memory = this.#memory, size = this.size(dict);
    if (size === 0) return NONE;
    this.rehashOnUse(dict, 1);
    const isRehashing = this.isRehashing(dict), log0 = memory.u32(dict, HEADER.log0), slots0 = slotCount(log0);
    const table0 = memory.u32(dict, HEADER.table0) as Address;
    const first = isRehashing ? memory.u32(dict, HEADER.rehashAt) : 0, slots = this.slots(dict) - first;
    const places = !isRehashing && size * SPARSE_RATIO < slots ? 1 : FAIR_CHAIN * (1 + Math.floor(size / slots));
    while (true) {
      const slot = first + random(slots);
      const head = slot < slots0 ? slotValue(memory, table0, log0, slot) : this.#slotValue(dict, 1, slot - slots0);
      if (head === NONE) continue;
      const place = places === 1 ? 0 : random(places), entry = this.#inChain(head, place);
      if (entry === NONE) continue;
      if (place < places - 1 || memory.u32(entry, 0) === NONE) return entry;
      return this.#inChain(entry, random(this.#chainLength(entry)));
    }
  }

  /** The entry at a place of a chain, or NONE. */
  #inChain(head: Address, place: number): Address {
    let entry = head;
    for (let left = place; left > 0 && entry !== NONE; left--) entry = this.#memory.u32(entry, 0) as Address;
    return entry;
  }

  #chainLength(head: Address): number {
    let length = 0;
    for (let entry = head; entry !== NONE; entry = this.#memory.u32(entry, 0) as Address) length++;
    return length;
  }

  /**
   * Unlinks up to about `entriesMax` entries of a dict that is going away and hands each to `take`; returns how many were taken.
   * `cursor` is the slot to go on from; it counts through both tables.
   */
  takeSome(dict: Address, cursor: { slot: number }, entriesMax: number, take: (entry: Address) => void): number {
    const memory = this.#memory;
    const slots0 = memory.u32(dict, HEADER.table0) === 0 ? 0 : slotCount(memory.u32(dict, HEADER.log0));
    const slots = this.slots(dict);
    let taken = 0, visits = entriesMax * EMPTY_VISITS_PER_STEP;
    while (cursor.slot < slots && taken < entriesMax && visits-- > 0) {
      const table = cursor.slot < slots0 ? 0 : 1;
      let entry = this.#slotValue(dict, table, table === 0 ? cursor.slot : cursor.slot - slots0);
      while (entry !== NONE) {
        const next = memory.u32(entry, 0) as Address;
        take(entry);
        taken++;
        entry = next;
      }
      cursor.slot++;
    }
    return cursor.slot < slots ? Math.max(taken, 1) : taken;
  }

  /**
   * Takes a dict apart in slices: hands up to about `entriesMax` entries to `take`, and destroys it when none are left; true then. Where it
   * stands is kept in the dict, which nothing else may use any more.
   */
  dismantle(dict: Address, entriesMax: number, take: (entry: Address) => void): boolean {
    const cursor = { slot: this.#memory.u32(dict, HEADER.takenTo) };
    const taken = this.takeSome(dict, cursor, entriesMax, take);
    if (taken === 0) this.destroy(dict);
    else this.#memory.setU32(dict, HEADER.takenTo, cursor.slot);
    return taken === 0;
  }

  /** Bytes of header and tables. */
  overheadBytes(dict: Address): number {
    return this.#allocator.allocatedBytes(dict) + this.#tableBytes(dict, 0) + this.#tableBytes(dict, 1);
  }

  /** Lengths of chains, for DEBUG HTSTATS: counts[n] slots hold n entries. */
  chainLengths(dict: Address, table: 0 | 1): number[] {
    const counts: number[] = [];
    if (this.#tableOf(dict, table) === NONE) return counts;
    for (let slot = 0; slot < slotCount(this.#logOf(dict, table)); slot++) {
      const length = this.#chainLength(this.#slotValue(dict, table, slot));
      counts[length] = (counts[length] ?? 0) + 1;
    }
    return counts;
  }

  #tableOf(dict: Address, table: number): Address {
    return this.#memory.u32(dict, table === 0 ? HEADER.table0 : HEADER.table1) as Address;
  }

  #logOf(dict: Address, table: number): number {
    return this.#memory.u32(dict, table === 0 ? HEADER.log0 : HEADER.log1);
  }

  #log2Of(dict: Address): number {
    return this.#memory.u32(dict, HEADER.table0) === 0 ? -1 : this.#memory.u32(dict, HEADER.log0);
  }

  #findIn(
    table: number,
    root: Address,
    log2: number,
    hash: number,
    key: Uint8Array,
    keyBytes: number,
    length: number,
  ): Address {
    const memory = this.#memory, slot = (hash & mask(log2)) >>> 0, block = slotBlock(memory, root, log2, slot);
    if (block === NONE) return NONE;
    let previous = NONE, entry = memory.u32(block, (slot & CHUNK_MASK) << 2) as Address;
    while (entry !== NONE) {
      const words = memory.wordsOf(entry), at = memory.wordOf(entry);
      if (
        (words[at + 1] & KEY_LENGTH_MASK) === length && memory.equals(entry, this.#keyOffset, key, keyBytes, length)
      ) {
        this.#previous = previous, this.#foundTable = table, this.#foundSlot = slot;
        return entry;
      }
      previous = entry;
      entry = words[at] as Address;
    }
    return NONE;
  }

  #findSameIn(table: number, root: Address, log2: number, hash: number, like: Address): Address {
    const memory = this.#memory, slot = (hash & mask(log2)) >>> 0;
    const words = memory.wordsOf(like), at = memory.wordOf(like), info = words[at + 1] & KEY_LENGTH_MASK;
    const keyWord = this.#keyOffset >> 2;
    let previous = NONE, entry = slotValue(memory, root, log2, slot);
    while (entry !== NONE) {
      const here = memory.wordsOf(entry), first = memory.wordOf(entry);
      if ((here[first + 1] & KEY_LENGTH_MASK) === info && sameWords(here, first + keyWord, words, at + keyWord, info)) {
        this.#previous = previous, this.#foundTable = table, this.#foundSlot = slot;
        return entry;
      }
      previous = entry;
      entry = here[first] as Address;
    }
    return NONE;
  }

  #setLink(dict: Address, target: number): void {
    if (this.#previous !== NONE) return this.#memory.setU32(this.#previous, 0, target);
    const table = this.#foundTable, slot = this.#foundSlot;
    const block = slotBlock(this.#memory, this.#tableOf(dict, table), this.#logOf(dict, table), slot);
    this.#memory.setU32(block, (slot & CHUNK_MASK) << 2, target);
  }

  #link(dict: Address, table: number, entry: Address, hash: number): void {
    const memory = this.#memory;
    const log2 = this.#logOf(dict, table), slot = (hash & mask(log2)) >>> 0;
    const block = this.#chunkForWrite(this.#tableOf(dict, table), log2, slot);
    const at = (slot & CHUNK_MASK) << 2;
    memory.setU32(entry, 0, memory.u32(block, at));
    memory.setU32(block, at, entry);
  }

  #chunkForWrite(table: Address, log2: number, slot: number): Address {
    const block = slotBlock(this.#memory, table, log2, slot);
    if (block !== NONE) return block;
    const chunk = this.#zeroed(CHUNK_SLOTS * 4);
    this.#memory.setU32(table, (slot >>> CHUNK_LOG2) << 2, chunk);
    return chunk;
  }

  #zeroed(sizeBytes: number): Address {
    const block = this.#allocator.allocate(sizeBytes, OWNER.dictTable);
    this.#memory.fill(block, 0, 0, sizeBytes);
    return block;
  }

  #newTable(log2: number): Address {
    return this.#zeroed(log2 <= CHUNK_LOG2 ? 4 << log2 : 4 << (log2 - CHUNK_LOG2));
  }

  #freeTable(dict: Address, table: number): void {
    const memory = this.#memory, root = this.#tableOf(dict, table), log2 = this.#logOf(dict, table);
    if (root === NONE) return;
    for (let i = 0; log2 > CHUNK_LOG2 && i < slotCount(log2 - CHUNK_LOG2); i++) {
      const chunk = memory.u32(root, i << 2) as Address;
      if (chunk !== NONE) this.#allocator.free(chunk);
    }
    this.#allocator.free(root);
  }

  #tableBytes(dict: Address, table: number): number {
    const root = this.#tableOf(dict, table), log2 = this.#logOf(dict, table);
    if (root === NONE) return 0;
    let bytes = this.#allocator.allocatedBytes(root);
    for (let i = 0; log2 > CHUNK_LOG2 && i < slotCount(log2 - CHUNK_LOG2); i++) {
      if (this.#memory.u32(root, i << 2) !== 0) bytes += CHUNK_SLOTS * 4;
    }
    return bytes;
  }

  #slotValue(dict: Address, table: number, slot: number): Address {
    return slotValue(this.#memory, this.#tableOf(dict, table), this.#logOf(dict, table), slot);
  }

  #visitSlot(dict: Address, table: number, slot: number, visit: (entry: Address) => void): void {
    let entry = this.#slotValue(dict, table, slot >>> 0);
    while (entry !== NONE) {
      const next = this.#memory.u32(entry, 0) as Address;
      visit(entry);
      entry = next;
    }
  }

  #growIfNeeded(dict: Address): void {
    const memory = this.#memory;
    if (memory.u32(dict, HEADER.rehashAt) !== NOT_REHASHING) return;
    if (memory.u32(dict, HEADER.table0) === 0) {
      memory.setU32(dict, HEADER.table0, this.#newTable(LOG2_MIN));
      memory.setU32(dict, HEADER.log0, LOG2_MIN);
      return;
    }
    const used = memory.u32(dict, HEADER.used0), log2 = memory.u32(dict, HEADER.log0);
    if (used < slotCount(log2) || log2 === LOG2_MAX) return;
    if (memory.snapshotLive && used < FORCE_RATIO * slotCount(log2)) return;
    if (used <= MAX_LOAD * slotCount(log2) && !this.mayGrow(4 * slotCount(log2For(used + 1)))) return;
    this.#resizeOnUse(dict, log2For(used + 1));
  }

  /** Whether a dict that is rehashing is too full for its smaller table, or its old table is so much too large that few entries move. */
  #goesOnInSnapshot(dict: Address): boolean {
    const log0 = this.#memory.u32(dict, HEADER.log0), log1 = this.#memory.u32(dict, HEADER.log1);
    return slotCount(log0) >= FORCE_RATIO * slotCount(log1) ||
      this.size(dict) > FORCE_RATIO * slotCount(Math.min(log0, log1));
  }

  /** Resizes, unless the arena is full: then chains get longer, and what is under way does not suffer. */
  #resizeOnUse(dict: Address, log2: number): void {
    try {
      this.#resizeTo(dict, log2);
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
    }
  }

  #resizeTo(dict: Address, log2: number): void {
    const memory = this.#memory;
    if (memory.u32(dict, HEADER.table0) !== 0 && log2 === memory.u32(dict, HEADER.log0)) return;
    const table = this.#newTable(log2);
    if (memory.u32(dict, HEADER.table0) === 0) {
      memory.setU32(dict, HEADER.table0, table), memory.setU32(dict, HEADER.log0, log2);
      return;
    }
    memory.setU32(dict, HEADER.table1, table), memory.setU32(dict, HEADER.log1, log2);
    memory.setU32(dict, HEADER.used1, 0), memory.setU32(dict, HEADER.rehashAt, 0);
  }

  /** A step on the way of another command; with the arena full the rehash waits, and the command does not suffer. */
  rehashOnUse(dict: Address, slots: number): void {
    try {
      this.rehash(dict, slots);
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
    }
  }

  /** Step to the next slot of table 0; a chunk that is passed for good is empty now and goes back. */
  #advance(dict: Address, table: Address, log2: number, at: number): number {
    if (log2 > CHUNK_LOG2 && (at & CHUNK_MASK) === CHUNK_MASK) {
      const place = (at >>> CHUNK_LOG2) << 2;
      const chunk = this.#memory.u32(table, place) as Address;
      if (chunk !== NONE) {
        this.#memory.setU32(dict, HEADER.rehashAt, at + 1);
        this.#memory.setU32(table, place, NONE);
        this.#allocator.free(chunk);
      }
    }
    return at + 1;
  }

  #moveChain(dict: Address, block: Address, at: number): void {
    const memory = this.#memory, place = (at & CHUNK_MASK) << 2;
    let entry = memory.u32(block, place) as Address;
    while (entry !== NONE) {
      const next = memory.u32(entry, 0) as Address;
      // Linking may need a chunk and fail; until it succeeds the entry stays where it was.
      this.#link(dict, 1, entry, this.hashOf(entry));
      memory.setU32(block, place, next);
      memory.setU32(dict, HEADER.used0, memory.u32(dict, HEADER.used0) - 1);
      memory.setU32(dict, HEADER.used1, memory.u32(dict, HEADER.used1) + 1);
      entry = next;
    }
  }

  #finishRehash(dict: Address): boolean {
    const memory = this.#memory;
    this.#freeTable(dict, 0);
    memory.setU32(dict, HEADER.table0, memory.u32(dict, HEADER.table1));
    memory.setU32(dict, HEADER.log0, memory.u32(dict, HEADER.log1));
    memory.setU32(dict, HEADER.used0, memory.u32(dict, HEADER.used1));
    memory.setU32(dict, HEADER.table1, 0), memory.setU32(dict, HEADER.log1, 0);
    memory.setU32(dict, HEADER.used1, 0), memory.setU32(dict, HEADER.rehashAt, NOT_REHASHING);
    return false;
  }
}

/** Whether two ranges of bytes, which both start at a word, are equal. */
function sameWords(a: Uint32Array, aWord: number, b: Uint32Array, bWord: number, lengthBytes: number): boolean {
  const last = lengthBytes >>> 2, restBits = (lengthBytes & 3) << 3;
  // From the end: keys mostly share how they begin.
  if (restBits !== 0 && ((a[aWord + last] ^ b[bWord + last]) << (32 - restBits)) !== 0) return false;
  for (let i = last - 1; i >= 0; i--) if (a[aWord + i] !== b[bWord + i]) return false;
  return true;
}

function log2For(entries: number): number {
  let log2 = LOG2_MIN;
  while (log2 < LOG2_MAX && slotCount(log2) < entries) log2++;
  return log2;
}

/** Slots of a table; log2 is at most 31. */
function slotCount(log2: number): number {
  return (1 << log2) >>> 0;
}

function mask(log2: number): number {
  return slotCount(log2) - 1;
}

/** Increments the bits of `cursor` under `mask` from the top down. */
function nextCursor(cursor: number, mask: number): number {
  return reverseBits(reverseBits((cursor | ~mask) >>> 0) + 1);
}

function reverseBits(value: number): number {
  let v = value >>> 0;
  v = ((v >>> 1) & 0x55555555) | ((v & 0x55555555) << 1);
  v = ((v >>> 2) & 0x33333333) | ((v & 0x33333333) << 2);
  v = ((v >>> 4) & 0x0f0f0f0f) | ((v & 0x0f0f0f0f) << 4);
  v = ((v >>> 8) & 0x00ff00ff) | ((v & 0x00ff00ff) << 8);
  return ((v >>> 16) | (v << 16)) >>> 0;
}
