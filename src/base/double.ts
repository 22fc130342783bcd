/**
 * Floating point as Redis reads and writes it: "%.17g" for doubles, and INCRBYFLOAT's x87 long doubles (64-bit mantissa), which are
 * computed exactly here, with integers, because no JavaScript number holds them.
 */

/** The text of a double as C's "%.17g" gives it; "inf", "-inf" and "nan" for what is not finite. */
export function formatDouble17(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return Object.is(value, -0) ? "-0" : String(value);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [digits, exponentText] = value.toExponential(16).split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 17) {
    const sign = exponent < 0 ? "-" : "+", magnitude = String(Math.abs(exponent)).padStart(2, "0");
    return `${trimZeros(digits)}e${sign}${magnitude}`;
  }
  return trimZeros(value.toFixed(Math.min(100, Math.max(0, 16 - exponent))));
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** m * 2^e, with |m| below 2^64 and, but for zero, at least 2^63. */
interface LongDouble {
  readonly mantissa: bigint;
  readonly exponent: number;
}

export type FloatSum =
  | { readonly kind: "number"; readonly text: string }
  /** One of the texts is no float, or one that long doubles cannot hold. */
  | { readonly kind: "invalid" }
  | { readonly kind: "not-finite" };

const MANTISSA_BITS = 64;
/** Largest exponent of ten that is looked at: far beyond what a long double holds (4932). */
const EXPONENT_MAX = 5000;
const FRACTION_DIGITS = 17;

/** The sum of two decimal texts in long double arithmetic, as "%.17Lf" without trailing zeros: what INCRBYFLOAT stores. */
export function incrByFloat(a: string, b: string): FloatSum {
  const left = parse(a), right = parse(b);
  if (left === null || right === null) return { kind: "invalid" };
  if (left === "infinite" || right === "infinite") return { kind: "not-finite" };
  return { kind: "number", text: format(add(left, right)) };
}

function parse(text: string): LongDouble | "infinite" | null {
  if (/^[+-]?inf(inity)?$/i.test(text)) return "infinite";
  const hex = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?$/i.exec(text);
  if (hex !== null && (hex[2] + (hex[3] ?? "")).length > 0) {
    const exponent = Number(hex[4] ?? 0) - 4 * (hex[3] ?? "").length;
    if (Math.abs(exponent) > EXPONENT_MAX * 4) return null;
    return signed(hex[1], round(BigInt(`0x${hex[2]}${hex[3] ?? ""}`), 1n, exponent));
  }
  const match = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:e([+-]?[0-9]+))?$/i.exec(text);
  if (match === null || (match[2] + (match[3] ?? "")).length === 0) return null;
  const digits = BigInt(match[2] + (match[3] ?? ""));
  const exponent = Number(match[4] ?? 0) - (match[3] ?? "").length;
  if (digits === 0n) return { mantissa: 0n, exponent: 0 };
  if (Math.abs(exponent) > EXPONENT_MAX) return null;
  return signed(
    match[1],
    exponent >= 0 ? round(digits * 10n ** BigInt(exponent), 1n, 0) : round(digits, 10n ** BigInt(-exponent), 0),
  );
}

function signed(sign: string, value: LongDouble): LongDouble {
  return sign === "-" ? { mantissa: -value.mantissa, exponent: value.exponent } : value;
}

/** numerator / denominator * 2^scale, to the nearest long double, ties to even; numerator is not negative. */
function round(numerator: bigint, denominator: bigint, scale: number): LongDouble {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 };
  const shift = MANTISSA_BITS - (bitLength(numerator) - bitLength(denominator));
  let exponent = -shift, top = numerator, bottom = denominator;
  if (shift > 0) top <<= BigInt(shift);
  else bottom <<= BigInt(-shift);
  let quotient = top / bottom;
  if (bitLength(quotient) > MANTISSA_BITS) bottom <<= 1n, exponent++, quotient = top / bottom;
  const twice = (top % bottom) * 2n;
  if (twice > bottom || (twice === bottom && (quotient & 1n) === 1n)) quotient++;
  return { mantissa: quotient, exponent: exponent + scale };
}

function add(a: LongDouble, b: LongDouble): LongDouble {
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  return sum < 0n ? signed("-", round(-sum, 1n, exponent)) : round(sum, 1n, exponent);
}

function format({ mantissa, exponent }: LongDouble): string {
  const negative = mantissa < 0n, magnitude = negative ? -mantissa : mantissa;
  let scaled = magnitude * 10n ** BigInt(FRACTION_DIGITS);
  if (exponent >= 0) scaled <<= BigInt(exponent);
  else {
    const divisor = 1n << BigInt(-exponent), twice = (scaled % divisor) * 2n;
    scaled /= divisor;
    if (twice > divisor || (twice === divisor && (scaled & 1n) === 1n)) scaled++;
  }
  const digits = scaled.toString().padStart(FRACTION_DIGITS + 1, "0");
  const text = trimZeros(`${digits.slice(0, -FRACTION_DIGITS)}.${digits.slice(-FRACTION_DIGITS)}`);
  return negative && text !== "0" ? `-${text}` : text;
}

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(16).length * 4 - Math.clz32(Number.parseInt(value.toString(16)[0], 16)) + 28;
}
