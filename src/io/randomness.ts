/**
 * Randomness: the only source of chance. RealRandomness is seeded by the operating system; SeededRandomness replays.
 * Neither draws anything on import.
 */

import { Prng } from "../base/prng.ts";

export interface Randomness {
  /** Overwrites every byte. */
  fill(bytes: Uint8Array): void;
  /** Uniform in [0, 2^32). */
  nextU32(): number;
  /** Uniform in [0, n), for 1 ≤ n ≤ 2^32. */
  below(n: number): number;
}

const POOL_WORDS = 1024;

/** Unpredictable: every draw comes from the operating system's generator, a pool at a time. */
export class RealRandomness implements Randomness {
  #pool = new Uint32Array(POOL_WORDS);
  #used = POOL_WORDS;

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += GET_RANDOM_VALUES_MAX_BYTES) {
      crypto.getRandomValues(bytes.subarray(at, at + GET_RANDOM_VALUES_MAX_BYTES) as Uint8Array<ArrayBuffer>);
    }
  }

  nextU32(): number {
    if (this.#used === POOL_WORDS) {
      crypto.getRandomValues(this.#pool);
      this.#used = 0;
    }
    return this.#pool[this.#used++];
  }

  /** Draws as many bits as n needs until they are below it, which takes two draws at most on average, and no division. */
  below(n: number): number {
    if (n === 1) return 0;
    const bits = 0xffffffff >>> Math.clz32(n - 1);
    for (;;) {
      const drawn = (this.nextU32() & bits) >>> 0;
      if (drawn < n) return drawn;
    }
  }
}

/** The quota of one crypto.getRandomValues call (Web Cryptography API). */
const GET_RANDOM_VALUES_MAX_BYTES = 65_536;

/** The same draws for the same seed, on every machine. */
export class SeededRandomness implements Randomness {
  #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  fill(bytes: Uint8Array): void {
    this.#prng.bytes(bytes);
  }

  nextU32(): number {
    return this.#prng.nextU32();
  }

  below(n: number): number {
    return this.#prng.below(n);
  }
}
