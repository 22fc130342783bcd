/**
 * Numbers as configuration spells them, read with Redis's rules (string2ll, strtoll, memtoull) and 64-bit arithmetic.
 * Invariant: a bigint that leaves here fits in 64 bits; where C wraps or saturates, so do these.
 * Never used on a hot path: values are parsed once, then kept as plain numbers.
 */

import type { ByteString } from "./config_text.ts";

export const I64_MIN = -(1n << 63n);
export const I64_MAX = (1n << 63n) - 1n;
export const U64_MAX = (1n << 64n) - 1n;

const KB = 1024n;
const MB = KB * 1024n;
const GB = MB * 1024n;
const MEMORY_UNITS: ReadonlyMap<string, bigint> = new Map([
  ["", 1n],
  ["b", 1n],
  ["k", 1000n],
  ["kb", KB],
  ["m", 1000_000n],
  ["mb", MB],
  ["g", 1000_000_000n],
  ["gb", GB],
]);
const MEMORY_DIGITS_MAX = 127;

/** A whole decimal number without sign padding or leading zeros, or null (string2ll). */
export function parseStrictInteger(text: ByteString): bigint | null {
  if (text.length > 20 || !/^(0|-?[1-9][0-9]*)$/.test(text)) return null;
  const value = BigInt(text);
  return value < I64_MIN || value > I64_MAX ? null : value;
}

/**
 * What strtoll accepts in full: leading blanks, a sign, leading zeros; an empty text is 0; saturates. Null otherwise.
 */
export function parseLooseInteger(text: ByteString): bigint | null {
  if (text === "") return 0n;
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-9]+)$/.exec(text);
  if (match === null) return null;
  const magnitude = BigInt(match[2]);
  const value = match[1] === "-" ? -magnitude : magnitude;
  return value < I64_MIN ? I64_MIN : value > I64_MAX ? I64_MAX : value;
}

/** An octal number as strtoll with base 8 takes it; an empty text is 0. Null otherwise or when it does not fit. */
export function parseOctal(text: ByteString): bigint | null {
  if (text === "") return 0n;
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-7]+)$/.exec(text);
  if (match === null) return null;
  const magnitude = BigInt("0o" + match[2]);
  const value = match[1] === "-" ? -magnitude : magnitude;
  return value < I64_MIN || value > I64_MAX ? null : value;
}

/**
 * Bytes with an optional unit (b, k, kb, m, mb, g, gb in any case), wrapped to unsigned 64 bits as memtoull does.
 * Null otherwise.
 */
export function parseMemory(text: ByteString): bigint | null {
  const match = /^([0-9]*)([a-zA-Z]*)$/.exec(text);
  if (match === null || match[1].length > MEMORY_DIGITS_MAX) return null;
  const unit = MEMORY_UNITS.get(match[2].toLowerCase());
  if (unit === undefined) return null;
  const count = match[1] === "" ? 0n : BigInt(match[1]);
  return BigInt.asUintN(64, (count > U64_MAX ? U64_MAX : count) * unit);
}

/** The shortest exact spelling that redis.conf reads back: "1gb", "64mb", "3kb" or plain bytes. */
export function formatMemory(bytes: bigint): string {
  if (bytes !== 0n && bytes % GB === 0n) return `${bytes / GB}gb`;
  if (bytes !== 0n && bytes % MB === 0n) return `${bytes / MB}mb`;
  if (bytes !== 0n && bytes % KB === 0n) return `${bytes / KB}kb`;
  return `${bytes}`;
}

/** A finite or infinite decimal that uses the whole text, or null (string2d). */
export function parseDecimal(text: ByteString): number | null {
  const infinity = /^([+-]?)inf(inity)?$/i.exec(text);
  if (infinity !== null) return infinity[1] === "-" ? -Infinity : Infinity;
  if (!/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(text)) return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/** Six decimals without trailing zeros: 99.9, 50. */
export function formatDecimal(value: number): string {
  return value.toFixed(6).replace(/\.?0+$/, "");
}
