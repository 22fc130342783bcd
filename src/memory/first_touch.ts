/**
 * Makes pages resident before the main thread stores to them. The operating system commits memory at the first store to each page, which
 * takes it longer than the store of a small entry; while a large file is loaded, a thread of its own takes that time, a little ahead of
 * the allocator. It changes no byte: it adds zero bits atomically, so it does not matter who comes first.
 *
 * Shared control word: the units that the data takes so far (it fills the segments from the first on), or FINISHED.
 */
import { SEGMENT_BYTES, UNIT_BYTES } from "./address.ts";

export const FINISHED = -1;
/** How far ahead: a bit more than what is stored until this thread wakes up. */
const AHEAD_BYTES = 8 << 20;
/** What the operating system commits at once, at least. */
const SYSTEM_PAGE_BYTES = 4096;
const WAIT_MS_MAX = 20;

export class FirstTouch {
  readonly #control: Int32Array;
  readonly #segments: Int32Array[] = [];
  #touchedBytes = 0;

  constructor(control: SharedArrayBuffer) {
    this.#control = new Int32Array(control);
  }

  get touchedBytes(): number {
    return this.#touchedBytes;
  }

  addSegment(segment: SharedArrayBuffer): void {
    this.#segments.push(new Int32Array(segment));
  }

  /** Touches pages as the front advances, until the load is over or the known segments are used up. */
  run(): void {
    const control = this.#control;
    for (let front = Atomics.load(control, 0); front !== FINISHED; front = Atomics.load(control, 0)) {
      this.touchTo(front * UNIT_BYTES + AHEAD_BYTES);
      if (this.#touchedBytes === this.#segments.length * SEGMENT_BYTES) return;
      Atomics.wait(control, 0, front, WAIT_MS_MAX);
    }
  }

  /** Touches what is not touched yet before `endBytes`, counted from the start of the first segment. */
  touchTo(endBytes: number): void {
    const end = Math.min(endBytes, this.#segments.length * SEGMENT_BYTES);
    for (; this.#touchedBytes < end; this.#touchedBytes += SYSTEM_PAGE_BYTES) {
      const words = this.#segments[Math.floor(this.#touchedBytes / SEGMENT_BYTES)];
      Atomics.or(words, (this.#touchedBytes % SEGMENT_BYTES) >>> 2, 0);
    }
  }
}
