/**
 * The arguments of one request: slices of the buffer they arrived in, never strings. Valid until the request's reader moves on, so
 * who wants to keep them copies (`copyTo`). Argument 0 is the command's name.
 */
import { ascii, equalsIgnoreCase, latin1Decode, utf8Decode } from "../base/bytes.ts";
import { type I64, parseI64, parseSafeInteger } from "../base/integer.ts";
import { parseDouble } from "../base/strtod.ts";

const ARGS_START = 16;
const REDACTED = ascii("(redacted)");

export class Args {
  bytes: Uint8Array = new Uint8Array(0);
  offsets: Int32Array = new Int32Array(ARGS_START);
  lengths: Int32Array = new Int32Array(ARGS_START);
  count = 0;
  /** Where the request stands in `bytes` when it came as a RESP array: [rawStart, rawEnd) can be logged verbatim. Else rawEnd is 0. */
  rawStart = 0;
  rawEnd = 0;
  /** Arguments that are secrets. */
  readonly #redacted: number[] = [];

  push(offset: number, length: number): void {
    if (this.count === this.offsets.length) this.#grow();
    this.offsets[this.count] = offset;
    this.lengths[this.count++] = length;
  }

  #grow(): void {
    const offsets = new Int32Array(this.count * 2), lengths = new Int32Array(this.count * 2);
    offsets.set(this.offsets), lengths.set(this.lengths);
    this.offsets = offsets, this.lengths = lengths;
  }

  clear(): void {
    this.count = 0, this.rawEnd = 0;
    if (this.#redacted.length > 0) this.#redacted.length = 0;
    if (this.offsets.length > 4096) {
      this.offsets = new Int32Array(ARGS_START), this.lengths = new Int32Array(ARGS_START);
    }
  }

  /** The argument's bytes as a view; for code that is not hot. */
  slice(index: number): Uint8Array {
    return this.bytes.subarray(this.offsets[index], this.offsets[index] + this.lengths[index]);
  }

  /** The argument is a secret: MONITOR and the slow log must not show it. */
  redact(index: number): void {
    this.#redacted.push(index);
  }

  /** What of the argument may be shown. */
  shown(index: number): Uint8Array {
    return this.#redacted.includes(index) ? REDACTED : this.slice(index);
  }

  text(index: number): string {
    return utf8Decode(this.bytes, this.offsets[index], this.offsets[index] + this.lengths[index]);
  }

  /** One character a byte: a key for maps that loses nothing. */
  latin1(index: number): string {
    return latin1Decode(this.bytes, this.offsets[index], this.offsets[index] + this.lengths[index]);
  }

  /** Compares with an upper-case ASCII word. */
  is(index: number, upper: Uint8Array): boolean {
    return equalsIgnoreCase(this.bytes, this.offsets[index], this.lengths[index], upper);
  }

  equalsIgnoreCase(index: number, word: string): boolean {
    return this.lengths[index] === word.length && this.text(index).toLowerCase() === word.toLowerCase();
  }

  /** For key searches: the integer, or null. */
  integer(index: number): number | null {
    const value = this.safeInteger(index);
    return Number.isNaN(value) ? null : value;
  }

  /** A safe integer, or NaN when the argument is not one (or is beyond 2^53). */
  safeInteger(index: number): number {
    return parseSafeInteger(this.bytes, this.offsets[index], this.lengths[index]);
  }

  /** A double by strtod's rules, or NaN when the argument is none as a whole. */
  double(index: number): number {
    return parseDouble(this.bytes, this.offsets[index], this.lengths[index]);
  }

  i64(index: number, into: I64): boolean {
    return parseI64(this.bytes, this.offsets[index], this.lengths[index], into);
  }

  /** Bytes of all arguments together. */
  get totalBytes(): number {
    let total = 0;
    for (let i = 0; i < this.count; i++) total += this.lengths[i];
    return total;
  }

  /** Makes this a copy of `other` that owns its bytes. */
  copyFrom(other: Args): void {
    const bytes = new Uint8Array(other.totalBytes);
    this.clear();
    for (let i = 0, at = 0; i < other.count; i++) {
      bytes.set(other.slice(i), at);
      this.push(at, other.lengths[i]);
      at += other.lengths[i];
    }
    this.bytes = bytes;
  }

  /** Makes these the arguments, in a buffer of their own. */
  setAll(parts: readonly Uint8Array[]): void {
    let total = 0;
    for (const part of parts) total += part.length;
    const bytes = new Uint8Array(total);
    this.clear();
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      this.push(at, part.length);
      at += part.length;
    }
    this.bytes = bytes;
  }
}
