/**
 * The live view of the paged memory: segments, page table, epochs, and the write barrier. Main thread only.
 *
 * Invariants
 *  - Every store goes through a method of this class, and each of them calls the barrier for the page it is about to touch.
 *  - `pageEpoch[p]` is the epoch in which p was last made writable; 0 means that no frozen image can need p: it was never
 *    written, or it became wholly free and no live snapshot needs more of it than it has copied.
 *  - While a snapshot is live, a page of the frozen image is copied into a frame and the frame published, before its first store.
 *  - A frame is never written again before the snapshot ends. Frames live in segments of their own, so data and frames never mix.
 *
 * It never allocates blocks (`Allocator` does) and knows nothing of structures.
 */
import { assert } from "../base/assert.ts";
import {
  type Address,
  GRANULE_MASK,
  PAGE_BYTES_MAX,
  PAGE_BYTES_MIN,
  SEGMENT_BYTES,
  SEGMENT_SHIFT,
  SEGMENTS_MAX,
  UNIT_BYTES,
} from "./address.ts";
import { CowTracker } from "./cow_tracker.ts";
import { FramePool } from "./frame_pool.ts";
import { PageChanges } from "./page_changes.ts";
import type { MemoryReader } from "./reader.ts";
import { CONTROL, type SnapshotImage } from "./snapshot_image.ts";

export interface MemoryOptions {
  /** All of data and frames together, in bytes. */
  arenaMaxBytes: number;
  /** A power of two, 512 B to 2 MiB. */
  pageBytes: number;
}

/** Slots of a frame table that an ended snapshot used and that are not zero again yet. */
interface StaleFrames {
  readonly table: Int32Array;
  readonly pages: Int32Array;
  left: number;
}

/** How many states `pageState` tells apart. */
export const PAGE_STATES = 4;

/** What a page costs while it is clean: its epoch, and its slots in the two frame tables. */
export const PAGE_TABLE_BYTES = 12;

const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Uint32Array(0);
const NO_DOUBLES = new Float64Array(0);
const ARENA_FULL = "data and before-images fill the arena";
const FRAMES_USED_UP = "the frames that cow-max-bytes and arena-max allowed at the start are used up";
/** Below this many bytes a loop beats the call into the copying builtin and its view object. */
const SMALL_COPY_BYTES = 48;

/** Unaligned copies from this size on are made by words, so many bytes (a multiple of 8) at a time. */
const STAGED_BYTES_MIN = 256;
const STAGING_BYTES = 16 * 1024;

/** An Int32Array over lazily committed memory: untouched entries cost nothing. */
function lazyInt32(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * 4));
}

export class LiveMemory implements MemoryReader {
  readonly pageBytes: number;
  readonly arenaMaxBytes: number;
  /** Address >>> pageAddressShift is the page number. */
  readonly pageAddressShift: number;
  /** Pages that the whole address space has. */
  readonly pagesMax: number;
  readonly cow: CowTracker = new CowTracker();
  readonly changes: PageChanges = new PageChanges();
  /** One more than the highest page that was ever written: no page from here on has had data. */
  pagesTouched = 0;
  /** Called when the frames ran out or the budget is spent: the save must fail, writes go on. */
  onSnapshotAborted: (reason: string) => void = () => {};

  readonly #bytes: Uint8Array[] = [];
  readonly #words: Uint32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  readonly #segments: (SharedArrayBuffer | null)[] = [];
  readonly #pageEpoch: Int32Array;
  /** Two, used in turn: the one of the last snapshot is wiped in slices while the other serves. */
  readonly #frameTables: [Int32Array, Int32Array];
  #frameTable: Int32Array;
  readonly #stale: StaleFrames[] = [];
  #epoch = 1;
  #snapshotLive = false;
  #frames: FramePool | null = null;
  readonly #spareFrames: SharedArrayBuffer[] = [];
  /** Bytes that are committed for frames although no snapshot uses them now. */
  spareFrameBytes = 0;
  #control = new Int32Array(new SharedArrayBuffer(CONTROL.words * 4));
  #dataSegments = 0;
  #copiedPages = new Int32Array(1024);
  #copiedCount = 0;
  readonly #staging = new Uint8Array(STAGING_BYTES + 8);
  readonly #pageShift: number;
  /** Bytes of the arena that blocks occupy, kept by the allocator: what a new segment or frame may still take depends on it. */
  dataBytes = 0;

