/** A small seeded generator (sfc32 by Chris Doty-Humphrey): the same draws for the same seed everywhere. Not for secrets. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0, this.#b = (seed / 2 ** 32) | 0, this.#c = 0x9e3779b9 | 0;
    for (let i = 0; i < 15; i++) this.nextU32();
  }

  /** Uniform in [0, 2^32). */
  nextU32(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, n), for 1 ≤ n ≤ 2^32. */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  /** Uniform in [0, 1), with 53 bits. */
  float(): number {
    return ((this.nextU32() >>> 5) * 0x4000000 + (this.nextU32() >>> 6)) / 2 ** 53;
  }

  bytes(target: Uint8Array): void {
    for (let i = 0; i < target.length; i++) target[i] = this.nextU32() >>> 24;
  }
}
