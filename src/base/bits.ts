/**
 * Bits of byte strings, counted and searched in place: bit 0 is the highest of the first byte.
 *
 * Both functions take the same memory as bytes and as words (`words[i]` is bytes 4i to 4i + 3), a place and a length in bytes.
 * They read whole words between the ends, which may lie anywhere. Nothing is copied, and nothing is read outside the range.
 */

const EVEN_BITS = 0x55555555, EVEN_PAIRS = 0x33333333, EVEN_NIBBLES = 0x0f0f0f0f, EACH_BYTE = 0x01010101;
/** Words that one step of a loop takes together. */
const STEP_WORDS = 8;

/** Bits set in a 32-bit word. */
export function countWordBits(word: number): number {
  let sums = word - ((word >>> 1) & EVEN_BITS);
  sums = (sums & EVEN_PAIRS) + ((sums >>> 2) & EVEN_PAIRS);
  return Math.imul((sums + (sums >>> 4)) & EVEN_NIBBLES, EACH_BYTE) >>> 24;
}

/** Bits set in `length` bytes at `at`. */
export function countBits(bytes: Uint8Array, words: Uint32Array, at: number, length: number): number {
  const end = at + length, head = Math.min(end, (at + 3) & ~3), tail = Math.max(head, end & ~3);
  return countByteBits(bytes, at, head) + countWordsBits(words, head >>> 2, tail >>> 2) +
    countByteBits(bytes, tail, end);
}

function countByteBits(bytes: Uint8Array, at: number, end: number): number {
  let count = 0;
  for (let i = at; i < end; i++) count += countWordBits(bytes[i]);
  return count;
}

/**
 * Carry-save adders (Harley and Seal; Warren, Hacker's Delight, 5-1): the words of a step are added as columns of bits, so that only
 * the carries of weight eight are counted one by one.
 */
function countWordsBits(words: Uint32Array, at: number, end: number): number {
  let eights = 0, fours = 0, twos = 0, ones = 0, i = at;
  for (; i + STEP_WORDS <= end; i += STEP_WORDS) {
    let half = ones ^ words[i];
    const twosA = (ones & words[i]) | (half & words[i + 1]);
    ones = half ^ words[i + 1], half = ones ^ words[i + 2];
    const twosB = (ones & words[i + 2]) | (half & words[i + 3]);
    ones = half ^ words[i + 3], half = twos ^ twosA;
    const foursA = (twos & twosA) | (half & twosB);
    twos = half ^ twosB, half = ones ^ words[i + 4];
    const twosC = (ones & words[i + 4]) | (half & words[i + 5]);
    ones = half ^ words[i + 5], half = ones ^ words[i + 6];
    const twosD = (ones & words[i + 6]) | (half & words[i + 7]);
    ones = half ^ words[i + 7], half = twos ^ twosC;
    const foursB = (twos & twosC) | (half & twosD);
    twos = half ^ twosD, half = fours ^ foursA;
    eights += countWordBits((fours & foursA) | (half & foursB));
    fours = half ^ foursB;
  }
  let count = 8 * eights + 4 * countWordBits(fours) + 2 * countWordBits(twos) + countWordBits(ones);
  for (; i < end; i++) count += countWordBits(words[i]);
  return count;
}

/** The first bit that is `bit` (0 or 1) among `length` bytes at `at`, counted from there; -1 when there is none. */
export function findBit(bytes: Uint8Array, words: Uint32Array, at: number, length: number, bit: number): number {
  const end = at + length, skip = bit === 1 ? 0 : 0xff;
  let i = at;
  while ((i & 3) !== 0 && i < end && bytes[i] === skip) i++;
  if ((i & 3) === 0) i = skipWords(words, i, end, bit === 1 ? 0 : 0xffffffff);
  while (i < end && bytes[i] === skip) i++;
  return i === end ? -1 : (i - at) * 8 + firstBit(bytes[i], bit);
}

/** From a place that starts a word: the first word that is not `skip`, or where no whole word is left. */
function skipWords(words: Uint32Array, at: number, end: number, skip: number): number {
  let i = at >>> 2;
  const last = end >>> 2;
  while (i + STEP_WORDS <= last && !differs(words, i, skip)) i += STEP_WORDS;
  while (i < last && words[i] === skip) i++;
  return Math.max(at, i * 4);
}

/** Whether one of a step's words is not `skip`. */
function differs(words: Uint32Array, i: number, skip: number): boolean {
  return ((words[i] ^ skip) | (words[i + 1] ^ skip) | (words[i + 2] ^ skip) | (words[i + 3] ^ skip) |
    (words[i + 4] ^ skip) | (words[i + 5] ^ skip) | (words[i + 6] ^ skip) | (words[i + 7] ^ skip)) !== 0;
}

/** Place of the first such bit in a byte that has one. */
export function firstBit(byte: number, bit: number): number {
  return Math.clz32(bit === 1 ? byte : ~byte & 0xff) - 24;
}
