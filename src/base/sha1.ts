/** SHA-1 (FIPS 180-4), streaming, in one reused instance: what DEBUG DIGEST mixes keys and values with. Not for security. */

const BLOCK_BYTES = 64;
const LENGTH_AT = 56;

export class Sha1 {
  readonly #state = new Int32Array(5);
  readonly #block = new Uint8Array(BLOCK_BYTES);
  readonly #words = new Int32Array(80);
  #filled = 0;
  #totalBytes = 0;

  constructor() {
    this.reset();
  }

  reset(): void {
    const state = this.#state;
    state[0] = 0x67452301,
      state[1] = 0xefcdab89 | 0,
      state[2] = 0x98badcfe | 0,
      state[3] = 0x10325476,
      state[4] = 0xc3d2e1f0 | 0;
    this.#filled = this.#totalBytes = 0;
  }

  /** Adds bytes [start, end). */
  update(bytes: Uint8Array, start: number, end: number): void {
    this.#totalBytes += end - start;
    for (let at = start; at < end; at++) {
      this.#block[this.#filled++] = bytes[at];
      if (this.#filled === BLOCK_BYTES) this.#compress();
    }
  }

  /** Writes the 20 bytes of the digest; only `reset` may follow. */
  digest(target: Uint8Array): void {
    const bits = this.#totalBytes * 8;
    this.#block[this.#filled++] = 0x80;
    if (this.#filled > LENGTH_AT) {
      this.#block.fill(0, this.#filled);
      this.#compress();
    }
    this.#block.fill(0, this.#filled, LENGTH_AT);
    this.#writeBigEndian(this.#block, LENGTH_AT, Math.floor(bits / 2 ** 32));
    this.#writeBigEndian(this.#block, LENGTH_AT + 4, bits | 0);
    this.#compress();
    for (let i = 0; i < 5; i++) this.#writeBigEndian(target, i * 4, this.#state[i]);
  }

  #writeBigEndian(target: Uint8Array, at: number, word: number): void {
    target[at] = word >>> 24, target[at + 1] = word >>> 16, target[at + 2] = word >>> 8, target[at + 3] = word;
  }

  #compress(): void {
    const words = this.#words, block = this.#block, state = this.#state;
    for (let i = 0; i < 16; i++) {
      const at = i * 4;
      words[i] = (block[at] << 24) | (block[at + 1] << 16) | (block[at + 2] << 8) | block[at + 3];
    }
    for (let i = 16; i < 80; i++) {
      const x = words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16];
      words[i] = (x << 1) | (x >>> 31);
    }
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (let i = 0; i < 80; i++) {
      let f: number, k: number;
      if (i < 20) f = (b & c) | (~b & d), k = 0x5a827999;
      else if (i < 40) f = b ^ c ^ d, k = 0x6ed9eba1;
      else if (i < 60) f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
      else f = b ^ c ^ d, k = 0xca62c1d6;
      const next = (((a << 5) | (a >>> 27)) + f + e + k + words[i]) | 0;
      e = d, d = c, c = (b << 30) | (b >>> 2), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
    this.#filled = 0;
  }
}
