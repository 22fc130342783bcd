/**
 * Checks a listpack that came from outside (a file, RESTORE) before any code that trusts listpacks sees it.
 *
 * Two questions, kept apart:
 *  - is it *sound*: header, every encoding and length inside the range, every backlen equal to what precedes it, the end byte at
 *    the end, the count true. Always asked: reading code relies on it, and a walk costs less than reading the file did.
 *  - does it make sense as what it shall be: no field twice. Asked when payloads are sanitised deeply (`sanitize-dump-payload`).
 * A listpack may be sound and yet spell an integer as a string, or wider than needed, as Redis itself never does. Look-ups compare
 * encodings, so such a listpack is to be rebuilt: `isCanonical` says so.
 * Takes time O(n log n) and memory O(number of elements), whatever the bytes are. Never changes or keeps the bytes.
 */
import { compareRanges } from "../base/bytes.ts";
import { isDecimal } from "../base/decimal.ts";
import { I64, INTEGER_TEXT_BYTES_MAX, parseI64 } from "../base/integer.ts";
import {
  backlenBytes,
  elementBytes,
  firstElement,
  LISTPACK_EMPTY_BYTES,
  LISTPACK_END,
  LISTPACK_HEADER_BYTES,
  listpackBytes,
  ListpackElement,
  nextElement,
  readElement,
} from "./listpack.ts";
import { ListpackBuilder } from "./listpack_builder.ts";

const COUNT_UNKNOWN = 0xffff;
const FIRST_INTEGER_16 = 0xf1, LAST_ENCODING = 0xf4;
const ZERO = 0x30, NINE = 0x39;

export class ListpackCheck {
  /** Of the last listpack found sound. */
  count = 0;
  isCanonical = true;
  readonly #integer = new I64();
  readonly #element = new ListpackElement();
  readonly #other = new ListpackElement();

