/**
 * HalfSipHash-1-3: the 32-bit member of the SipHash family, as the Linux kernel uses it for its hash tables. Keyed, so that nobody
 * who does not know the key can choose colliding keys. Source: Aumasson and Bernstein, and the reference code's description.
 */

const C2 = 0x6c796765;
const C3 = 0x74656462;

export class KeyedHash {
  readonly #k0: number;
  readonly #k1: number;

  constructor(k0: number, k1: number) {
    this.#k0 = k0 | 0, this.#k1 = k1 | 0;
  }

  /** Hash of `length` bytes at `offset`, as an unsigned 32-bit integer. */
  hash(bytes: Uint8Array, offset: number, length: number): number {
    let v0 = this.#k0, v1 = this.#k1, v2 = C2 ^ this.#k0, v3 = C3 ^ this.#k1;
    let at = offset;
    for (const end = offset + (length & ~3); at < end; at += 4) {
      const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
      v3 ^= word;
      v0 = (v0 + v1) | 0, v1 = (v1 << 5) | (v1 >>> 27), v1 ^= v0, v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0, v3 = (v3 << 8) | (v3 >>> 24), v3 ^= v2;
      v0 = (v0 + v3) | 0, v3 = (v3 << 7) | (v3 >>> 25), v3 ^= v0;
      v2 = (v2 + v1) | 0, v1 = (v1 << 13) | (v1 >>> 19), v1 ^= v2, v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    let last = length << 24;
    const rest = length & 3;
    if (rest > 2) last |= bytes[at + 2] << 16;
    if (rest > 1) last |= bytes[at + 1] << 8;
    if (rest > 0) last |= bytes[at];
    v3 ^= last;
    for (let round = 0; round < 4; round++) {
      if (round === 1) v0 ^= last, v2 ^= 0xff;
      v0 = (v0 + v1) | 0, v1 = (v1 << 5) | (v1 >>> 27), v1 ^= v0, v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0, v3 = (v3 << 8) | (v3 >>> 24), v3 ^= v2;
      v0 = (v0 + v3) | 0, v3 = (v3 << 7) | (v3 >>> 25), v3 ^= v0;
      v2 = (v2 + v1) | 0, v1 = (v1 << 13) | (v1 >>> 19), v1 ^= v2, v2 = (v2 << 16) | (v2 >>> 16);
    }
    return (v1 ^ v3) >>> 0;
  }
}
