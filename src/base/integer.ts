/**
 * Redis's integers: signed, 64 bits, in canonical decimal only (source of the rules: string2ll and ll2string of Redis 7.0).
 * Canonical: "0", or an optional "-" and digits of which the first is not 0. So "+1", " 1", "01", "-0" and "" are not integers,
 * and a number formats back to the very bytes it was parsed from.
 *
 * Two paths, both free of allocation and of BigInt:
 *   1. safe integers (|n| <= 2^53 - 1) are plain numbers: `parseSafeInteger`, `formatInteger`;
 *   2. everything else is an I64, two 32-bit words in two's complement, reused by its owner: `parseI64`, `formatI64`.
 * Never accepts what Redis refuses, nor wraps silently: operations that can overflow say so.
 */

/** Longest text: "-9223372036854775808". */
export const INTEGER_TEXT_BYTES_MAX = 20;

const TWO_32 = 0x1_0000_0000;
const ZERO = 48;
const MINUS = 45;
/** "-9007199254740991". */
const SAFE_TEXT_BYTES_MAX = 17;
const CHUNK = 1_000_000_000;

/** A signed 64-bit integer. `hi` is an int32 (it carries the sign), `lo` a uint32; always normalized so. */
export class I64 {
  hi: number = 0;
  lo: number = 0;

  set(hi: number, lo: number): this {
    this.hi = hi | 0;
    this.lo = lo >>> 0;
    return this;
  }

  copyFrom(other: I64): this {
    this.hi = other.hi;
    this.lo = other.lo;
    return this;
  }

  /** `n` must be a safe integer. */
  setNumber(n: number): this {
    this.hi = Math.floor(n / TWO_32) | 0;
    this.lo = n >>> 0;
    return this;
  }

  /** Exact when `isSafe()`, else the nearest double. */
  toNumber(): number {
    return this.hi * TWO_32 + this.lo;
  }

  isSafe(): boolean {
    return (this.hi < 0x20_0000 && this.hi >= -0x20_0000) && (this.hi !== -0x20_0000 || this.lo !== 0);
  }

  isNegative(): boolean {
    return this.hi < 0;
  }

  isMin(): boolean {
    return this.hi === -0x8000_0000 && this.lo === 0;
  }

  /** Adds in place. Returns false on overflow, and then leaves the value as it was. */
  add(other: I64): boolean {
    const low = this.lo + other.lo;
    const hi = (this.hi + other.hi + (low >= TWO_32 ? 1 : 0)) | 0;
    if (((this.hi ^ hi) & (other.hi ^ hi)) < 0) return false;
    this.hi = hi;
    this.lo = low >>> 0;
    return true;
  }

  /** Negates in place. Returns false, and changes nothing, for -2^63, which has no opposite. */
  negate(): boolean {
    if (this.isMin()) return false;
    this.hi = this.lo === 0 ? -this.hi | 0 : ~this.hi;
    this.lo = -this.lo >>> 0;
    return true;
  }

  compare(other: I64): number {
    return this.hi !== other.hi
      ? (this.hi < other.hi ? -1 : 1)
      : this.lo === other.lo
      ? 0
      : this.lo < other.lo
      ? -1
      : 1;
  }

  readLittleEndian(buf: Uint8Array, off: number): this {
    this.lo = (buf[off] | buf[off + 1] << 8 | buf[off + 2] << 16 | buf[off + 3] << 24) >>> 0;
    this.hi = buf[off + 4] | buf[off + 5] << 8 | buf[off + 6] << 16 | buf[off + 7] << 24;
    return this;
  }

  writeLittleEndian(dst: Uint8Array, off: number): void {
    for (let i = 0; i < 4; i++) {
      dst[off + i] = this.lo >>> (i * 8);
      dst[off + 4 + i] = this.hi >>> (i * 8);
    }
  }
}

/**
 * The integer that the range spells, or NaN when it spells none or one beyond 2^53 - 1 (then `parseI64` tells which).
 */