  constructor(options: MemoryOptions) {
    const { pageBytes, arenaMaxBytes } = options;
    assert(
      pageBytes >= PAGE_BYTES_MIN && pageBytes <= PAGE_BYTES_MAX && (pageBytes & (pageBytes - 1)) === 0,
      "page size is a power of two from 512 B to 2 MiB",
    );
    this.pageBytes = pageBytes;
    this.arenaMaxBytes = Math.min(arenaMaxBytes, SEGMENT_BYTES * SEGMENTS_MAX);
    this.#pageShift = 31 - Math.clz32(pageBytes);
    this.pageAddressShift = this.#pageShift - 3;
    this.pagesMax = (SEGMENT_BYTES / pageBytes) * SEGMENTS_MAX;
    this.#pageEpoch = lazyInt32(this.pagesMax);
    this.#frameTables = [lazyInt32(this.pagesMax), lazyInt32(this.pagesMax)];
    this.#frameTable = this.#frameTables[0];
    this.cow.copiedBy = new Uint16Array(new SharedArrayBuffer(this.pagesMax * 2));
    for (let i = 0; i < SEGMENTS_MAX; i++) {
      this.#segments.push(null), this.#bytes.push(NO_BYTES), this.#words.push(NO_WORDS), this.#doubles.push(NO_DOUBLES);
    }
  }

  get epoch(): number {
    return this.#epoch;
  }

  get snapshotLive(): boolean {
    return this.#snapshotLive;
  }

  /** The control block shared with the Worker of the current or last snapshot. */
  get control(): Int32Array {
    return this.#control;
  }

  /** Bytes that frames occupy now. */
  get frameBytes(): number {
    return this.#copiedCount * this.pageBytes;
  }

  // ---- reading -------------------------------------------------------------------------------------------------

  u8(address: Address, offsetBytes: number): number {
    return this.#bytes[address >>> SEGMENT_SHIFT][((address & GRANULE_MASK) << 3) + offsetBytes];
  }

  u32(address: Address, offsetBytes: number): number {
    return this.#words[address >>> SEGMENT_SHIFT][((address & GRANULE_MASK) << 1) + (offsetBytes >> 2)];
  }

  u64(address: Address, offsetBytes: number): number {
    const words = this.#words[address >>> SEGMENT_SHIFT];
    const at = ((address & GRANULE_MASK) << 1) + (offsetBytes >> 2);
    return words[at + 1] * 0x100000000 + words[at];
  }

  f64(address: Address, offsetBytes: number): number {
    return this.#doubles[address >>> SEGMENT_SHIFT][(address & GRANULE_MASK) + (offsetBytes >> 3)];
  }

  copyOut(address: Address, offsetBytes: number, target: Uint8Array, targetBytes: number, lengthBytes: number): void {
    const source = this.#bytes[address >>> SEGMENT_SHIFT];
    const from = ((address & GRANULE_MASK) << 3) + offsetBytes;
    if (lengthBytes > SMALL_COPY_BYTES) {
      if (lengthBytes < STAGED_BYTES_MIN || ((from - target.byteOffset - targetBytes) & 7) === 0) {
        target.set(source.subarray(from, from + lengthBytes), targetBytes);
      } else this.#move(source, from, target, targetBytes, lengthBytes);
      return;
    }
    for (let i = 0; i < lengthBytes; i++) target[targetBytes + i] = source[from + i];
  }

  equals(address: Address, offsetBytes: number, other: Uint8Array, otherBytes: number, lengthBytes: number): boolean {
    const bytes = this.#bytes[address >>> SEGMENT_SHIFT];
    const from = ((address & GRANULE_MASK) << 3) + offsetBytes;
    // From the end: keys of one chain mostly share how they begin.
    for (let i = lengthBytes - 1; i >= 0; i--) {
      if (bytes[from + i] !== other[otherBytes + i]) return false;
    }
    return true;
  }

  /** The segment that holds a block, for code that hashes or encodes bytes in place. Read only: stores go through this class. */
  bytesOf(address: Address): Uint8Array {
    return this.#bytes[address >>> SEGMENT_SHIFT];
  }

  /** Where a block starts in `bytesOf(address)`. */
  placeOf(address: Address): number {
    return (address & GRANULE_MASK) << 3;
  }

  /** The words of the segment that holds a block, and the block's first among them: for look-ups that read several. Read only. */
  wordsOf(address: Address): Uint32Array {
    return this.#words[address >>> SEGMENT_SHIFT];
  }

  wordOf(address: Address): number {
    return (address & GRANULE_MASK) << 1;
  }

  /** Likewise its doubles; `doubleOf` is where the block starts among them. */
  doublesOf(address: Address): Float64Array {
    return this.#doubles[address >>> SEGMENT_SHIFT];
  }

