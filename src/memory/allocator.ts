/**
 * Blocks of paged memory: size classes up to 4 KiB carved from slabs, whole runs of units above.
 *
 * A slab is a run of units that holds blocks of one size class and one owner:
 *   | block 0 | block 1 | …            | block n-1 |     n * size fills the slab exactly
 * Which blocks are taken is a bitmap outside the paged memory (16 words a unit), so neither taking nor giving back a block
 * writes to a page. Invariants: a slab is in the partial list of its (class, owner) exactly when it has a free block;
 * `#freeBlocks` counts the clear bits of its bitmap; bits past the last block are set.
 */
import { assert } from "../base/assert.ts";
import { type Address, SEGMENTS_MAX, UNIT_BYTES, UNIT_GRANULES, UNIT_SHIFT, UNITS_PER_SEGMENT } from "./address.ts";
import type { LiveMemory } from "./live_memory.ts";
import { type Owner, OWNERS_MAX } from "./owner.ts";
import { RunAllocator } from "./run_allocator.ts";

const UNITS_MAX = UNITS_PER_SEGMENT * SEGMENTS_MAX;
/** Bitmap words a unit: 512 granules, one bit each, enough for the smallest class. */
const WORDS_PER_UNIT = UNIT_GRANULES / 32;
export const SMALL_BYTES_MAX = 4096;
const POISON = 0xdd;

/** Block sizes in bytes: every 8 up to 256, then 8 sizes to each doubling. */
export const CLASS_BYTES: readonly number[] = sizeClasses();
const CLASSES = CLASS_BYTES.length;
/** Class of a block by its size in granules. */
const CLASS_OF_GRANULES = classTable();
/** Units of a slab by class: the blocks fill it exactly, and there are at least eight. */
const SLAB_UNITS = CLASS_BYTES.map(slabUnits);
const SLAB_BLOCKS = CLASS_BYTES.map((bytes, cls) => (SLAB_UNITS[cls] * UNIT_BYTES) / bytes);
/** Bitmap words of a slab that stand for blocks. */
const SLAB_WORDS = SLAB_BLOCKS.map((blocks) => Math.ceil(blocks / 32));

/** Memory of one size class (or, with `blockBytes` 0, of the runs above the classes). */
export interface ClassStatistics {
  blockBytes: number;
  blocks: number;
  /** Bytes of slabs, of taken blocks, and of free blocks between them. */
  usedBytes: number;
  liveBytes: number;
  deadBytes: number;
}

/** The arena is full: the write that wanted memory gets Redis's OOM error, everything else goes on. */
export class OutOfArenaError extends Error {
  override name = "OutOfArenaError";
}

export class Allocator {
  readonly #memory: LiveMemory;
  readonly #runs: RunAllocator;
  /** First unit of the slab a unit is in, plus 1; 0 when the unit is in no slab. */
  readonly #slabOf = new Int32Array(new SharedArrayBuffer(UNITS_MAX * 4));
  readonly #bitmap = new Int32Array(new SharedArrayBuffer(UNITS_MAX * WORDS_PER_UNIT * 4));
  readonly #classOf = new Uint8Array(new SharedArrayBuffer(UNITS_MAX));
  readonly #unitOwner = new Uint8Array(new SharedArrayBuffer(UNITS_MAX));
  readonly #freeBlocks = new Uint16Array(new SharedArrayBuffer(UNITS_MAX * 2));
  readonly #hint = new Uint16Array(new SharedArrayBuffer(UNITS_MAX * 2));
  readonly #next = new Int32Array(new SharedArrayBuffer(UNITS_MAX * 4));
  readonly #previous = new Int32Array(new SharedArrayBuffer(UNITS_MAX * 4));
  readonly #partial = new Int32Array(CLASSES * OWNERS_MAX).fill(-1);
  readonly #slabUnitsOfClass = new Float64Array(CLASSES);
  readonly #blocksOfClass = new Float64Array(CLASSES);
  readonly #ownerBytes = new Float64Array(OWNERS_MAX);
  #runCount = 0;
  #runBytes = 0;
  /** Bytes of all taken blocks. */
  liveBytes = 0;

  readonly #poisonFreed: boolean;

  /** With `poisonFreed`, freed blocks are overwritten so that a stale read shows. */
  constructor(memory: LiveMemory, poisonFreed = false) {
    this.#memory = memory;
    this.#poisonFreed = poisonFreed;
    this.#runs = new RunAllocator(memory);
    memory.cow.unitOwner = this.#unitOwner;
  }

