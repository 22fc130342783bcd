/**
 * Floating point as Redis reads and writes it: "%.17g" for doubles, and INCRBYFLOAT's x87 long doubles (64-bit mantissa, exponents to
 * ±16383, gradual underflow), which are computed exactly here, with integers, because no JavaScript number holds them.
 * Invariant: every result is the exact one rounded once, to nearest, ties to even, as glibc's strtold and printf do it.
 */

const DOUBLE_DIGITS = 17;
/** Digits after the first that tell a tie from anything near it: doubles are never closer to one without being one. */
const TIE_DIGITS = 60;
const TIE = /^50*$/;
/** Between these "%g" and toPrecision both write digits and a point, and no exponent. */
const POSITIONAL_MIN = 1e-4, POSITIONAL_MAX = 1e16;
/** There a tie has at most 21 digits behind the point, so as many bits; toPrecision has made its last digit odd when it went wrong. */
const TIE_SCALE = 2 ** 21;
/** Multiples of 2^-10 below this have 15 digits at most: then the shortest text is the exact one. */
const SHORT_MAX = 1e5, SHORT_SCALE = 2 ** 10;
const DIGIT_ZERO = 0x30, POINT = 0x2e;

/** The text of a double as C's "%.17g" gives it; "inf", "-inf" and "nan" for what is not finite. */
export function formatDouble17(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude < 1e15 && Number.isInteger(value)) return Object.is(value, -0) ? "-0" : String(value);
  if (magnitude < SHORT_MAX && Number.isInteger(value * SHORT_SCALE)) return String(value);
  if (magnitude >= POSITIONAL_MIN && magnitude < POSITIONAL_MAX) {
    const text = value.toPrecision(DOUBLE_DIGITS);
    if ((text.charCodeAt(text.length - 1) & 1) === 0 || !Number.isInteger(value * TIE_SCALE)) return withoutZeros(text);
  }
  if (Number.isNaN(value)) return "nan";
  if (magnitude === Infinity) return value > 0 ? "inf" : "-inf";
  const [mantissa, exponentText] = magnitude.toExponential(DOUBLE_DIGITS - 1).split("e");
  const digits = tieToEven(mantissa.replace(".", ""), magnitude);
  return (value < 0 ? "-" : "") + layOut(digits, Number(exponentText));
}

/** A decimal with a point, without the zeros at its end. */
function withoutZeros(text: string): string {
  let end = text.length;
  while (text.charCodeAt(end - 1) === DIGIT_ZERO) end--;
  if (text.charCodeAt(end - 1) === POINT) end--;
  return end === text.length ? text : text.slice(0, end);
}

/** JavaScript rounds ties up, C to the even digit. `digits` are the first 17 of `magnitude`. */
function tieToEven(digits: string, magnitude: number): string {
  const last = digits.charCodeAt(DOUBLE_DIGITS - 1) - 48;
  if ((last & 1) === 0) return digits;
  const exact = magnitude.toExponential(TIE_DIGITS).replace(".", "");
  const wasTie = TIE.test(exact.slice(DOUBLE_DIGITS, exact.indexOf("e")));
  return wasTie ? digits.slice(0, -1) + String(last - 1) : digits;
}

/** `digits`, the point being after the first one, times 10 to the `exponent`, in the style of "%g". */
function layOut(digits: string, exponent: number): string {
  if (exponent < -4 || exponent >= DOUBLE_DIGITS) {
    const sign = exponent < 0 ? "-" : "+", magnitude = String(Math.abs(exponent)).padStart(2, "0");
    return `${trimZeros(`${digits[0]}.${digits.slice(1)}`)}e${sign}${magnitude}`;
  }
  if (exponent < 0) return trimZeros(`0.${"0".repeat(-exponent - 1)}${digits}`);
  const fraction = digits.slice(exponent + 1);
  return fraction === "" ? digits : trimZeros(`${digits.slice(0, exponent + 1)}.${fraction}`);
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** mantissa * 2^exponent: zero, or a magnitude that a finite long double has. */
interface LongDouble {
  readonly mantissa: bigint;
  readonly exponent: number;
}

export type FloatSum =
  | { readonly kind: "number"; readonly text: string }
  /** One of the texts is no float, or one that long doubles cannot hold. */
  | { readonly kind: "invalid" }
  | { readonly kind: "not-finite" };

const ZERO: LongDouble = { mantissa: 0n, exponent: 0 };
const MANTISSA_BITS = 64;
/** The smallest denormal is 2^-16445. */
const EXPONENT_MIN = -16445;
/** Every finite long double is below 2^16384. */
const MAGNITUDE_BITS_MAX = 16384;
/** Powers of ten that are surely too large, or surely round to zero; what lies between is computed. */
const DECIMAL_EXPONENT_MAX = 4940;
const DECIMAL_EXPONENT_MIN = -4960;
/** Redis reads a float through a buffer of 5 KiB; longer texts are none. */
const TEXT_BYTES_MAX = 5 * 1024 - 1;
const FRACTION_DIGITS = 17;

/** The sum of two decimal texts in long double arithmetic, as "%.17Lf" without trailing zeros: what INCRBYFLOAT stores. */
export function incrByFloat(a: string, b: string): FloatSum {
  const left = parse(a), right = parse(b);
  if (left === null || right === null) return { kind: "invalid" };
  if (left === "infinite" || right === "infinite") return { kind: "not-finite" };
  const sum = add(left, right);
  return sum === null ? { kind: "not-finite" } : { kind: "number", text: format(sum) };
}

/** What strtold reads, provided that it reads all of it and neither overflows nor underflows to zero; null otherwise. */
function parse(text: string): LongDouble | "infinite" | null {
  if (text.length > TEXT_BYTES_MAX) return null;
  if (/^[+-]?inf(inity)?$/i.test(text)) return "infinite";
  const hex = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?$/i.exec(text);
  if (hex !== null) return signed(hex[1], parseHex(hex[2], hex[3] ?? "", Number(hex[4] ?? 0)));
  const decimal = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:e([+-]?[0-9]+))?$/i.exec(text);
  return decimal && signed(decimal[1], parseDecimal(decimal[2], decimal[3] ?? "", Number(decimal[4] ?? 0)));
}