  doubleOf(address: Address): number {
    return address & GRANULE_MASK;
  }

  // ---- writing: barrier, then store ----------------------------------------------------------------------------

  setU8(address: Address, offsetBytes: number, value: number): void {
    this.#touch(address, offsetBytes);
    this.#bytes[address >>> SEGMENT_SHIFT][((address & GRANULE_MASK) << 3) + offsetBytes] = value;
  }

  setU32(address: Address, offsetBytes: number, value: number): void {
    this.#touch(address, offsetBytes);
    this.#words[address >>> SEGMENT_SHIFT][((address & GRANULE_MASK) << 1) + (offsetBytes >> 2)] = value;
  }

  setU64(address: Address, offsetBytes: number, value: number): void {
    const high = Math.floor(value / 0x100000000);
    this.setU32(address, offsetBytes, value - high * 0x100000000);
    this.setU32(address, offsetBytes + 4, high);
  }

  setF64(address: Address, offsetBytes: number, value: number): void {
    this.#touch(address, offsetBytes);
    this.#doubles[address >>> SEGMENT_SHIFT][(address & GRANULE_MASK) + (offsetBytes >> 3)] = value;
  }

  copyIn(address: Address, offsetBytes: number, source: Uint8Array, sourceBytes: number, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    this.#touchRange(address, offsetBytes, lengthBytes);
    const target = this.#bytes[address >>> SEGMENT_SHIFT];
    const to = ((address & GRANULE_MASK) << 3) + offsetBytes;
    if (lengthBytes > SMALL_COPY_BYTES) {
      if (lengthBytes < STAGED_BYTES_MIN || ((to - source.byteOffset - sourceBytes) & 7) === 0) {
        target.set(source.subarray(sourceBytes, sourceBytes + lengthBytes), to);
      } else this.#move(source, sourceBytes, target, to, lengthBytes);
      return;
    }
    for (let i = 0; i < lengthBytes; i++) target[to + i] = source[sourceBytes + i];
  }

  /** Copies between blocks, or within one (overlap allowed). */
  copy(from: Address, fromBytes: number, to: Address, toBytes: number, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    this.#touchRange(to, toBytes, lengthBytes);
    const source = this.#bytes[from >>> SEGMENT_SHIFT];
    const target = this.#bytes[to >>> SEGMENT_SHIFT];
    const start = ((from & GRANULE_MASK) << 3) + fromBytes;
    const at = ((to & GRANULE_MASK) << 3) + toBytes;
    if (((at - start) & 7) !== 0 && lengthBytes >= STAGED_BYTES_MIN) this.#move(source, start, target, at, lengthBytes);
    else if (source === target) target.copyWithin(at, start, start + lengthBytes);
    else target.set(source.subarray(start, start + lengthBytes), at);
  }

