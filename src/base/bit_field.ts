/**
 * Integers of 1 to 64 bits inside a string of bits, as BITFIELD sees them: the first bit is the highest of the first byte, a field
 * may start at any bit, its first bit is its highest.
 *
 *   u5 at offset 7, value 23 (10111):  |0000000 1|0111 0000|
 *
 * A field's bytes are brought to a window of nine bytes (64 bits can touch that many); everything here works on windows. Values are
 * I64: of an unsigned field at most 63 bits are allowed, so they fit. Nothing allocates.
 */
import { I64 } from "./integer.ts";

export const WINDOW_BYTES = 9;

/** What a write does with a value that the field cannot hold. */
export const OVERFLOW = { wrap: 0, saturate: 1, fail: 2 } as const;

const limit = new I64(), room = new I64(), zero = new I64();

/** Reads the field of `bits` bits at bit `offset` of the window. */
export function readField(window: Uint8Array, offset: number, bits: number, signed: boolean, into: I64): void {
  let hi = 0, lo = 0;
  for (let left = bits, at = offset; left > 0;) {
    const inByte = 8 - (at & 7), take = Math.min(inByte, left);
    const piece = (window[at >>> 3] >>> (inByte - take)) & ((1 << take) - 1);
    hi = (hi << take) | (lo >>> (32 - take));
    lo = (lo << take) | piece;
    at += take, left -= take;
  }
  into.set(hi, lo);
  if (signed) extendSign(into, bits);
}

/** Writes the low `bits` bits of a value. */
export function writeField(window: Uint8Array, offset: number, bits: number, value: I64): void {
  for (let left = bits, at = offset; left > 0;) {
    const inByte = 8 - (at & 7), take = Math.min(inByte, left), shift = inByte - take;
    const mask = ((1 << take) - 1) << shift;
    const piece = bitsAt(value, left - take) << shift;
    window[at >>> 3] = (window[at >>> 3] & ~mask) | (piece & mask);
    at += take, left -= take;
  }
}

/** The eight bits or more of a value from bit `from` up, in the low bits of the result. */
function bitsAt(value: I64, from: number): number {
  if (from >= 32) return value.hi >>> (from - 32);
  return from === 0 ? value.lo : (value.lo >>> from) | (value.hi << (32 - from));
}

/**
 * Brings `value + increment` into the range of the field; true when it did not fit, and then `value` is what the overflow rule makes
 * of it (with `fail`: the wrapped sum, which the caller does not use). Redis's checks with their wrapping arithmetic, which decide
 * what happens to values far outside of the field.
 */
export function addToField(value: I64, increment: I64, bits: number, signed: boolean, overflow: number): boolean {
  const direction = signed ? signedOverflow(value, increment, bits) : unsignedOverflow(value, increment, bits);
  if (direction !== 0 && overflow === OVERFLOW.saturate) {
    setLimit(value, bits, signed, direction);
    return true;
  }
  addWrapping(value, increment);
  if (direction === 0) return false;
  if (signed) extendSign(value, bits);
  else clearAbove(value, bits);
  return true;
}

/** 1 when the sum is above what the field holds, -1 when it is below, else 0. */
function signedOverflow(value: I64, increment: I64, bits: number): number {
  setLimit(limit, bits, true, 1);
  subtractWrapping(room.copyFrom(limit), value);
  if (value.compare(limit) > 0) return 1;
  const above = increment.compare(room) > 0;
  if (above && (bits !== 64 || (!value.isNegative() && !increment.isNegative()))) return 1;
  setLimit(limit, bits, true, -1);
  subtractWrapping(room.copyFrom(limit), value);
  if (value.compare(limit) < 0) return -1;
  const below = increment.compare(room) < 0;
  return below && (bits !== 64 || (value.isNegative() && increment.isNegative())) ? -1 : 0;
}

/** Like `signedOverflow`; a negative value stands for one of 2^63 and more. */
function unsignedOverflow(value: I64, increment: I64, bits: number): number {
  setLimit(limit, bits, false, 1);
  if (value.isNegative() || value.compare(limit) > 0) return 1;
  if (!increment.isNegative()) return increment.compare(subtractWrapping(room.copyFrom(limit), value)) > 0 ? 1 : 0;
  return increment.compare(subtractWrapping(room.copyFrom(zero), value)) < 0 ? -1 : 0;
}

/** The highest (`direction` 1) or lowest (-1) integer that a field holds. */
function setLimit(into: I64, bits: number, signed: boolean, direction: number): void {
  const magnitudeBits = signed ? bits - 1 : bits;
  into.set(-1, 0xffffffff);
  clearAbove(into, magnitudeBits);
  if (direction > 0) return;
  if (signed) into.set(~into.hi, ~into.lo);
  else into.set(0, 0);
}

/** Clears the bits from `bits` (at most 64) up. */
function clearAbove(value: I64, bits: number): void {
  if (bits >= 64) return;
  if (bits >= 32) value.set(bits === 32 ? 0 : value.hi & (-1 >>> (64 - bits)), value.lo);
  else value.set(0, bits === 0 ? 0 : value.lo & (-1 >>> (32 - bits)));
}

/** Copies bit `bits - 1` to all above it. */
function extendSign(value: I64, bits: number): void {
  if (bits > 32) value.set((value.hi << (64 - bits)) >> (64 - bits), value.lo);
  else {
    const low = (value.lo << (32 - bits)) >> (32 - bits);
    value.set(low < 0 ? -1 : 0, low);
  }
}

function addWrapping(value: I64, other: I64): I64 {
  const low = value.lo + other.lo;
  return value.set(value.hi + other.hi + (low > 0xffffffff ? 1 : 0), low);
}

function subtractWrapping(value: I64, other: I64): I64 {
  return value.set(value.hi - other.hi - (value.lo < other.lo ? 1 : 0), value.lo - other.lo);
}