  /**
   * A block of at least `sizeBytes`, with undefined content.
   * @throws {OutOfArenaError} when the arena is full; nothing has changed then
   */
  allocate(sizeBytes: number, owner: Owner): Address {
    if (sizeBytes > SMALL_BYTES_MAX) return this.#allocateRun(sizeBytes, owner);
    const cls = CLASS_OF_GRANULES[(sizeBytes + 7) >>> 3];
    const list = cls * OWNERS_MAX + owner;
    let slab = this.#partial[list];
    if (slab < 0) slab = this.#newSlab(cls, owner);
    const bitmap = this.#bitmap, base = slab * WORDS_PER_UNIT;
    let word = this.#hint[slab];
    let free = ~bitmap[base + word];
    while (free === 0) {
      word = word + 1 === SLAB_WORDS[cls] ? 0 : word + 1;
      free = ~bitmap[base + word];
    }
    const bit = 31 - Math.clz32(free & -free);
    bitmap[base + word] |= 1 << bit;
    this.#hint[slab] = word;
    if (--this.#freeBlocks[slab] === 0) this.#unlink(slab, list);
    const blockBytes = CLASS_BYTES[cls];
    this.liveBytes += blockBytes;
    this.#blocksOfClass[cls]++;
    this.#ownerBytes[owner] += blockBytes;
    return (slab * UNIT_GRANULES + ((word << 5) + bit) * (blockBytes >>> 3)) as Address;
  }

  free(address: Address): void {
    if (this.#poisonFreed) this.#memory.fill(address, 0, POISON, this.allocatedBytes(address));
    const unit = address >>> UNIT_SHIFT;
    const slab = this.#slabOf[unit] - 1;
    if (slab < 0) return this.#freeRun(address, unit);
    const cls = this.#classOf[slab], owner = this.#unitOwner[slab];
    const blockBytes = CLASS_BYTES[cls];
    const index = ((address - slab * UNIT_GRANULES) / (blockBytes >>> 3)) | 0;
    const word = slab * WORDS_PER_UNIT + (index >>> 5), mask = 1 << (index & 31);
    assert((this.#bitmap[word] & mask) !== 0, "a block is freed once");
    this.#bitmap[word] &= ~mask;
    this.liveBytes -= blockBytes;
    this.#blocksOfClass[cls]--;
    this.#ownerBytes[owner] -= blockBytes;
    const list = cls * OWNERS_MAX + owner;
    const free = ++this.#freeBlocks[slab];
    if ((index >>> 5) < this.#hint[slab]) this.#hint[slab] = index >>> 5;
    if (free === 1) this.#link(slab, list);
    else if (free === SLAB_BLOCKS[cls]) this.#dropSlab(slab, cls, list);
  }

  /** Bytes the block really takes. */
  allocatedBytes(address: Address): number {
    const unit = address >>> UNIT_SHIFT;
    const slab = this.#slabOf[unit] - 1;
    return slab < 0 ? this.#runs.lengthOf(unit) * UNIT_BYTES : CLASS_BYTES[this.#classOf[slab]];
  }

  /** Bytes a block for `sizeBytes` would take. */
  sizeFor(sizeBytes: number): number {
    if (sizeBytes > SMALL_BYTES_MAX) return Math.ceil(sizeBytes / UNIT_BYTES) * UNIT_BYTES;
    return CLASS_BYTES[CLASS_OF_GRANULES[(sizeBytes + 7) >>> 3]];
  }

  /** True when the bytes lie within one taken block that starts at `address`; for the debug mode. */
  isTaken(address: Address, endBytes: number): boolean {
    const unit = address >>> UNIT_SHIFT;
    const slab = this.#slabOf[unit] - 1;
    if (slab < 0) {
      return this.#unitOwner[unit] !== 0 && (address & (UNIT_GRANULES - 1)) === 0 &&
        endBytes <= this.#runs.lengthOf(unit) * UNIT_BYTES;
    }
    const blockBytes = CLASS_BYTES[this.#classOf[slab]];
    const index = (address - slab * UNIT_GRANULES) / (blockBytes >>> 3);
    if (index !== Math.floor(index) || endBytes > blockBytes) return false;
    return (this.#bitmap[slab * WORDS_PER_UNIT + (index >>> 5)] & (1 << (index & 31))) !== 0;
  }

  ownerOf(address: Address): Owner {
    return this.#unitOwner[address >>> UNIT_SHIFT] as Owner;
  }

  ownerBytes(owner: Owner): number {
    return this.#ownerBytes[owner];
  }

  /** Bytes of slabs and runs: what the arena has given out, dead blocks included. */
  get usedBytes(): number {
    return this.#memory.dataBytes;
  }

  statistics(): ClassStatistics[] {
    const rows: ClassStatistics[] = [];
    for (let cls = 0; cls < CLASSES; cls++) {
      const usedBytes = this.#slabUnitsOfClass[cls] * UNIT_BYTES;
      if (usedBytes === 0) continue;
      const blocks = this.#blocksOfClass[cls], blockBytes = CLASS_BYTES[cls];
      rows.push({
        blockBytes,
        blocks,
        usedBytes,
        liveBytes: blocks * blockBytes,
        deadBytes: usedBytes - blocks * blockBytes,
      });
    }
    if (this.#runCount > 0) {
      rows.push({
        blockBytes: 0,
        blocks: this.#runCount,
        usedBytes: this.#runBytes,
        liveBytes: this.#runBytes,
        deadBytes: 0,
      });
    }
    return rows;
  }

  #allocateRun(sizeBytes: number, owner: Owner): Address {
    const units = Math.ceil(sizeBytes / UNIT_BYTES);
    const unit = this.#runs.take(units);
    if (unit < 0) throw new OutOfArenaError(`Cannot allocate ${sizeBytes} bytes: the arena is full, raise arena-max`);
    this.#unitOwner.fill(owner, unit, unit + units);
    this.liveBytes += units * UNIT_BYTES;
    this.#ownerBytes[owner] += units * UNIT_BYTES;
    this.#runCount++, this.#runBytes += units * UNIT_BYTES;
    return (unit * UNIT_GRANULES) as Address;
  }

  #freeRun(address: Address, unit: number): void {
    const owner = this.#unitOwner[unit];
    assert(owner !== 0 && (address & (UNIT_GRANULES - 1)) === 0, "a block is freed once");
    const units = this.#runs.lengthOf(unit);
    this.liveBytes -= units * UNIT_BYTES;
    this.#ownerBytes[owner] -= units * UNIT_BYTES;
    this.#runCount--, this.#runBytes -= units * UNIT_BYTES;
    this.#unitOwner.fill(0, unit, unit + units);
    this.#runs.give(unit);
  }

  #newSlab(cls: number, owner: Owner): number {
    const units = SLAB_UNITS[cls];
    const slab = this.#runs.take(units);
    if (slab < 0) {
      throw new OutOfArenaError(`Cannot allocate ${CLASS_BYTES[cls]} bytes: the arena is full, raise arena-max`);
    }
    const blocks = SLAB_BLOCKS[cls], base = slab * WORDS_PER_UNIT, words = SLAB_WORDS[cls];
    this.#bitmap.fill(0, base, base + words);
    if ((blocks & 31) !== 0) this.#bitmap[base + words - 1] = -1 << (blocks & 31);
    for (let unit = slab; unit < slab + units; unit++) this.#slabOf[unit] = slab + 1, this.#unitOwner[unit] = owner;
    this.#classOf[slab] = cls;
    this.#freeBlocks[slab] = blocks;
    this.#hint[slab] = 0;
    this.#slabUnitsOfClass[cls] += units;
    this.#link(slab, cls * OWNERS_MAX + owner);
    return slab;
  }

  /** Gives an empty slab back, unless it is the only one with room: that one is kept to damp flapping. */
  #dropSlab(slab: number, cls: number, list: number): void {
    if (this.#partial[list] === slab && this.#next[slab] < 0) return;
    this.#unlink(slab, list);
    const units = SLAB_UNITS[cls];
    for (let unit = slab; unit < slab + units; unit++) this.#slabOf[unit] = 0, this.#unitOwner[unit] = 0;
    this.#slabUnitsOfClass[cls] -= units;
    this.#runs.give(slab);
  }

  #link(slab: number, list: number): void {
    const head = this.#partial[list];
    this.#next[slab] = head, this.#previous[slab] = -1;
    if (head >= 0) this.#previous[head] = slab;
    this.#partial[list] = slab;
  }

  #unlink(slab: number, list: number): void {
    const next = this.#next[slab], previous = this.#previous[slab];
    if (next >= 0) this.#previous[next] = previous;
    if (previous >= 0) this.#next[previous] = next;
    else this.#partial[list] = next;
  }
}

function sizeClasses(): number[] {
  const sizes: number[] = [];
  for (let size = 8; size <= 256; size += 8) sizes.push(size);
  for (let power = 256; power < SMALL_BYTES_MAX; power *= 2) {
    for (let eighth = 1; eighth <= 8; eighth++) sizes.push(power + (power / 8) * eighth);
  }
  return sizes;
}

function classTable(): Uint8Array {
  const table = new Uint8Array(SMALL_BYTES_MAX / 8 + 1);
  for (let granules = 0, cls = 0; granules < table.length; granules++) {
    while (CLASS_BYTES[cls] < granules * 8) cls++;
    table[granules] = cls;
  }
  return table;
}

function slabUnits(blockBytes: number): number {
  let units = 1;
  while ((units * UNIT_BYTES) % blockBytes !== 0 || (units * UNIT_BYTES) / blockBytes < 8) units++;
  return units;
}
