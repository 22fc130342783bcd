/**
 * Doubles as decimal text in stored data: what "%.17g" writes, which is digits with sign, point and exponent, or an infinity.
 * Stricter than strtod: no white space, no hexadecimal, no "nan", nothing after the number.
 */
import { latin1Decode } from "./bytes.ts";

const ZERO = 0x30, NINE = 0x39, MINUS = 0x2d, PLUS = 0x2b, POINT = 0x2e, LOWER = 0x20;

/** Whether the range spells a number. */
export function isDecimal(bytes: Uint8Array, start: number, length: number): boolean {
  const end = start + length;
  let at = start;
  if (at < end && (bytes[at] === MINUS || bytes[at] === PLUS)) at++;
  if (isInfinity(bytes, at, end)) return true;
  const wholeAt = at;
  while (at < end && isDigit(bytes[at])) at++;
  let digits = at - wholeAt;
  if (at < end && bytes[at] === POINT) {
    const fractionAt = ++at;
    while (at < end && isDigit(bytes[at])) at++;
    digits += at - fractionAt;
  }
  if (digits === 0) return false;
  return at === end || isExponent(bytes, at, end);
}

/** The number that the range spells, or NaN. */
export function parseDecimal(bytes: Uint8Array, start: number, length: number): number {
  if (!isDecimal(bytes, start, length)) return NaN;
  if (isInfinity(bytes, start + length - 3, start + length)) return bytes[start] === MINUS ? -Infinity : Infinity;
  return Number(latin1Decode(bytes, start, start + length));
}

function isInfinity(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at === 3 && (bytes[at] | LOWER) === 0x69 && (bytes[at + 1] | LOWER) === 0x6e &&
    (bytes[at + 2] | LOWER) === 0x66;
}

function isExponent(bytes: Uint8Array, at: number, end: number): boolean {
  if ((bytes[at++] | LOWER) !== 0x65) return false;
  if (at < end && (bytes[at] === MINUS || bytes[at] === PLUS)) at++;
  const digitsAt = at;
  while (at < end && isDigit(bytes[at])) at++;
  return at === end && at > digitsAt;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
