/**
 * Intset: a sorted array of integers in one block, byte for byte the intset of an RDB file (format: intset.c of Redis 7.0).
 *
 *   0          4       8
 *   | encoding | count | integer | integer | …      u32, u32; integers of 2, 4 or 8 bytes, little-endian, ascending, each once
 * Invariants: `encoding` is the bytes of each integer, wide enough for all of them; it never gets smaller. A block may be longer than
 * its content. Memory is allocated before anything changes: OutOfArenaError leaves an intset as it was.
 */
import type { I64 } from "../base/integer.ts";
import {
  type Address,
  type Allocator,
  type LiveMemory,
  type MemoryReader,
  OutOfArenaError,
  OWNER,
} from "../memory/mod.ts";

const HEADER = { encoding: 0, count: 4, sizeBytes: 8 } as const;
/** An intset has to fit a block: sets turn into hash tables here at the latest. */
export const INTSET_COUNT_MAX = 1 << 26;
/** Blocks below this are not worth moving to a smaller one. */
const SHRINK_BYTES_MIN = 128;

export function intsetCount(memory: MemoryReader, intset: Address): number {
  return memory.u32(intset, HEADER.count);
}

/** Bytes of the intset, without the slack of its block. */
export function intsetBytes(memory: MemoryReader, intset: Address): number {
  return HEADER.sizeBytes + memory.u32(intset, HEADER.encoding) * memory.u32(intset, HEADER.count);
}

/** Reads the integer at an index below the count. */
export function readIntset(memory: MemoryReader, intset: Address, index: number, into: I64): void {
  const width = memory.u32(intset, HEADER.encoding);
  if (width === 8) {
    const at = HEADER.sizeBytes + index * 8;
    into.set(memory.u32(intset, at + 4), memory.u32(intset, at));
    return;
  }
  const value = smallAt(memory, intset, width, index);
  into.set(value >> 31, value);
}

/** An integer of 2 or 4 bytes. */
function smallAt(memory: MemoryReader, intset: Address, width: number, index: number): number {
  if (width === 4) return memory.u32(intset, HEADER.sizeBytes + index * 4) | 0;
  const pair = memory.u32(intset, HEADER.sizeBytes + (index >>> 1) * 4);
  return (index & 1) === 0 ? (pair << 16) >> 16 : pair >> 16;
}

/** Bytes that an integer needs. */
function widthOf(value: I64): number {
  const low = value.lo | 0;
  if (value.hi !== low >> 31) return 8;
  return (low << 16) >> 16 === low ? 2 : 4;
}

/** What is done with intsets; one instance serves all. What changes an intset returns its block, which may have moved. */
export class Intsets {
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  /** Whether the last `add` or `remove` found something to do. */
  changed = false;
  /** Where the last search found the integer, or would insert it. */
  #at = 0;

  constructor(memory: LiveMemory, allocator: Allocator) {
    this.#memory = memory, this.#allocator = allocator;
  }

  create(): Address {
    const intset = this.#allocator.allocate(HEADER.sizeBytes + 2, OWNER.intset);
    this.#memory.setU32(intset, HEADER.encoding, 2);
    this.#memory.setU32(intset, HEADER.count, 0);
    return intset;
  }

  /** An intset with this content, which has been checked. */
  ofBytes(source: Uint8Array, start: number, length: number): Address {
    const intset = this.#allocator.allocate(length, OWNER.intset);
    this.#memory.copyIn(intset, 0, source, start, length);
    return intset;
  }

