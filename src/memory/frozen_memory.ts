/**
 * The frozen image of the paged memory, as the snapshot Worker reads it while the main thread goes on writing.
 *
 * Reading is a seqlock per page, at the granularity of a line (256 B):
 *   1. copy the line from the live page into a private cache;
 *   2. read the page's slot in the frame table with a read-modify-write;
 *   3. a frame was published: the copy may be torn or late, take the line from the frame instead. A frame never changes.
 * The main thread publishes the frame (Atomics.exchange) before its first store to the page, so a copy that saw any such
 * store also sees the frame. Both sides use read-modify-writes because a plain sequentially consistent store does not
 * keep later plain stores from being seen first on ARM.
 *
 * Never writes to the paged memory.
 */
import { type Address, GRANULE_MASK, SEGMENT_SHIFT } from "./address.ts";
import type { MemoryReader } from "./reader.ts";
import { CONTROL, SnapshotAbortedError, type SnapshotImage } from "./snapshot_image.ts";

const LINE_SHIFT = 8;
const LINE_BYTES = 1 << LINE_SHIFT;
const LINE_MASK = LINE_BYTES - 1;
const LINE_GRANULE_SHIFT = LINE_SHIFT - 3;
const LINE_GRANULE_MASK = (1 << LINE_GRANULE_SHIFT) - 1;
/** From this many bytes on a copy goes straight to its target. */
const DIRECT_BYTES_MIN = 256;
/** The same in words of 4 bytes, which lines are copied by. */
const LINE_WORD_SHIFT = LINE_SHIFT - 2;
const LINE_WORDS = 1 << LINE_WORD_SHIFT;
const LINES = 4096;
/** Lines per segment is 2^22, so a line number fits an int32. */
const SEGMENT_LINE_SHIFT = 30 - LINE_SHIFT;
const SEGMENT_LINE_MASK = (1 << SEGMENT_LINE_SHIFT) - 1;
const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Uint32Array(0);

export class FrozenMemory implements MemoryReader {
  readonly #segments: Uint8Array[];
  readonly #words: Uint32Array[];
  readonly #frameTable: Int32Array;
  readonly #control: Int32Array;
  readonly #pageShift: number;
  readonly #pageLineShift: number;
  readonly #lineNumbers = new Int32Array(LINES).fill(-1);
  readonly #lines8: Uint8Array;
  readonly #lines32: Uint32Array;
  readonly #scratch8 = new Uint8Array(8);
  readonly #scratchF64 = new Float64Array(this.#scratch8.buffer);

  constructor(image: SnapshotImage) {
    this.#segments = image.segments.map((segment) => segment === null ? NO_BYTES : new Uint8Array(segment));
    this.#words = image.segments.map((segment) => segment === null ? NO_WORDS : new Uint32Array(segment));
    this.#frameTable = new Int32Array(image.frameTable);
    this.#control = new Int32Array(image.control);
    this.#pageShift = 31 - Math.clz32(image.pageBytes);
    this.#pageLineShift = this.#pageShift - LINE_SHIFT;
    const lines = new ArrayBuffer(LINES * LINE_BYTES);
    this.#lines8 = new Uint8Array(lines);
    this.#lines32 = new Uint32Array(lines);
  }

  u8(address: Address, offsetBytes: number): number {
    return this.#lines8[this.#place(address, offsetBytes)];
  }

  u32(address: Address, offsetBytes: number): number {
    return this.#lines32[this.#place(address, offsetBytes) >>> 2];
  }

  u64(address: Address, offsetBytes: number): number {
    return this.u32(address, offsetBytes + 4) * 0x100000000 + this.u32(address, offsetBytes);
  }