  /**
   * Copies bytes whose places in their words differ. V8 copies those one by one from or to shared memory, so they go through memory that is
   * not, where they are shifted: from there and to there whole words are copied.
   */
  #move(source: Uint8Array, start: number, target: Uint8Array, at: number, lengthBytes: number): void {
    const staging = this.#staging, before = (source.byteOffset + start) & 7, after = (target.byteOffset + at) & 7;
    for (let done = 0, step = 0; done < lengthBytes; done += step) {
      step = Math.min(lengthBytes - done, STAGING_BYTES);
      // Where both ranges overlap, what would be overwritten goes first.
      const offset = at < start ? done : lengthBytes - done - step;
      staging.set(source.subarray(start + offset, start + offset + step), before);
      staging.copyWithin(after, before, before + step);
      target.set(staging.subarray(after, after + step), at + offset);
    }
  }

  fill(address: Address, offsetBytes: number, value: number, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    this.#touchRange(address, offsetBytes, lengthBytes);
    const at = ((address & GRANULE_MASK) << 3) + offsetBytes;
    this.#bytes[address >>> SEGMENT_SHIFT].fill(value, at, at + lengthBytes);
  }

  #touch(address: Address, offsetBytes: number): void {
    const page = (address + (offsetBytes >>> 3)) >>> this.pageAddressShift;
    if (this.#pageEpoch[page] !== this.#epoch) this.#firstTouch(page, address);
  }

  #touchRange(address: Address, offsetBytes: number, lengthBytes: number): void {
    const shift = this.pageAddressShift, epoch = this.#epoch;
    const last = (address + ((offsetBytes + lengthBytes - 1) >>> 3)) >>> shift;
    for (let page = (address + (offsetBytes >>> 3)) >>> shift; page <= last; page++) {
      if (this.#pageEpoch[page] !== epoch) this.#firstTouch(page, address);
    }
  }

  #firstTouch(page: number, address: Address): void {
    const previous = this.#pageEpoch[page];
    if (previous !== 0 && this.#snapshotLive) this.#copyPage(page, address);
    this.#pageEpoch[page] = this.#epoch;
    if (page >= this.pagesTouched) this.pagesTouched = page + 1;
    this.changes.record(page);
  }

  // ---- segments ------------------------------------------------------------------------------------------------

  /** Adds a data segment and returns its number, or -1 when the address space is used up. */
  addSegment(): number {
    const number = this.#segments.indexOf(null);
    if (number < 0) return -1;
    this.#install(number, new SharedArrayBuffer(SEGMENT_BYTES));
    this.#dataSegments++;
    return number;
  }

  #install(number: number, buffer: SharedArrayBuffer | null): void {
    this.#segments[number] = buffer;
    this.#bytes[number] = buffer === null ? NO_BYTES : new Uint8Array(buffer);
    this.#words[number] = buffer === null ? NO_WORDS : new Uint32Array(buffer);
    this.#doubles[number] = buffer === null ? NO_DOUBLES : new Float64Array(buffer);
  }

  /**
   * Data is about to take `bytes` more; false when the arena is full. Data goes before frames: when only both together are too much,
   * the live snapshot is given up, as no write is refused for the sake of a save.
   */
  makeRoom(bytes: number): boolean {
    const wanted = this.dataBytes + bytes;
    if (wanted > this.arenaMaxBytes) return false;
    if (this.#snapshotLive && wanted + this.frameBytes > this.arenaMaxBytes) this.#abortSnapshot(ARENA_FULL);
    return true;
  }

  /**
   * Tells that nothing lives in these units any more, nor in the free run that they are now part of: no later snapshot needs the pages
   * that are wholly free by that.
   */
  unitsFreed(firstUnit: number, units: number, runFirst: number, runUnits: number): void {
    const perPage = this.pageBytes / UNIT_BYTES;
    const first = Math.max(Math.floor(firstUnit / perPage), Math.ceil(runFirst / perPage));
    const end = Math.min(Math.ceil((firstUnit + units) / perPage), Math.floor((runFirst + runUnits) / perPage));
    const pageEpoch = this.#pageEpoch;
    for (let page = first; page < end; page++) this.changes.record(page);
    if (!this.#snapshotLive) {
      for (let page = first; page < end; page++) pageEpoch[page] = 0;
      return;
    }
    for (let page = first; page < end; page++) if (pageEpoch[page] === this.#epoch) pageEpoch[page] = 0;
  }

  // ---- snapshots -----------------------------------------------------------------------------------------------

  /**
   * Freezes the memory as it is now: O(1) in the size of the data (frame segments are reserved, not touched).
   * `budgetBytes` limits what before-images may take (0: only the arena limits them).
   */
  freeze(budgetBytes: number): SnapshotImage {
    assert(this.#frames === null, "one snapshot at a time, and an aborted one is ended first");
    this.#frameTable = this.#frameTables[0] === this.#frameTable ? this.#frameTables[1] : this.#frameTables[0];
    while (this.#stale.some((one) => one.table === this.#frameTable)) this.wipeStaleFrames(1 << 20);
    this.#epoch++;
    this.#control = new Int32Array(new SharedArrayBuffer(CONTROL.words * 4));
    this.#frames = this.#reserveFrames(budgetBytes);
    this.#copiedCount = 0;
    this.#snapshotLive = true;
    this.cow.begin(this.pageBytes, Math.ceil(this.dataBytes / this.pageBytes), this.dataBytes);
    return {
      segments: [...this.#segments],
      frameTable: this.#frameTable.buffer as SharedArrayBuffer,
      control: this.#control.buffer as SharedArrayBuffer,
      pageBytes: this.pageBytes,
    };
  }

  /** Ends the live snapshot: its frames go back in one step, and their segments wait for the next one (or for `releaseSpareFrames`). */
  endSnapshot(): void {
    assert(this.#frames !== null, "a snapshot is live or aborted");
    this.#snapshotLive = false;
    this.#stale.push({ table: this.#frameTable, pages: this.#copiedPages, left: this.#copiedCount });
    this.#copiedPages = new Int32Array(1024);
    this.#copiedCount = 0;
    for (const number of this.#frames.segmentNumbers) {
      this.#spareFrames.push(this.#segments[number]!);
      this.#install(number, null);
    }
    this.spareFrameBytes = Math.max(this.spareFrameBytes, this.#frames.takenFrames * this.pageBytes);
    this.#frames = null;
    this.cow.end();
  }

  /**
   * Lets go of the segments that the last snapshot's frames were in. Their memory goes back to the operating system once the garbage
   * collector has run here and in the Worker: the caller sees to that.
   */
  releaseSpareFrames(): void {
    this.#spareFrames.length = 0;
    this.spareFrameBytes = 0;
  }

  /** Wipes up to `pagesMax` slots that an ended snapshot left in its frame table; the cron calls it, so ending is O(1). */
  wipeStaleFrames(pagesMax: number): void {
    const stale = this.#stale[0];
    if (stale === undefined) return;
    const until = Math.max(0, stale.left - pagesMax);
    for (let i = until; i < stale.left; i++) stale.table[stale.pages[i]] = 0;
    stale.left = until;
    if (until === 0) this.#stale.shift();
  }

  /** State of a page for the page map: 0 untouched or free, 1 writable (clean), 2 frozen and shared, 3 copied. */
  pageState(page: number): number {
    const epoch = this.#pageEpoch[page];
    if (epoch === 0) return 0;
    if (!this.#snapshotLive) return 1;
    return this.#frameTable[page] !== 0 ? 3 : epoch === this.#epoch ? 1 : 2;
  }

  /**
   * Cell of a page for the page map: its state, and times `PAGE_STATES` the owner of its first unit that has one. A page smaller than a
   * unit has the owner of its unit.
   */
  pageCell(page: number): number {
    const { unitOwner } = this.cow, first = Math.floor((page * this.pageBytes) / UNIT_BYTES);
    const last = Math.floor(((page + 1) * this.pageBytes - 1) / UNIT_BYTES);
    let unit = first;
    while (unit < last && unitOwner[unit] === 0) unit++;
    return this.pageState(page) + PAGE_STATES * unitOwner[unit];
  }

  #reserveFrames(budgetBytes: number): FramePool {
    const roomBytes = Math.max(0, this.arenaMaxBytes - this.dataBytes);
    let framesMax = Math.floor(roomBytes / this.pageBytes);
    if (budgetBytes > 0) framesMax = Math.min(framesMax, Math.floor(budgetBytes / this.pageBytes));
    const framesPerSegment = SEGMENT_BYTES / this.pageBytes;
    // Every page that exists now can be copied at most once; partly used pages at both ends of runs are in the slack.
    const framesWanted = Math.min(framesMax, (this.#dataSegments * SEGMENT_BYTES) / this.pageBytes);
    const numbers: number[] = [];
    for (let reserved = 0; reserved < framesWanted; reserved += framesPerSegment) {
      const number = this.#segments.lastIndexOf(null);
      if (number < 0) break;
      // The same segments in the same order: what earlier snapshots touched is used again before anything new is.
      this.#install(number, this.#spareFrames.shift() ?? new SharedArrayBuffer(SEGMENT_BYTES));
      numbers.push(number);
    }
    return new FramePool(numbers, framesPerSegment, Math.min(framesMax, numbers.length * framesPerSegment));
  }

  #copyPage(page: number, address: Address): void {
    if (this.dataBytes + this.frameBytes + this.pageBytes > this.arenaMaxBytes) return this.#abortSnapshot(ARENA_FULL);
    const frame = this.#frames!.take();
    if (frame < 0) return this.#abortSnapshot(FRAMES_USED_UP);
    const perSegment = 30 - this.#pageShift;
    const mask = (1 << perSegment) - 1;
    const from = (page & mask) * this.pageBytes;
    const source = this.#bytes[page >>> perSegment];
    this.#bytes[frame >>> perSegment].set(
      source.subarray(from, from + this.pageBytes),
      (frame & mask) * this.pageBytes,
    );
    Atomics.exchange(this.#frameTable, page, frame);
    if (this.#copiedCount === this.#copiedPages.length) this.#growCopied();
    this.#copiedPages[this.#copiedCount++] = page;
    this.cow.copied(page, address);
  }

  #growCopied(): void {
    const larger = new Int32Array(this.#copiedPages.length * 2);
    larger.set(this.#copiedPages);
    this.#copiedPages = larger;
  }

  #abortSnapshot(reason: string): void {
    // The Worker must see this before it can see any store that follows without a before-image.
    Atomics.exchange(this.#control, CONTROL.aborted, 1);
    this.#snapshotLive = false;
    this.cow.aborted = true;
    this.onSnapshotAborted(reason);
  }
}