  /** What is wrong with the listpack that shall fill the range [start, start + length) of `bytes`; "" when it is sound. */
  fault(bytes: Uint8Array, start: number, length: number): string {
    if (length < LISTPACK_EMPTY_BYTES) return "it is shorter than an empty listpack";
    if (listpackBytes(bytes, start) !== length) return "its header names another size";
    const end = start + length - 1;
    if (bytes[end] !== LISTPACK_END) return "it does not end with the end byte";
    this.isCanonical = true;
    let count = 0, place = start + LISTPACK_HEADER_BYTES;
    for (; place < end; count++) {
      if (bytes[place] > LAST_ENCODING) return `element ${count} has an unknown encoding`;
      if (place + lengthHeadBytes(bytes[place]) > end) return `element ${count} reaches beyond the end`;
      const size = elementBytes(bytes, place), backlen = backlenBytes(size), next = place + size + backlen;
      if (next > end) return `element ${count} reaches beyond the end`;
      if (!backlenIs(bytes, next, backlen, size)) return `the length after element ${count} is not its length`;
      if (this.isCanonical && !this.#isCanonicalAt(bytes, place, size)) this.isCanonical = false;
      place = next;
    }
    const named = bytes[start + 4] | (bytes[start + 5] << 8);
    if (named !== COUNT_UNKNOWN && named !== count) return `its header names ${named} elements, it has ${count}`;
    this.count = count;
    return "";
  }

  /** The same for pairs of field and value; with `deep` no field may come twice. */
  pairsFault(bytes: Uint8Array, start: number, length: number, deep: boolean): string {
    const fault = this.fault(bytes, start, length);
    if (fault !== "") return fault;
    if (this.count % 2 !== 0) return "it has a field without a value";
    return deep && this.hasDuplicates(bytes, start, 2) ? "it has a field twice" : "";
  }

  /** Whether two of every `step`-th element of a sound listpack, from the first on, are the same string. */
  hasDuplicates(bytes: Uint8Array, start: number, step: number): boolean {
    const places = new Uint32Array(Math.ceil(this.count / step));
    let found = 0, index = 0;
    for (let at = firstElement(bytes, start); at >= 0; at = nextElement(bytes, start, at)) {
      if (index++ % step === 0) places[found++] = at;
    }
    places.sort((a, b) => this.#compare(bytes, start, a, b));
    for (let i = 1; i < found; i++) if (this.#compare(bytes, start, places[i - 1], places[i]) === 0) return true;
    return false;
  }

  /** Whether the elements 1, 3, 5 … of a sound listpack of pairs are finite or infinite decimal numbers, as scores must be. */
  hasOnlyScores(bytes: Uint8Array, start: number): boolean {
    const element = this.#element;
    let isScore = false;
    for (let at = firstElement(bytes, start); at >= 0; at = nextElement(bytes, start, at)) {
      if (isScore && bytes[start + at] >= 0x80) {
        readElement(bytes, start, at, element);
        if (!element.isInteger && !isDecimal(bytes, element.start, element.length)) return false;
      }
      isScore = !isScore;
    }
    return true;
  }

  /** The same elements in the encodings that Redis chooses. */
  rebuilt(bytes: Uint8Array, start: number, length: number): ListpackBuilder {
    const builder = new ListpackBuilder(length), element = this.#element;
    for (let at = firstElement(bytes, start); at >= 0; at = nextElement(bytes, start, at)) {
      readElement(bytes, start, at, element);
      if (element.isInteger) builder.appendInteger(element.integer);
      else builder.append(bytes, element.start, element.length);
    }
    builder.finish();
    return builder;
  }

  #compare(bytes: Uint8Array, start: number, a: number, b: number): number {
    const left = this.#element, right = this.#other;
    readElement(bytes, start, a, left), readElement(bytes, start, b, right);
    const leftBytes = left.text(bytes), rightBytes = right.text(bytes);
    return compareRanges(leftBytes, left.start, left.length, rightBytes, right.start, right.length);
  }

  #isCanonicalAt(bytes: Uint8Array, place: number, size: number): boolean {
    const first = bytes[place];
    if (first < 0x80) return true;
    if (first < 0xc0) return !this.#spellsInteger(bytes, place + 1, size - 1);
    if (first < 0xe0) {
      const value = (((first & 0x1f) << 8) | bytes[place + 1]) << 19 >> 19;
      return value < 0 || value > 127;
    }
    if (first < 0xf0) return size >= 2 + 64;
    if (first < FIRST_INTEGER_16) return size >= 5 + 4096;
    return isWidthNeeded(bytes, place, first);
  }

  #spellsInteger(bytes: Uint8Array, start: number, length: number): boolean {
    if (length === 0 || length > INTEGER_TEXT_BYTES_MAX) return false;
    const last = bytes[start + length - 1];
    return last >= ZERO && last <= NINE && parseI64(bytes, start, length, this.#integer);
  }
}

/** Bytes that must be there to know the element's length. */
function lengthHeadBytes(first: number): number {
  return first < 0xe0 || first > 0xf0 ? 1 : first < 0xf0 ? 2 : 5;
}

/** Whether the `count` bytes before `end` spell `size` as a backlen. */
function backlenIs(bytes: Uint8Array, end: number, count: number, size: number): boolean {
  let rest = size;
  for (let i = 1; i <= count; i++) {
    if (bytes[end - i] !== ((rest % 128) | (i === count ? 0 : 0x80))) return false;
    rest = Math.floor(rest / 128);
  }
  return true;
}

/** Whether an integer of 16, 24, 32 or 64 bits does not fit the next smaller encoding. */
function isWidthNeeded(bytes: Uint8Array, place: number, first: number): boolean {
  const at = place + 1;
  if (first === 0xf1) {
    const value = (bytes[at] | (bytes[at + 1] << 8)) << 16 >> 16;
    return value < -4096 || value > 4095;
  }
  // The bytes beyond the smaller width must not all be copies of its sign.
  const width = first === 0xf2 ? 3 : first === 0xf3 ? 4 : 8, smaller = first === 0xf4 ? 4 : width - 1;
  const sign = bytes[at + smaller - 1] >= 0x80 ? 0xff : 0;
  for (let i = smaller; i < width; i++) if (bytes[at + i] !== sign) return true;
  return false;
}