  f64(address: Address, offsetBytes: number): number {
    this.copyOut(address, offsetBytes, this.#scratch8, 0, 8);
    return this.#scratchF64[0];
  }

  copyOut(address: Address, offsetBytes: number, target: Uint8Array, targetBytes: number, lengthBytes: number): void {
    let offset = offsetBytes, at = targetBytes, left = lengthBytes;
    while (left > 0) {
      const lineLeft = LINE_BYTES - ((((address & LINE_GRANULE_MASK) << 3) + offset) & LINE_MASK);
      if (left >= DIRECT_BYTES_MIN) {
        const done = this.#copyWithinPage(address, offset, target, at, left);
        offset += done, at += done, left -= done;
        continue;
      }
      const step = lineLeft < left ? lineLeft : left;
      let from = this.#place(address, offset);
      const lines8 = this.#lines8;
      for (let i = 0; i < step; i++) target[at++] = lines8[from++];
      offset += step, left -= step;
    }
  }

  equals(address: Address, offsetBytes: number, other: Uint8Array, otherBytes: number, lengthBytes: number): boolean {
    for (let i = 0; i < lengthBytes; i++) {
      if (this.u8(address, offsetBytes + i) !== other[otherBytes + i]) return false;
    }
    return true;
  }

  /** Throws when the image can no longer be trusted or the save was cancelled. */
  checkUsable(): void {
    if (Atomics.load(this.#control, CONTROL.aborted) !== 0) {
      throw new SnapshotAbortedError("the copy-on-write budget or the arena ran out");
    }
    if (Atomics.load(this.#control, CONTROL.cancel) !== 0) throw new SnapshotAbortedError("the save was cancelled");
  }

  /** Index into the line cache of a byte of a block; loads the line when it is not there. */
  #place(address: Address, offsetBytes: number): number {
    const byte = ((address & LINE_GRANULE_MASK) << 3) + offsetBytes;
    const line = ((address >>> LINE_GRANULE_SHIFT) + (byte >>> LINE_SHIFT)) | 0;
    const slot = line & (LINES - 1);
    if (this.#lineNumbers[slot] !== line) this.#load(line, slot);
    return (slot << LINE_SHIFT) + (byte & LINE_MASK);
  }

  #load(line: number, slot: number): void {
    this.#lineNumbers[slot] = -1;
    const from = (line & SEGMENT_LINE_MASK) << LINE_WORD_SHIFT;
    const source = this.#words[line >>> SEGMENT_LINE_SHIFT];
    const at = slot << LINE_WORD_SHIFT;
    const lines32 = this.#lines32;
    for (let i = 0; i < LINE_WORDS; i++) lines32[at + i] = source[from + i];
    const frame = Atomics.compareExchange(this.#frameTable, line >>> this.#pageLineShift, 0, 0);
    if (frame !== 0) this.#loadFromFrame(frame, line, at);
    if (Atomics.load(this.#control, CONTROL.aborted) !== 0) this.checkUsable();
    this.#lineNumbers[slot] = line;
  }

  #loadFromFrame(frame: number, line: number, at: number): void {
    const framesPerSegmentShift = 30 - this.#pageShift;
    const source = this.#words[frame >>> framesPerSegmentShift];
    const frameLine = (frame & ((1 << framesPerSegmentShift) - 1)) << this.#pageLineShift;
    const from = (frameLine + (line & ((1 << this.#pageLineShift) - 1))) << LINE_WORD_SHIFT;
    const lines32 = this.#lines32;
    for (let i = 0; i < LINE_WORDS; i++) lines32[at + i] = source[from + i];
  }

  /** Copies straight to the target, up to the end of the page; returns how many bytes. */
  #copyWithinPage(address: Address, offset: number, target: Uint8Array, at: number, left: number): number {
    const byteInSegment = ((address & GRANULE_MASK) << 3) + offset;
    const inPage = byteInSegment & ((1 << this.#pageShift) - 1);
    const step = Math.min(left, (1 << this.#pageShift) - inPage);
    const segment = address >>> SEGMENT_SHIFT;
    target.set(this.#segments[segment].subarray(byteInSegment, byteInSegment + step), at);
    const page = (segment << (30 - this.#pageShift)) + (byteInSegment >>> this.#pageShift);
    const frame = Atomics.compareExchange(this.#frameTable, page, 0, 0);
    if (frame !== 0) {
      const shift = 30 - this.#pageShift;
      const from = (frame & ((1 << shift) - 1)) * 2 ** this.#pageShift + inPage;
      target.set(this.#segments[frame >>> shift].subarray(from, from + step), at);
    }
    this.checkUsable();
    return step;
  }
}
