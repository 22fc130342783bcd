/**
 * MurmurHash64A (Austin Appleby's MurmurHash2 for 64 bits; public domain), little-endian on any machine, as Redis's HyperLogLog uses it.
 * 64-bit arithmetic is done in 32-bit halves: no BigInt, nothing allocated. Not for tables: it is not keyed.
 */

const M_HI = 0xc6a4a793 | 0, M_LO = 0x5bd1e995;
const TWO_16 = 0x1_0000;

/** The hash that `murmurHash64` computed last: low word, high word. */
export const murmurWords: Int32Array = new Int32Array(2);

/** High word of (hi, lo) * M modulo 2^64; the low word is Math.imul(lo, M_LO). */
function highTimesM(hi: number, lo: number): number {
  const upper = (lo >>> 16) * M_LO + Math.floor(((lo & 0xffff) * M_LO) / TWO_16);
  return (Math.floor(upper / TWO_16) + Math.imul(hi, M_LO) + Math.imul(lo, M_HI)) | 0;
}

/** Hashes `length` bytes at `offset` into `murmurWords`. */
export function murmurHash64(bytes: Uint8Array, offset: number, length: number, seed: number): void {
  const end = offset + length;
  let hi = highTimesM(0, length), lo = Math.imul(length, M_LO) ^ seed, at = offset;
  for (; at + 8 <= end; at += 8) {
    let low = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
    let high = bytes[at + 4] | bytes[at + 5] << 8 | bytes[at + 6] << 16 | bytes[at + 7] << 24;
    high = highTimesM(high, low), low = Math.imul(low, M_LO);
    low ^= high >>> 15;
    hi ^= highTimesM(high, low), lo ^= Math.imul(low, M_LO);
    hi = highTimesM(hi, lo), lo = Math.imul(lo, M_LO);
  }
  if (at < end) {
    for (let i = 0; at + i < end; i++) {
      if (i < 4) lo ^= bytes[at + i] << (8 * i);
      else hi ^= bytes[at + i] << (8 * i - 32);
    }
    hi = highTimesM(hi, lo), lo = Math.imul(lo, M_LO);
  }
  lo ^= hi >>> 15;
  hi = highTimesM(hi, lo), lo = Math.imul(lo, M_LO);
  lo ^= hi >>> 15;
  murmurWords[0] = lo, murmurWords[1] = hi;
}
