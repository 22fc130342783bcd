/**
 * Reads ahead what look-ups of the keys to come will read, so that the processor waits for many cache misses at once and not for one
 * after the other: half of the time of a GET over a large table is such waiting. Changes nothing and decides nothing.
 */
import type { Address } from "../memory/mod.ts";
import type { Dict } from "../structures/dict.ts";

export const WARM_KEYS_MAX = 32;
/** Smaller tables are in the cache anyway. */
const ENTRIES_MIN = 16 * 1024;

export class KeyWarmer {
  readonly #dict: Dict;
  readonly offsets: Int32Array = new Int32Array(WARM_KEYS_MAX);
  readonly lengths: Int32Array = new Int32Array(WARM_KEYS_MAX);
  readonly #hashes = new Uint32Array(WARM_KEYS_MAX);
  readonly #heads = new Uint32Array(WARM_KEYS_MAX);
  /** Keeps the reads from being optimized away. */
  warmed = 0;

  constructor(dict: Dict) {
    this.#dict = dict;
  }

  pays(root: Address): boolean {
    return this.#dict.size(root) >= ENTRIES_MIN;
  }

  /** Warms the keys at the first `count` places in `offsets` and `lengths`. */
  warm(root: Address, bytes: Uint8Array, count: number): void {
    this.warmed ^= this.#dict.warmKeys(root, bytes, this.offsets, this.lengths, this.#hashes, this.#heads, count);
  }
}