function parseHex(whole: string, fraction: string, power: number): LongDouble | null {
  if (whole.length + fraction.length === 0) return null;
  const mantissa = BigInt(`0x${whole}${fraction}`), exponent = power - 4 * fraction.length;
  if (mantissa === 0n) return ZERO;
  const magnitudeBits = bitLength(mantissa) + exponent;
  if (magnitudeBits > MAGNITUDE_BITS_MAX || magnitudeBits < EXPONENT_MIN) return null;
  return nonZero(round(mantissa, 1n, exponent));
}

function parseDecimal(whole: string, fraction: string, power: number): LongDouble | null {
  if (whole.length + fraction.length === 0) return null;
  const digits = (whole + fraction).replace(/^0+/, ""), exponent = power - fraction.length;
  if (digits === "") return ZERO;
  const magnitude = digits.length + exponent;
  if (magnitude > DECIMAL_EXPONENT_MAX || magnitude < DECIMAL_EXPONENT_MIN) return null;
  const mantissa = BigInt(digits);
  return nonZero(
    exponent >= 0 ? round(mantissa * 10n ** BigInt(exponent), 1n, 0) : round(mantissa, 10n ** BigInt(-exponent), 0),
  );
}

function nonZero(value: LongDouble | null): LongDouble | null {
  return value === null || value.mantissa === 0n ? null : value;
}

function signed(sign: string, value: LongDouble | null): LongDouble | null {
  return sign === "-" && value !== null ? { mantissa: -value.mantissa, exponent: value.exponent } : value;
}

/** numerator / denominator * 2^scale (numerator above 0) as the nearest long double, ties to even; null when too large for one. */
function round(numerator: bigint, denominator: bigint, scale: number): LongDouble | null {
  // Between 64 and 65 bits of quotient are asked for, or fewer where the number is denormal.
  const exponent = Math.max(bitLength(numerator) - bitLength(denominator) - MANTISSA_BITS, EXPONENT_MIN - scale);
  let top = numerator, bottom = denominator;
  if (exponent < 0) top <<= BigInt(-exponent);
  else bottom <<= BigInt(exponent);
  const isLong = exponent > EXPONENT_MIN - scale && bitLength(top / bottom) > MANTISSA_BITS;
  if (isLong) bottom <<= 1n;
  const mantissa = divideToEven(top, bottom), power = exponent + scale + (isLong ? 1 : 0);
  return bitLength(mantissa) + power > MAGNITUDE_BITS_MAX ? null : { mantissa, exponent: power };
}

function divideToEven(top: bigint, bottom: bigint): bigint {
  const quotient = top / bottom, twice = (top - quotient * bottom) * 2n;
  return twice > bottom || (twice === bottom && (quotient & 1n) === 1n) ? quotient + 1n : quotient;
}

/** Null when the sum overflows. */
function add(a: LongDouble, b: LongDouble): LongDouble | null {
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  if (sum === 0n) return ZERO;
  return sum < 0n ? signed("-", round(-sum, 1n, exponent)) : round(sum, 1n, exponent);
}

function format({ mantissa, exponent }: LongDouble): string {
  const negative = mantissa < 0n, magnitude = negative ? -mantissa : mantissa;
  const scaled = magnitude * 10n ** BigInt(FRACTION_DIGITS);
  const rounded = exponent >= 0 ? scaled << BigInt(exponent) : divideToEven(scaled, 1n << BigInt(-exponent));
  const digits = rounded.toString().padStart(FRACTION_DIGITS + 1, "0");
  const text = trimZeros(`${digits.slice(0, -FRACTION_DIGITS)}.${digits.slice(-FRACTION_DIGITS)}`);
  return negative && text !== "0" ? `-${text}` : text;
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const hex = value.toString(16);
  return hex.length * 4 - Math.clz32(Number.parseInt(hex[0], 16)) + 28;
}
