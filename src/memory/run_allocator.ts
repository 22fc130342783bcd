/**
 * Hands out runs of 4 KiB units: a two-level segregated fit over free runs, O(1) to take and to give back, with coalescing.
 *
 * All metadata is outside the paged memory, so bookkeeping never causes page copies. Invariants:
 *  - `#length[u]` holds for the first unit of every run, and for the last unit of every free run;
 *  - `#isFree[u]` holds for the first and last unit of every run (inner units are never asked);
 *  - a run never crosses a segment, and two free runs are never neighbours.
 * Unit 0 is never handed out: address 0 means "none".
 */
import { SEGMENTS_MAX, UNIT_BYTES, UNITS_PER_SEGMENT } from "./address.ts";
import type { LiveMemory } from "./live_memory.ts";

const UNITS_MAX = UNITS_PER_SEGMENT * SEGMENTS_MAX;
const SECOND_LEVEL_BITS = 3;
const SECOND_LEVEL = 1 << SECOND_LEVEL_BITS;
const BINS = 32 * SECOND_LEVEL;

export class RunAllocator {
  readonly #memory: LiveMemory;
  readonly #length = new Int32Array(new SharedArrayBuffer(UNITS_MAX * 4));
  readonly #next = new Int32Array(new SharedArrayBuffer(UNITS_MAX * 4));
  readonly #previous = new Int32Array(new SharedArrayBuffer(UNITS_MAX * 4));
  readonly #isFree = new Uint8Array(new SharedArrayBuffer(UNITS_MAX));
  readonly #heads = new Int32Array(BINS).fill(-1);
  readonly #secondLevel = new Uint8Array(32);
  #firstLevel = 0;

  constructor(memory: LiveMemory) {
    this.#memory = memory;
  }

  /** First unit of a run of `units`, or -1 when the arena is full. */
  take(units: number): number {
    if (!this.#memory.makeRoom(units * UNIT_BYTES)) return -1;
    let run = this.#find(units);
    if (run < 0) {
      if (units > UNITS_PER_SEGMENT || !this.#grow()) return -1;
      run = this.#find(units);
      if (run < 0) return -1;
    }
    this.#unlink(run);
    const rest = this.#length[run] - units;
    if (rest > 0) this.#insert(run + units, rest);
    this.#mark(run, units, 0);
    this.#memory.dataBytes += units * UNIT_BYTES;
    return run;
  }

  give(unit: number): void {
    const units = this.#length[unit];
    this.#memory.dataBytes -= units * UNIT_BYTES;
    let first = unit, length = units;
    if (unit % UNITS_PER_SEGMENT !== 0 && this.#isFree[unit - 1] === 1) {
      first = unit - this.#length[unit - 1];
      length += this.#length[unit - 1];
      this.#unlink(first);
    }
    const after = unit + units;
    if (after % UNITS_PER_SEGMENT !== 0 && this.#isFree[after] === 1) {
      length += this.#length[after];
      this.#unlink(after);
    }
    this.#insert(first, length);
    this.#memory.unitsFreed(unit, units, first, length);
  }

  lengthOf(unit: number): number {
    return this.#length[unit];
  }

  #grow(): boolean {
    const segment = this.#memory.addSegment();
    if (segment < 0) return false;
    const first = segment * UNITS_PER_SEGMENT;
    const skip = segment === 0 ? 1 : 0;
    this.#insert(first + skip, UNITS_PER_SEGMENT - skip);
    return true;
  }

  #mark(run: number, units: number, free: number): void {
    this.#length[run] = units, this.#isFree[run] = free;
    this.#length[run + units - 1] = units, this.#isFree[run + units - 1] = free;
  }

  /** A free run of at least `units`: exact bin first, then the smallest larger bin. */
  #find(units: number): number {
    const exact = binOf(units);
    for (let run = this.#heads[exact], tries = 0; run >= 0 && tries < 4; run = this.#next[run], tries++) {
      if (this.#length[run] >= units) return run;
    }
    const level = exact >>> SECOND_LEVEL_BITS;
    const sameLevel = this.#secondLevel[level] & -(2 << (exact & (SECOND_LEVEL - 1)));
    if (sameLevel !== 0) return this.#heads[(level << SECOND_LEVEL_BITS) + lowestBit(sameLevel)];
    const above = level === 31 ? 0 : this.#firstLevel & -(2 << level);
    if (above === 0) return -1;
    const higher = lowestBit(above);
    return this.#heads[(higher << SECOND_LEVEL_BITS) + lowestBit(this.#secondLevel[higher])];
  }

  #insert(run: number, units: number): void {
    this.#mark(run, units, 1);
    const bin = binOf(units), head = this.#heads[bin];
    this.#next[run] = head, this.#previous[run] = -1;
    if (head >= 0) this.#previous[head] = run;
    this.#heads[bin] = run;
    this.#secondLevel[bin >>> SECOND_LEVEL_BITS] |= 1 << (bin & (SECOND_LEVEL - 1));
    this.#firstLevel |= 1 << (bin >>> SECOND_LEVEL_BITS);
  }

  #unlink(run: number): void {
    const bin = binOf(this.#length[run]), next = this.#next[run], previous = this.#previous[run];
    if (next >= 0) this.#previous[next] = previous;
    if (previous >= 0) this.#next[previous] = next;
    else this.#heads[bin] = next;
    if (this.#heads[bin] >= 0) return;
    const level = bin >>> SECOND_LEVEL_BITS;
    this.#secondLevel[level] &= ~(1 << (bin & (SECOND_LEVEL - 1)));
    if (this.#secondLevel[level] === 0) this.#firstLevel &= ~(1 << level);
  }
}

/** Bin of a run length: power of two, then the next three bits. */
function binOf(units: number): number {
  const level = 31 - Math.clz32(units);
  const second = level >= SECOND_LEVEL_BITS
    ? (units >>> (level - SECOND_LEVEL_BITS)) & (SECOND_LEVEL - 1)
    : (units << (SECOND_LEVEL_BITS - level)) & (SECOND_LEVEL - 1);
  return (level << SECOND_LEVEL_BITS) + second;
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
