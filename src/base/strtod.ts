/**
 * Doubles in arguments, as C's strtod reads them: decimal, hexadecimal ("0x1p3") and infinities, in any case. NaN, which the commands
 * that take doubles all refuse, stands for "no number" here.
 * Invariant: the result is the nearest double, ties to even, as glibc's. Short decimals allocate nothing.
 */
import { latin1Decode } from "./bytes.ts";

const NINE = 0x39, ZERO = 0x30, MINUS = 0x2d, PLUS = 0x2b, POINT = 0x2e, LOWER = 0x20, SPACE = 0x20;
const LETTER = { a: 0x61, e: 0x65, f: 0x66, i: 0x69, p: 0x70, x: 0x78 } as const;
/** Up to this many digits an integer is a double exactly, and so are these powers of ten: one division then rounds once. */
const EXACT_DIGITS = 15;
const EXACT_POWERS = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
/** Up to this many, arithmetic of pairs of doubles nearly always tells how to round. */
const DOUBLED_DIGITS = 19;
const HALF_SCALE = 2 ** 25, SPLITTER = 2 ** 27 + 1, SAFETY = 1 + 2 ** -20;
/** Written exponents beyond this give nothing but zero and infinity. */
const EXPONENT_MAX = 100_000;
const INFINITIES = ["inf", "infinity"].map((word) => Uint8Array.from(word, (letter) => letter.charCodeAt(0)));

/**
 * The number that the range spells as a whole, or NaN: also for what is too large for a double or, not being zero, too small, and for
 * white space before it. The rules for arguments such as scores, weights and distances.
 */
export function parseDouble(bytes: Uint8Array, start: number, length: number): number {
  const value = parseWhole(bytes, start, start + length);
  if (value !== 0 && value - value === 0) return value;
  // Rare: an infinity must have been written as one, a zero with zeros.
  if (value === 0) return hasOnlyZeros(bytes, start, start + length) ? value : NaN;
  return Math.abs(value) === Infinity && !isInfinity(bytes, afterSign(bytes, start, start + length), start + length)
    ? NaN
    : value;
}

/**
 * The number that a C string spells as a whole, or NaN: it ends at a zero byte, white space may be before it, nothing is zero, and what
 * is too large is an infinity. The rules for the bounds of ranges of scores.
 */
export function parseBound(bytes: Uint8Array, start: number, length: number): number {
  let end = start;
  while (end < start + length && bytes[end] !== 0) end++;
  if (end === start) return 0;
  let at = start;
  while (at < end && (bytes[at] === SPACE || (bytes[at] >= 9 && bytes[at] <= 13))) at++;
  return parseWhole(bytes, at, end);
}

/** The number that the range spells, out of range as infinity or zero; NaN when it spells none. */
function parseWhole(bytes: Uint8Array, start: number, end: number): number {
  const at = afterSign(bytes, start, end), negative = at > start && bytes[start] === MINUS;
  const magnitude = parseMagnitude(bytes, at, end);
  return negative ? -magnitude : magnitude;
}

function afterSign(bytes: Uint8Array, start: number, end: number): number {
  return start < end && (bytes[start] === MINUS || bytes[start] === PLUS) ? start + 1 : start;
}

function parseMagnitude(bytes: Uint8Array, start: number, end: number): number {
  const short = end - start <= EXACT_DIGITS ? parseShort(bytes, start, end) : NaN;
  return Number.isNaN(short) ? parseLong(bytes, start, end) : short;
}

