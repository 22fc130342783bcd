/**
 * LZF, the compression inside RDB strings. Format: a control byte below 32 starts that many plus one literal bytes; otherwise its top
 * three bits are the length of a back reference minus 2 (7: another length byte follows) and its low five bits, with the next byte,
 * the distance minus 1. The compressor follows liblzf's search (a hash of three bytes to the last place they were seen), so that
 * its output equals Redis's.
 */

const HASH_LOG = 16;
const HASH_SIZE = 1 << HASH_LOG;
const LITERALS_MAX = 32;
const DISTANCE_MAX = 1 << 13;
const LENGTH_MAX = (1 << 8) + (1 << 3);
/** Bytes of a long match that are compared one by one, see `matchLength`. */
const UNCHECKED = 16;

/**
 * Last place of each hash, counted from `base`, which grows past every place of the inputs before: entries of earlier inputs are
 * below it, so the table need not be cleared for each input.
 */
const table = new Int32Array(HASH_SIZE);
let base = 1;

function slot(hash: number): number {
  return ((hash >>> (3 * 8 - HASH_LOG)) - Math.imul(hash, 5)) & (HASH_SIZE - 1);
}

/**
 * How many bytes at `reference` and `at` are equal, the first three being known to be. liblzf stops at `lengthMax`, two bytes before the
 * end of the input, but compares its first 16 bytes without looking at that: so a match may end up to two bytes beyond it.
 */
function matchLength(source: Uint8Array, reference: number, at: number, lengthMax: number): number {
  let length = 3;
  if (lengthMax > UNCHECKED) {
    while (length < UNCHECKED + 3 && source[reference + length] === source[at + length]) length++;
    if (length < UNCHECKED + 3) return length;
  }
  while (length < lengthMax && source[reference + length] === source[at + length]) length++;
  return length;
}

/** Compresses into all of `target` (or as much as given); returns the bytes used, or 0 when it does not fit or cannot shrink. */
export function lzfCompress(
  source: Uint8Array,
  sourceAt: number,
  length: number,
  target: Uint8Array,
  targetAt = 0,
  targetLength = target.length - targetAt,
): number {
  if (length === 0 || targetLength === 0) return 0;
  if (base + length > 0x7fffffff) table.fill(0), base = 1;
  const origin = base - sourceAt;
  base += length;
  const inEnd = sourceAt + length, outEnd = targetAt + targetLength;
  let ip = sourceAt, op = targetAt, literals = 0;
  op++;
  let hash = (source[ip] << 8) | source[ip + 1];
  while (ip < inEnd - 2) {
    hash = ((hash << 8) | source[ip + 2]) | 0;
    const at = slot(hash);
    const reference = table[at] - origin;
    table[at] = ip + origin;
    const distance = ip - reference - 1;
    if (
      reference > sourceAt && distance < DISTANCE_MAX && source[reference] === source[ip] &&
      source[reference + 1] === source[ip + 1] &&
      source[reference + 2] === source[ip + 2]
    ) {
      const maxLength = Math.min(inEnd - ip - 2, LENGTH_MAX);
      if (op - (literals === 0 ? 1 : 0) + 3 + 1 >= outEnd) return 0;
      target[op - literals - 1] = (literals - 1) & 0xff;
      if (literals === 0) op--;
      const len = matchLength(source, reference, ip, maxLength) - 2;
      ip++;
      if (len < 7) target[op++] = (distance >>> 8) + (len << 5);
      else {
        target[op++] = (distance >>> 8) + (7 << 5);
        target[op++] = len - 7;
      }
      target[op++] = distance & 0xff;
      literals = 0;
      op++;
      ip += len + 1;
      if (ip >= inEnd - 2) break;
      ip -= 2;
      hash = (source[ip] << 8) | source[ip + 1];
      for (let i = 0; i < 2; i++) {
        hash = ((hash << 8) | source[ip + 2]) | 0;
        table[slot(hash)] = ip + origin;
        ip++;
      }
    } else {
      if (op >= outEnd) return 0;
      literals++;
      target[op++] = source[ip++];
      if (literals === LITERALS_MAX) {
        target[op - literals - 1] = literals - 1;
        literals = 0;
        op++;
      }
    }
  }
  if (op + 3 > outEnd) return 0;
  while (ip < inEnd) {
    literals++;
    target[op++] = source[ip++];
    if (literals === LITERALS_MAX) {
      target[op - literals - 1] = literals - 1;
      literals = 0;
      op++;
    }
  }
  target[op - literals - 1] = (literals - 1) & 0xff;
  if (literals === 0) op--;
  return op - targetAt;
}

/** Expands to exactly `targetLength` bytes; false when the input is damaged. Never reads or writes out of bounds. */
export function lzfDecompress(
  source: Uint8Array,
  sourceAt: number,
  length: number,
  target: Uint8Array,
  targetAt: number,
  targetLength: number,
): boolean {
  const inEnd = sourceAt + length, outEnd = targetAt + targetLength;
  let ip = sourceAt, op = targetAt;
  while (ip < inEnd) {
    const control = source[ip++];
    if (control < LITERALS_MAX) {
      const count = control + 1;
      if (ip + count > inEnd || op + count > outEnd) return false;
      for (let i = 0; i < count; i++) target[op++] = source[ip++];
      continue;
    }
    let len = control >>> 5;
    if (len === 7) {
      if (ip >= inEnd) return false;
      len += source[ip++];
    }
    if (ip >= inEnd) return false;
    let reference = op - ((control & 0x1f) << 8) - source[ip++] - 1;
    len += 2;
    if (reference < targetAt || op + len > outEnd) return false;
    for (let i = 0; i < len; i++) target[op++] = target[reference++];
  }
  return op === outEnd;
}