  copy(intset: Address): Address {
    const size = intsetBytes(this.#memory, intset), copy = this.#allocator.allocate(size, OWNER.intset);
    this.#memory.copy(intset, 0, copy, 0, size);
    return copy;
  }

  free(intset: Address): void {
    this.#allocator.free(intset);
  }

  /** Bytes of the block. */
  memoryUsage(intset: Address): number {
    return this.#allocator.allocatedBytes(intset);
  }

  has(intset: Address, value: I64): boolean {
    return widthOf(value) <= this.#memory.u32(intset, HEADER.encoding) && this.#search(intset, value);
  }

  add(intset: Address, value: I64): Address {
    const memory = this.#memory, width = memory.u32(intset, HEADER.encoding), needed = widthOf(value);
    if (needed > width) return this.#widen(intset, value, needed);
    this.changed = !this.#search(intset, value);
    if (!this.changed) return intset;
    const count = memory.u32(intset, HEADER.count), at = HEADER.sizeBytes + this.#at * width;
    const target = this.#grow(intset, count, width);
    if (this.#at < count) memory.copy(target, at, target, at + width, (count - this.#at) * width);
    this.#write(target, width, this.#at, value);
    memory.setU32(target, HEADER.count, count + 1);
    return target;
  }

  remove(intset: Address, value: I64): Address {
    this.changed = this.has(intset, value);
    return this.changed ? this.removeAt(intset, this.#at) : intset;
  }

  removeAt(intset: Address, index: number): Address {
    const memory = this.#memory, width = memory.u32(intset, HEADER.encoding);
    const rest = memory.u32(intset, HEADER.count) - 1, at = HEADER.sizeBytes + index * width;
    memory.copy(intset, at + width, intset, at, (rest - index) * width);
    memory.setU32(intset, HEADER.count, rest);
    return this.#shrink(intset, HEADER.sizeBytes + rest * width);
  }

  /** Looks for an integer that is not wider than the encoding. */
  #search(intset: Address, value: I64): boolean {
    const memory = this.#memory, count = memory.u32(intset, HEADER.count);
    this.#at = 0;
    if (count === 0) return false;
    const width = memory.u32(intset, HEADER.encoding);
    return width === 8 ? this.#searchWide(intset, count, value) : this.#searchSmall(intset, count, width, value.lo | 0);
  }

  #searchSmall(intset: Address, count: number, width: number, value: number): boolean {
    const memory = this.#memory;
    let low = 0, high = count - 1;
    // Integers that come in order are the common case.
    if (value > smallAt(memory, intset, width, high)) low = count;
    while (low <= high) {
      const middle = (low + high) >>> 1, found = smallAt(memory, intset, width, middle);
      if (found === value) {
        this.#at = middle;
        return true;
      }
      if (found < value) low = middle + 1;
      else high = middle - 1;
    }
    this.#at = low;
    return false;
  }

  #searchWide(intset: Address, count: number, value: I64): boolean {
    const memory = this.#memory, { hi, lo } = value;
    let low = 0, high = count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1, at = HEADER.sizeBytes + middle * 8;
      const foundHi = memory.u32(intset, at + 4) | 0, foundLo = memory.u32(intset, at);
      if (foundHi === hi && foundLo === lo) {
        this.#at = middle;
        return true;
      }
      if (foundHi < hi || (foundHi === hi && foundLo < lo)) low = middle + 1;
      else high = middle - 1;
    }
    this.#at = low;
    return false;
  }

  #write(intset: Address, width: number, index: number, value: I64): void {
    const memory = this.#memory, at = HEADER.sizeBytes + index * width;
    if (width === 2) {
      const word = at & ~3, old = memory.u32(intset, word);
      memory.setU32(
        intset,
        word,
        (at & 2) === 0 ? (old & ~0xffff) | (value.lo & 0xffff) : (old & 0xffff) | (value.lo << 16),
      );
      return;
    }
    memory.setU32(intset, at, value.lo);
    if (width === 8) memory.setU32(intset, at + 4, value.hi);
  }

  /** Adds an integer that is wider than the encoding, so smaller or larger than all others. */
  #widen(intset: Address, value: I64, width: number): Address {
    const memory = this.#memory, count = memory.u32(intset, HEADER.count);
    const oldWidth = memory.u32(intset, HEADER.encoding), shift = value.hi < 0 ? 1 : 0;
    const wider = this.#allocator.allocate(HEADER.sizeBytes + (count + 1) * width, OWNER.intset);
    memory.setU32(wider, HEADER.encoding, width);
    memory.setU32(wider, HEADER.count, count + 1);
    this.#write(wider, width, shift === 1 ? 0 : count, value);
    for (let i = 0; i < count; i++) this.#writeSmall(wider, width, i + shift, smallAt(memory, intset, oldWidth, i));
    this.#allocator.free(intset);
    this.changed = true;
    return wider;
  }

  /** Writes an integer of at most 4 bytes in 4 or 8. */
  #writeSmall(intset: Address, width: number, index: number, value: number): void {
    const at = HEADER.sizeBytes + index * width;
    this.#memory.setU32(intset, at, value);
    if (width === 8) this.#memory.setU32(intset, at + 4, value >> 31);
  }

  /** The block, or a larger one with the same content, with room for one more. */
  #grow(intset: Address, count: number, width: number): Address {
    const sizeBytes = HEADER.sizeBytes + (count + 1) * width;
    if (sizeBytes <= this.#allocator.allocatedBytes(intset)) return intset;
    return this.#move(intset, sizeBytes, sizeBytes - width);
  }

  #shrink(intset: Address, sizeBytes: number): Address {
    const allocated = this.#allocator.allocatedBytes(intset);
    if (allocated < SHRINK_BYTES_MIN || sizeBytes * 2 > allocated || this.#memory.snapshotLive) return intset;
    try {
      return this.#move(intset, sizeBytes, sizeBytes);
    } catch (error) {
      // With the arena full it stays where it is: removing must not need memory.
      if (error instanceof OutOfArenaError) return intset;
      throw error;
    }
  }

  #move(intset: Address, sizeBytes: number, usedBytes: number): Address {
    const block = this.#allocator.allocate(sizeBytes, OWNER.intset);
    this.#memory.copy(intset, 0, block, 0, usedBytes);
    this.#allocator.free(intset);
    return block;
  }
}
