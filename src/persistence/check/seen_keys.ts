/**
 * Which keys came before, to find those that come twice: 64 bits of hash for each, not the names. The hash is keyed by chance, so nobody
 * can make a file whose keys collide. Two different keys are taken for one with a chance of 2^-17 in 16 million.
 *
 * Takes at most 192 MiB; when it is full it says so, and no key is found any more.
 */
import { KeyedHash } from "../../base/siphash.ts";

const SLOTS_START = 1 << 12, SLOTS_MAX = 1 << 24;
/** A third of the slots stays free. */
const FULL = 2 / 3;

export class SeenKeys {
  readonly #low: KeyedHash;
  readonly #high: KeyedHash;
  /** Pairs of words; (0, 0) is a free slot. */
  #slots = new Uint32Array(SLOTS_START * 2);
  #count = 0;
  isFull = false;

  constructor(random: () => number) {
    this.#low = new KeyedHash(random(), random()), this.#high = new KeyedHash(random(), random());
  }

  /** Adds a key; false when it was there. */
  add(database: number, key: Uint8Array, length: number): boolean {
    if (this.isFull) return true;
    const low = this.#low.hash(key, 0, length) ^ Math.imul(database, 0x9e3779b1),
      high = this.#high.hash(key, 0, length) | 1;
    if (!this.#insert(low >>> 0, high >>> 0)) return false;
    if (++this.#count > this.#slots.length / 2 * FULL) this.#grow();
    return true;
  }

  #insert(low: number, high: number): boolean {
    const slots = this.#slots, mask = slots.length / 2 - 1;
    for (let at = low & mask;; at = (at + 1) & mask) {
      if (slots[2 * at + 1] === 0) {
        slots[2 * at] = low, slots[2 * at + 1] = high;
        return true;
      }
      if (slots[2 * at] === low && slots[2 * at + 1] === high) return false;
    }
  }

  #grow(): void {
    const old = this.#slots;
    if (old.length / 2 === SLOTS_MAX) {
      this.isFull = true;
      return;
    }
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) if (old[at + 1] !== 0) this.#insert(old[at], old[at + 1]);
  }
}