/** Digits with or without a point, so few that one division rounds once; NaN for anything else. */
function parseShort(bytes: Uint8Array, start: number, end: number): number {
  let at = start, value = 0;
  for (; at < end; at++) {
    const digit = bytes[at] - ZERO;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (at === end) return at > start ? value : NaN;
  if (bytes[at] !== POINT || end - start === 1) return NaN;
  const fractionAt = ++at;
  for (; at < end; at++) {
    const digit = bytes[at] - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return value / EXACT_POWERS[end - fractionAt];
}

function parseLong(bytes: Uint8Array, start: number, end: number): number {
  // `value` takes the digits that a double holds exactly, `rest` those behind them: value * scale + rest.
  let at = start, value = 0, rest = 0, scale = 1, digits = 0, significant = 0, fraction = 0, seenPoint = false;
  for (; at < end; at++) {
    const byte = bytes[at];
    if (byte >= ZERO && byte <= NINE) {
      if (significant < EXACT_DIGITS) value = value * 10 + (byte - ZERO);
      else rest = rest * 10 + (byte - ZERO), scale *= 10;
      digits++;
      if (significant > 0 || byte !== ZERO) significant++;
      if (seenPoint) fraction++;
    } else if (byte === POINT && !seenPoint) seenPoint = true;
    else break;
  }
  if (at === end && digits > 0 && significant <= DOUBLED_DIGITS && fraction < EXACT_POWERS.length) {
    if (significant <= EXACT_DIGITS) return fraction === 0 ? value : value / EXACT_POWERS[fraction];
    const quotient = divideDoubled(value, scale, rest, EXACT_POWERS[fraction]);
    if (!Number.isNaN(quotient)) return quotient;
  }
  if (digits > 0 && (at === end || isExponent(bytes, at, end))) return Number(latin1Decode(bytes, start, end));
  if (isInfinity(bytes, start, end)) return Infinity;
  return isHexadecimal(bytes, start, end) ? parseHexadecimal(latin1Decode(bytes, start + 2, end)) : NaN;
}

/**
 * (value * scale + rest) / divisor, rounded once; NaN when it is too close to the middle between two doubles to tell.
 * In arithmetic of pairs of doubles (T. J. Dekker, "A floating-point technique for extending the available precision", 1971).
 */
function divideDoubled(value: number, scale: number, rest: number, divisor: number): number {
  // The numerator as sum + error, exactly. Halves of 25 bits times a scale of 14 are exact.
  const upper = Math.floor(value / HALF_SCALE) * HALF_SCALE, high = upper * scale, low = (value - upper) * scale + rest;
  const sum = high + low, error = low - (sum - high);
  // The quotient, and what is left of the numerator after it.
  const quotient = sum / divisor, product = quotient * divisor;
  const q = quotient * SPLITTER, qHigh = q - (q - quotient), qLow = quotient - qHigh;
  const d = divisor * SPLITTER, dHigh = d - (d - divisor), dLow = divisor - dHigh;
  const productError = ((qHigh * dHigh - product) + qHigh * dLow + qLow * dHigh) + qLow * dLow;
  const correction = (sum - product - productError + error) / divisor;
  const result = quotient + correction, residue = correction - (result - quotient);
  return result + residue * SAFETY === result ? result : NaN;
}

function isExponent(bytes: Uint8Array, start: number, end: number): boolean {
  if ((bytes[start] | LOWER) !== LETTER.e) return false;
  let at = afterSign(bytes, start + 1, end);
  if (at === end) return false;
  for (; at < end; at++) if (bytes[at] < ZERO || bytes[at] > NINE) return false;
  return true;
}

function isInfinity(bytes: Uint8Array, start: number, end: number): boolean {
  return (bytes[start] | LOWER) === LETTER.i && INFINITIES.some((word) => {
    return end - start === word.length && word.every((letter, i) => (bytes[start + i] | LOWER) === letter);
  });
}

function isHexadecimal(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start > 2 && bytes[start] === ZERO && (bytes[start + 1] | LOWER) === LETTER.x;
}

function parseHexadecimal(text: string): number {
  const match = /^([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?$/i.exec(text);
  if (match === null) return NaN;
  const whole = match[1], fraction = match[2] ?? "";
  if (whole.length + fraction.length === 0) return NaN;
  const power = Math.max(-EXPONENT_MAX, Math.min(EXPONENT_MAX, Number(match[3] ?? 0)));
  return scaled(BigInt(`0x${whole}${fraction}`), power - 4 * fraction.length);
}

/** mantissa * 2^exponent, rounded once. */
function scaled(mantissa: bigint, exponent: number): number {
  if (mantissa === 0n) return 0;
  const bits = mantissa.toString(2).length, top = bits + exponent;
  if (top > 1024) return Infinity;
  if (top < -1074) return 0;
  // Below the normal numbers fewer bits count; what is dropped leaves a trace that breaks ties.
  const kept = Math.min(53, top + 1074) + 2, drop = bits - kept;
  if (drop <= 0) return Number(mantissa) * 2 ** Math.max(exponent, -1022) * 2 ** Math.min(0, exponent + 1022);
  const shift = BigInt(drop), short = mantissa >> shift, rest = (short << shift) === mantissa ? 0n : 1n;
  return Number((short << 1n) | rest) * 2 ** Math.max(exponent + drop - 1, -1022) *
    2 ** Math.min(0, exponent + drop + 1021);
}

function hasOnlyZeros(bytes: Uint8Array, start: number, end: number): boolean {
  const first = afterSign(bytes, start, end), isHex = isHexadecimal(bytes, first, end);
  for (let at = isHex ? first + 2 : first; at < end; at++) {
    const letter = bytes[at] | LOWER;
    if (letter === (isHex ? LETTER.p : LETTER.e)) return true;
    if (bytes[at] > ZERO && bytes[at] <= NINE) return false;
    if (isHex && letter >= LETTER.a && letter <= LETTER.f) return false;
  }
  return true;
}
