/**
 * The order of SORT: indexes of elements, sorted by score and then by text, or by text alone. A stable merge sort on typed arrays, which
 * are kept for the next time unless they are large.
 */
import type { StringColumn } from "./sort_elements.ts";

/** Runs of this many are sorted by insertion first. */
const RUN = 8;
const KEPT_MAX = 16384;

export class SortOrder {
  /** Indexes of elements in order: the first `count` of it. */
  indexes: Uint32Array = new Uint32Array(RUN);
  count = 0;
  #spare: Uint32Array = new Uint32Array(RUN);
  #scores: Float64Array | null = null;
  #texts!: StringColumn;
  #sign = 1;

  /** Elements [0, count) as they come. */
  natural(count: number): void {
    this.count = count;
    if (count > this.indexes.length || this.indexes.length > KEPT_MAX) {
      this.indexes = new Uint32Array(Math.max(count, RUN));
    }
    for (let i = 0; i < count; i++) this.indexes[i] = i;
  }

  /** Sorts by score (null: by text only), those of equal scores by text; upside down with sign -1, but never equal ones. */
  sort(scores: Float64Array | null, texts: StringColumn, sign: 1 | -1): void {
    this.#scores = scores, this.#texts = texts, this.#sign = sign;
    if (this.#spare.length !== this.indexes.length) this.#spare = new Uint32Array(this.indexes.length);
    for (let at = 0; at < this.count; at += RUN) this.#insertionSort(at, Math.min(at + RUN, this.count));
    for (let width = RUN; width < this.count; width *= 2) this.#mergeAll(width);
  }

  #isBefore(a: number, b: number): boolean {
    const scores = this.#scores;
    if (scores !== null) {
      const x = scores[a], y = scores[b];
      if (x !== y) return this.#sign > 0 ? x < y : x > y;
    }
    return this.#texts.compare(a, b) * this.#sign < 0;
  }

  #insertionSort(from: number, end: number): void {
    const indexes = this.indexes;
    for (let i = from + 1; i < end; i++) {
      const moved = indexes[i];
      let at = i;
      for (; at > from && this.#isBefore(moved, indexes[at - 1]); at--) indexes[at] = indexes[at - 1];
      indexes[at] = moved;
    }
  }

  /** Merges neighbouring runs of `width`. */
  #mergeAll(width: number): void {
    for (let at = 0; at < this.count; at += width * 2) {
      this.#merge(at, Math.min(at + width, this.count), Math.min(at + width * 2, this.count));
    }
    const merged = this.#spare;
    this.#spare = this.indexes, this.indexes = merged;
  }

  #merge(from: number, middle: number, end: number): void {
    const source = this.indexes, target = this.#spare;
    let left = from, right = middle;
    for (let at = from; at < end; at++) {
      const takesRight = left === middle || (right < end && this.#isBefore(source[right], source[left]));
      target[at] = takesRight ? source[right++] : source[left++];
    }
  }
}