export function parseSafeInteger(buf: Uint8Array, off: number, len: number): number {
  if (len === 0 || len > SAFE_TEXT_BYTES_MAX) return NaN;
  const negative = buf[off] === MINUS;
  let at = negative ? off + 1 : off;
  const end = off + len;
  if (at === end) return NaN;
  const first = buf[at++] - ZERO;
  if (first < 1 || first > 9) return first === 0 && len === 1 ? 0 : NaN;
  let value = first;
  while (at < end) {
    const digit = buf[at++] - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  if (value > Number.MAX_SAFE_INTEGER) return NaN;
  return negative ? -value : value;
}

/** Parses the range into `out`. Returns false, with `out` undefined, when it is no canonical 64-bit integer. */
export function parseI64(buf: Uint8Array, off: number, len: number, out: I64): boolean {
  if (len === 0 || len > INTEGER_TEXT_BYTES_MAX) return false;
  const negative = buf[off] === MINUS;
  let at = negative ? off + 1 : off;
  const end = off + len;
  if (at === end) return false;
  if (buf[at] === ZERO) {
    out.hi = out.lo = 0;
    return len === 1;
  }
  // Magnitude = hi * 2^32 + lo, one digit at a time: at most 20 digits, and hi stays far below 2^53.
  let hi = 0;
  let lo = 0;
  while (at < end) {
    const digit = buf[at++] - ZERO;
    if (digit < 0 || digit > 9) return false;
    lo = lo * 10 + digit;
    const carry = Math.floor(lo / TWO_32);
    hi = hi * 10 + carry;
    lo -= carry * TWO_32;
  }
  if (hi > 0x7fff_ffff) {
    if (!negative || hi !== 0x8000_0000 || lo !== 0) return false;
  }
  out.set(hi, lo);
  if (negative) out.negate();
  return true;
}

/** Digits of a non-negative safe integer. */
export function countDigits(n: number): number {
  if (n < 100000) return n < 100 ? (n < 10 ? 1 : 2) : n < 1000 ? 3 : n < 10000 ? 4 : 5;
  if (n < 10000000000) {
    if (n < 10000000) return n < 1000000 ? 6 : 7;
    return n < 100000000 ? 8 : n < 1000000000 ? 9 : 10;
  }
  let digits = 11;
  for (let limit = 100000000000; n >= limit; limit *= 10) digits++;
  return digits;
}

/** Writes `count` digits of `n` (an integer below 2^31) so that the last one is at `dst[end - 1]`. */
function writeDigits(n: number, dst: Uint8Array, end: number, count: number): void {
  let rest = n | 0;
  for (let at = end - 1; at >= end - count; at--) {
    const quotient = (rest / 10) | 0;
    dst[at] = ZERO + rest - quotient * 10;
    rest = quotient;
  }
}

/** Writes a safe integer in decimal at `dst[off]` and returns the offset after it. Needs up to 17 bytes. */
export function formatInteger(n: number, dst: Uint8Array, off: number): number {
  let rest = n;
  let start = off;
  if (n < 0) {
    dst[start++] = MINUS;
    rest = -n;
  }
  const digits = countDigits(rest);
  const end = start + digits;
  if (rest < CHUNK) {
    writeDigits(rest, dst, end, digits);
    return end;
  }
  const upper = Math.floor(rest / CHUNK);
  writeDigits(rest - upper * CHUNK, dst, end, 9);
  writeDigits(upper, dst, end - 9, digits - 9);
  return end;
}

/** Writes `value` in decimal at `dst[off]` and returns the offset after it. Needs up to INTEGER_TEXT_BYTES_MAX. */
export function formatI64(value: I64, dst: Uint8Array, off: number): number {
  if (value.isSafe()) return formatInteger(value.toNumber(), dst, off);
  const { hi, lo } = value;
  if (hi >= 0) return formatU64(hi, lo, dst, off);
  dst[off] = MINUS;
  return formatU64((lo === 0 ? -hi : ~hi) >>> 0, -lo >>> 0, dst, off + 1);
}

/** Writes the unsigned 64-bit integer of these two uint32 words in decimal and returns the offset after it. Needs up to 20 bytes. */
export function formatU64(hi: number, lo: number, dst: Uint8Array, off: number): number {
  if (hi < 0x20_0000) return formatInteger(hi * TWO_32 + lo, dst, off);
  // Long division of hi * 2^32 + lo by 10^9, in 16-bit limbs so that every step is exact.
  const lowerHi = Math.floor(hi / CHUNK);
  let rest = (hi - lowerHi * CHUNK) * 0x1_0000 + (lo >>> 16);
  const middle = Math.floor(rest / CHUNK);
  rest = (rest - middle * CHUNK) * 0x1_0000 + (lo & 0xffff);
  const last = Math.floor(rest / CHUNK);
  const upper = lowerHi * TWO_32 + middle * 0x1_0000 + last;
  const end = formatInteger(upper, dst, off);
  writeDigits(rest - last * CHUNK, dst, end + 9, 9);
  return end + 9;
}

/** Bytes that `formatInteger` would write for a safe integer. */
export function integerTextBytes(n: number): number {
  return n < 0 ? 1 + countDigits(-n) : countDigits(n);
}
