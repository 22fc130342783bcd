/**
 * Listpack: a sequence of small strings and integers in one block, byte for byte what Redis 7.0 keeps in memory and in RDB files
 * (format: listpack.md of its author; listpack.c).
 *
 *   0             4         6
 *   | total bytes | count   | element | element | … | 0xff
 *     u32           u16       little-endian; count 65535 means "walk to know"
 *   element: | encoding (1–5 bytes) and data | backlen (1–5 bytes: length of what is before it, 7 bits a byte, read backwards) |
 *     0xxxxxxx                    unsigned 7 bits          10xxxxxx data             string, 6 bits of length
 *     110xxxxx xxxxxxxx           signed 13 bits           1110xxxx xxxxxxxx data    string, 12 bits of length
 *     0xf1 0xf2 0xf3 0xf4         signed 16, 24, 32, 64    0xf0 u32 data             string, 32 bits of length
 *
 * Two halves: pure functions that read a listpack starting at `bytes[lp]` (live segments and copies of frozen ones alike), and
 * `Listpacks`, which changes listpacks that are blocks of paged memory of their own (the listpack starts where the block does).
 * Places in a listpack (`at`) are offsets from its start; -1 is "none". A change may move the block: the caller stores the address
 * that it returns. Integers are strings that spell a canonical 64-bit integer, as in Redis: equal strings have one encoding.
 * Reading trusts the bytes: what comes from outside is checked by `listpack_check.ts` first.
 */
import { formatI64, I64, INTEGER_TEXT_BYTES_MAX, parseI64 } from "../base/integer.ts";
import {
  type Address,
  type Allocator,
  type LiveMemory,
  type MemoryReader,
  OutOfArenaError,
  OWNER,
  type Owner,
} from "../memory/mod.ts";

export const LISTPACK_HEADER_BYTES = 6;
export const LISTPACK_EMPTY_BYTES = 7;
export const LISTPACK_END = 0xff;
/** Redis refuses to let one grow beyond this. */
export const LISTPACK_BYTES_MAX = 1 << 30;
const COUNT_UNKNOWN = 0xffff;
const NONE_AT = -1;
/** A block that is more than twice too large is exchanged when its listpack shrinks. */
const SHRINK_BYTES_MIN = 256;

// ---- reading ---------------------------------------------------------------------------------------------------------

export function listpackBytes(bytes: Uint8Array, lp: number): number {
  return (bytes[lp] | (bytes[lp + 1] << 8) | (bytes[lp + 2] << 16) | (bytes[lp + 3] << 24)) >>> 0;
}

/** Number of elements; walks only when there are 65535 or more. */
export function listpackCount(bytes: Uint8Array, lp: number): number {
  const count = bytes[lp + 4] | (bytes[lp + 5] << 8);
  if (count !== COUNT_UNKNOWN) return count;
  let walked = 0;
  for (let at = firstElement(bytes, lp); at >= 0; at = nextElement(bytes, lp, at)) walked++;
  return walked;
}

/** Bytes of encoding and data of the element whose encoding byte is at `bytes[place]`. */
export function elementBytes(bytes: Uint8Array, place: number): number {
  const first = bytes[place];
  if (first < 0x80) return 1;
  if (first < 0xc0) return 1 + (first & 0x3f);
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 2 + (((first & 0x0f) << 8) | bytes[place + 1]);
  switch (first) {
    case 0xf0:
      return 5 + u32At(bytes, place + 1);
    case 0xf1:
      return 3;
    case 0xf2:
      return 4;
    case 0xf3:
      return 5;
    default:
      return 9;
  }
}

/** Bytes that the backlen of an element of this size takes: as Redis counts, which gives a size one below a power one byte more. */
export function backlenBytes(elementBytes: number): number {
  return elementBytes < 128
    ? 1
    : elementBytes < 16383
    ? 2
    : elementBytes < 2097151
    ? 3
    : elementBytes < 268435455
    ? 4
    : 5;
}

/** Bytes that a string of this length takes at most as an element, whatever it spells. */
export function elementBytesMax(length: number): number {
  return length + (length < 64 ? 2 : length < 4096 ? 4 : 10);
}

export function firstElement(bytes: Uint8Array, lp: number): number {
  return bytes[lp + LISTPACK_HEADER_BYTES] === LISTPACK_END ? NONE_AT : LISTPACK_HEADER_BYTES;
}

/** Place of the last element. */
export function lastElement(bytes: Uint8Array, lp: number): number {
  return previousElement(bytes, lp, listpackBytes(bytes, lp) - 1);
}

export function nextElement(bytes: Uint8Array, lp: number, at: number): number {
  const size = elementBytes(bytes, lp + at), next = at + size + backlenBytes(size);
  return bytes[lp + next] === LISTPACK_END ? NONE_AT : next;
}

/** Place of the element before the one at `at` (or before the end). */
export function previousElement(bytes: Uint8Array, lp: number, at: number): number {
  if (at <= LISTPACK_HEADER_BYTES) return NONE_AT;
  let place = lp + at - 1, size = bytes[place] & 0x7f, shift = 7;
  while (bytes[place] >= 0x80) {
    place--;
    size += (bytes[place] & 0x7f) * 2 ** shift;
    shift += 7;
  }
  return at - size - backlenBytes(size);
}

/** Place of the element with this index (negative: from the end), or -1. Walks from the nearer end. */
export function seekElement(bytes: Uint8Array, lp: number, index: number): number {
  const count = bytes[lp + 4] | (bytes[lp + 5] << 8);
  let forward = index >= 0;
  if (count !== COUNT_UNKNOWN) {
    if (index < 0) index += count;
    if (index < 0 || index >= count) return NONE_AT;
    forward = index <= count / 2;
    if (!forward) index -= count;
  }
  let at = forward ? firstElement(bytes, lp) : lastElement(bytes, lp);
  if (forward) { for (; index > 0 && at >= 0; index--) at = nextElement(bytes, lp, at); }
  else for (; index < -1 && at >= 0; index++) at = previousElement(bytes, lp, at);
  return at;
}

/** What `readElement` found: an integer, or the bytes [start, start + length) of the buffer it was read from. One instance is reused. */
export class ListpackElement {
  isInteger = false;
  readonly integer: I64 = new I64();
  start = 0;
  length = 0;
  /** The text of an integer, for `text`. */
  readonly digits: Uint8Array = new Uint8Array(INTEGER_TEXT_BYTES_MAX);

  /** The array that holds the element's string form: `bytes` itself or `digits`, from `start` on for `length`. */
  text(bytes: Uint8Array): Uint8Array {
    if (!this.isInteger) return bytes;
    this.start = 0;
    this.length = formatI64(this.integer, this.digits, 0);
    return this.digits;
  }
}

export function readElement(bytes: Uint8Array, lp: number, at: number, into: ListpackElement): void {
  const place = lp + at, first = bytes[place];
  if (first >= 0x80 && first < 0xc0) return asString(into, place + 1, first & 0x3f);
  if (first >= 0xe0 && first < 0xf0) return asString(into, place + 2, ((first & 0x0f) << 8) | bytes[place + 1]);
  if (first === 0xf0) return asString(into, place + 5, u32At(bytes, place + 1));
  into.isInteger = true;
  if (first < 0x80) into.integer.setNumber(first);
  else if (first < 0xe0) into.integer.setNumber(((((first & 0x1f) << 8) | bytes[place + 1]) << 19) >> 19);
  else if (first === 0xf1) into.integer.setNumber(((bytes[place + 1] | (bytes[place + 2] << 8)) << 16) >> 16);
  else if (first === 0xf2) {
    into.integer.setNumber(((bytes[place + 1] | (bytes[place + 2] << 8) | (bytes[place + 3] << 16)) << 8) >> 8);
  } else if (first === 0xf3) into.integer.setNumber(u32At(bytes, place + 1) | 0);
  else into.integer.readLittleEndian(bytes, place + 1);
}

/** The element as a number: an integer, rounded beyond 2^53, or NaN for a string. */
export function elementNumber(bytes: Uint8Array, lp: number, at: number): number {
  const place = lp + at, first = bytes[place];
  if (first < 0x80) return first;
  if (first >= 0xc0 && first < 0xe0) return ((((first & 0x1f) << 8) | bytes[place + 1]) << 19) >> 19;
  if (first <= 0xf0) return NaN;
  if (first === 0xf1) return ((bytes[place + 1] | (bytes[place + 2] << 8)) << 16) >> 16;
  if (first === 0xf2) return ((bytes[place + 1] | (bytes[place + 2] << 8) | (bytes[place + 3] << 16)) << 8) >> 8;
  if (first === 0xf3) return u32At(bytes, place + 1) | 0;
  return (u32At(bytes, place + 5) | 0) * 2 ** 32 + u32At(bytes, place + 1);
}

function asString(into: ListpackElement, start: number, length: number): void {
  into.isInteger = false, into.start = start, into.length = length;
}

function u32At(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/**
 * What one element is encoded as, before it is written somewhere: the head (and all of an integer), then the string's bytes, then the
 * backlen. Shared by everything that builds listpacks; one instance is reused.
 */
export class ElementEncoder {
  /** Encoding and, for integers, the value. */
  readonly head: Uint8Array = new Uint8Array(9);
  headBytes = 0;
  /** Bytes of string data that follow the head; 0 for integers. */
  dataBytes = 0;
  readonly backlen: Uint8Array = new Uint8Array(5);
  backlenBytes = 0;
  readonly #integer = new I64();

  /** Bytes of the whole element. */
  get sizeBytes(): number {
    return this.headBytes + this.dataBytes + this.backlenBytes;
  }

  /** Encodes a string, as an integer where it spells one. */
  ofBytes(source: Uint8Array, start: number, length: number): this {
    if (length <= INTEGER_TEXT_BYTES_MAX && mayBeInteger(source, start, length)) {
      if (parseI64(source, start, length, this.#integer)) return this.ofInteger(this.#integer);
    }
    const head = this.head;
    if (length < 64) head[0] = 0x80 | length, this.headBytes = 1;
    else if (length < 4096) head[0] = 0xe0 | (length >>> 8), head[1] = length & 0xff, this.headBytes = 2;
    else head[0] = 0xf0, this.#little(length, 4), this.headBytes = 5;
    return this.#finish(length);
  }

  ofInteger(value: I64): this {
    const head = this.head, n = value.hi === 0 || value.hi === -1 ? value.toNumber() : NaN;
    if (n >= 0 && n <= 127) head[0] = n, this.headBytes = 1;
    else if (n >= -4096 && n <= 4095) head[0] = 0xc0 | ((n >> 8) & 0x1f), head[1] = n & 0xff, this.headBytes = 2;
    else if (n >= -32768 && n <= 32767) head[0] = 0xf1, this.#little(n, 2), this.headBytes = 3;
    else if (n >= -8388608 && n <= 8388607) head[0] = 0xf2, this.#little(n, 3), this.headBytes = 4;
    else if (n >= -2147483648 && n <= 2147483647) head[0] = 0xf3, this.#little(n, 4), this.headBytes = 5;
    else head[0] = 0xf4, value.writeLittleEndian(head, 1), this.headBytes = 9;
    return this.#finish(0);
  }

  #little(value: number, bytes: number): void {
    for (let i = 0; i < bytes; i++) this.head[1 + i] = (value >> (8 * i)) & 0xff;
  }

  #finish(dataBytes: number): this {
    const size = this.headBytes + dataBytes, count = backlenBytes(size), backlen = this.backlen;
    this.dataBytes = dataBytes, this.backlenBytes = count;
    // Most significant seven bits first; every byte but the first says that one more is before it.
    let rest = size;
    for (let i = count - 1; i >= 0; i--) {
      backlen[i] = (rest % 128) | (i === 0 ? 0 : 0x80);
      rest = Math.floor(rest / 128);
    }
    return this;
  }
}

function mayBeInteger(bytes: Uint8Array, start: number, length: number): boolean {
  if (length === 0) return false;
  const first = bytes[start], last = bytes[start + length - 1];
  return ((first >= 0x30 && first <= 0x39) || first === 0x2d) && last >= 0x30 && last <= 0x39;
}

const wanted = new ElementEncoder();

/**
 * Place of the first element from `from` on that equals the string, looking at every `1 + skip`-th (for field-value pairs skip 1),
 * or -1. Equal strings have equal encodings, so heads are compared and then data.
 */
export function findElement(
  bytes: Uint8Array,
  lp: number,
  from: number,
  key: Uint8Array,
  keyAt: number,
  keyLength: number,
  skip: number,
): number {
  if (from < 0) return NONE_AT;
  wanted.ofBytes(key, keyAt, keyLength);
  const head = wanted.head, headBytes = wanted.headBytes, dataBytes = wanted.dataBytes, first = head[0];
  let at = from;
  while (true) {
    const place = lp + at;
    if (bytes[place] === first && headEquals(bytes, place, head, headBytes)) {
      if (dataBytes === 0 || rangeEquals(bytes, place + headBytes, key, keyAt, dataBytes)) return at;
    }
    for (let passed = 0; passed <= skip; passed++) {
      const size = elementBytes(bytes, lp + at);
      at += size + backlenBytes(size);
      if (bytes[lp + at] === LISTPACK_END) return NONE_AT;
    }
  }
}

/** True when the element at `at` equals the string. */
export function elementEquals(
  bytes: Uint8Array,
  lp: number,
  at: number,
  other: Uint8Array,
  otherAt: number,
  otherLength: number,
): boolean {
  wanted.ofBytes(other, otherAt, otherLength);
  return headEquals(bytes, lp + at, wanted.head, wanted.headBytes) &&
    rangeEquals(bytes, lp + at + wanted.headBytes, other, otherAt, wanted.dataBytes);
}

function headEquals(bytes: Uint8Array, place: number, head: Uint8Array, headBytes: number): boolean {
  for (let i = 0; i < headBytes; i++) if (bytes[place + i] !== head[i]) return false;
  return true;
}

/** From the end: the strings of one listpack mostly share how they begin. */
function rangeEquals(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean {
  for (let i = length - 1; i >= 0; i--) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

/** A listpack copied out of live or frozen memory, for code that must not look into segments: `bytes` holds it from 0 on. */
export class ListpackCopy {
  bytes: Uint8Array = new Uint8Array(1024);

  load(memory: MemoryReader, block: Address): void {
    const total = memory.u32(block, 0);
    if (total > this.bytes.length) this.bytes = new Uint8Array(total * 2);
    memory.copyOut(block, 0, this.bytes, 0, total);
  }
}

// ---- changing --------------------------------------------------------------------------------------------------------

/**
 * Changes listpacks in paged memory. One instance serves all of one owner. The bytes that are inserted must not lie in the listpack
 * that is changed. OutOfArenaError leaves the listpack as it was.
 */
export class Listpacks {
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #owner: Owner;
  readonly #encoder = new ElementEncoder();
  /** Where the last insert or replace put its element; after a delete, the element that followed, or -1. */
  at = NONE_AT;

  constructor(memory: LiveMemory, allocator: Allocator, owner: Owner = OWNER.listpack) {
    this.#memory = memory, this.#allocator = allocator, this.#owner = owner;
  }

  /** An empty listpack. */
  create(): Address {
    return this.createFor(LISTPACK_EMPTY_BYTES);
  }

  /** An empty listpack whose block has room for `sizeBytes` in all. */
  createFor(sizeBytes: number): Address {
    const memory = this.#memory, lp = this.#allocator.allocate(Math.max(sizeBytes, LISTPACK_EMPTY_BYTES), this.#owner);
    memory.setU32(lp, 0, LISTPACK_EMPTY_BYTES);
    memory.setU32(lp, 4, LISTPACK_END << 16);
    return lp;
  }

  /** A listpack with this content, which has been checked. */
  ofBytes(source: Uint8Array, start: number, length: number): Address {
    const lp = this.#allocator.allocate(length, this.#owner);
    this.#memory.copyIn(lp, 0, source, start, length);
    return lp;
  }

  copy(lp: Address): Address {
    const total = this.bytes(lp), copy = this.#allocator.allocate(total, this.#owner);
    this.#memory.copy(lp, 0, copy, 0, total);
    return copy;
  }

  free(lp: Address): void {
    this.#allocator.free(lp);
  }

  bytes(lp: Address): number {
    return this.#memory.u32(lp, 0);
  }

  count(lp: Address): number {
    return listpackCount(this.#memory.bytesOf(lp), this.#memory.placeOf(lp));
  }

  append(lp: Address, source: Uint8Array, start: number, length: number): Address {
    this.#encoder.ofBytes(source, start, length);
    return this.#insert(lp, this.bytes(lp) - 1, source, start);
  }

  prepend(lp: Address, source: Uint8Array, start: number, length: number): Address {
    this.#encoder.ofBytes(source, start, length);
    return this.#insert(lp, LISTPACK_HEADER_BYTES, source, start);
  }

  appendInteger(lp: Address, value: I64): Address {
    this.#encoder.ofInteger(value);
    return this.#insert(lp, this.bytes(lp) - 1, this.#encoder.head, 0);
  }

  /**
   * Puts `elements` encoded elements of `length` bytes at the end; in `source` the end byte follows them. The block has the room
   * (`reserve`).
   */
  appendEncoded(lp: Address, source: Uint8Array, start: number, length: number, elements: number): void {
    const memory = this.#memory, words = memory.wordsOf(lp), at = memory.wordOf(lp);
    const total = words[at], head = words[at + 1], count = (head & COUNT_UNKNOWN) + elements;
    memory.copyIn(lp, total - 1, source, start, length + 1);
    memory.setU32(lp, 0, total + length);
    // Behind the count are bytes of the first element.
    memory.setU32(lp, 4, (head & ~COUNT_UNKNOWN) | Math.min(count, COUNT_UNKNOWN));
  }

  /** Moves it to a block of this size unless its own holds as much. */
  reserve(lp: Address, sizeBytes: number): Address {
    return this.#grow(lp, sizeBytes);
  }

  /** Moves it to the smallest block that holds it and `spareBytes` more; it stays where it is when the arena is full. */
  fit(lp: Address, spareBytes: number): Address {
    const sizeBytes = this.bytes(lp) + spareBytes;
    return this.#allocator.sizeFor(sizeBytes) < this.#allocator.allocatedBytes(lp)
      ? this.#moveIfRoom(lp, sizeBytes)
      : lp;
  }

  /** Inserts before the element at `at` (or at the end, for the place of the end). */
  insertBefore(lp: Address, at: number, source: Uint8Array, start: number, length: number): Address {
    this.#encoder.ofBytes(source, start, length);
    return this.#insert(lp, at, source, start);
  }

  insertIntegerBefore(lp: Address, at: number, value: I64): Address {
    this.#encoder.ofInteger(value);
    return this.#insert(lp, at, this.#encoder.head, 0);
  }

  insertAfter(lp: Address, at: number, source: Uint8Array, start: number, length: number): Address {
    return this.insertBefore(lp, this.#afterElement(lp, at), source, start, length);
  }

  replace(lp: Address, at: number, source: Uint8Array, start: number, length: number): Address {
    const size = this.#encoder.ofBytes(source, start, length).sizeBytes, end = this.#afterElement(lp, at);
    if (end - at !== size) return this.#shrink(this.#splice(lp, at, end, source, start, 0));
    this.#overwrite(lp, at, source, start);
    return lp;
  }

  replaceInteger(lp: Address, at: number, value: I64): Address {
    this.#encoder.ofInteger(value);
    return this.#shrink(this.#splice(lp, at, this.#afterElement(lp, at), this.#encoder.head, 0, 0));
  }

  /** `replaceInteger` for a block that has the room: it stays where it is. */
  replaceIntegerInPlace(lp: Address, at: number, value: I64): void {
    this.#encoder.ofInteger(value);
    this.#splice(lp, at, this.#afterElement(lp, at), this.#encoder.head, 0, 0);
  }

  /** Deletes up to `count` elements from `at` on; `this.at` is the place of what followed them then, or -1. */
  deleteRange(lp: Address, at: number, count: number): Address {
    let end = at, deleted = 0;
    const bytes = this.#memory.bytesOf(lp), place = this.#memory.placeOf(lp);
    while (deleted < count && bytes[place + end] !== LISTPACK_END) end = this.#afterElement(lp, end), deleted++;
    if (deleted === 0) return lp;
    const total = this.bytes(lp) - (end - at), before = this.#addedCount(lp, -deleted);
    this.#memory.copy(lp, end, lp, at, this.bytes(lp) - end);
    this.#memory.setU32(lp, 0, total);
    this.#setCount(lp, before);
    const moved = this.#shrink(lp);
    this.at = this.#memory.u8(moved, at) === LISTPACK_END ? NONE_AT : at;
    return moved;
  }

  /** Puts all elements of `other` behind those of `lp`. `other` stays. */
  appendAll(lp: Address, other: Address): Address {
    const total = this.bytes(lp),
      more = this.bytes(other) - LISTPACK_EMPTY_BYTES,
      count = this.count(lp) + this.count(other);
    const target = this.#grow(lp, total + more);
    this.#memory.copy(other, LISTPACK_HEADER_BYTES, target, total - 1, more + 1);
    this.#memory.setU32(target, 0, total + more);
    this.#setCount(target, count);
    return target;
  }

  /** Place behind the element at `at`: the next element's, or the end's. */
  #afterElement(lp: Address, at: number): number {
    const size = elementBytes(this.#memory.bytesOf(lp), this.#memory.placeOf(lp) + at);
    return at + size + backlenBytes(size);
  }

  #insert(lp: Address, at: number, source: Uint8Array, start: number): Address {
    return this.#splice(lp, at, at, source, start, 1);
  }

  /** Writes the element that the encoder describes over one of the same size, of which the backlen can stay. */
  #overwrite(lp: Address, at: number, source: Uint8Array, start: number): void {
    const memory = this.#memory, { head, headBytes, dataBytes } = this.#encoder;
    if (headBytes === 1) memory.setU8(lp, at, head[0]);
    else memory.copyIn(lp, at, head, 0, headBytes);
    memory.copyIn(lp, at + headBytes, source, start, dataBytes);
    this.at = at;
  }

  /** Puts the element that the encoder describes in place of the bytes [at, end); `added` is 1 for an insert, 0 for a replacement. */
  #splice(lp: Address, at: number, end: number, source: Uint8Array, start: number, added: number): Address {
    const memory = this.#memory, encoder = this.#encoder, size = encoder.sizeBytes;
    const oldTotal = this.bytes(lp), total = oldTotal + size - (end - at);
    const count = added === 0 ? 0 : this.#addedCount(lp, added);
    const target = this.#grow(lp, total);
    if (end === oldTotal - 1) memory.setU8(target, total - 1, LISTPACK_END);
    else if (size !== end - at) memory.copy(target, end, target, at + size, oldTotal - end);
    memory.copyIn(target, at, encoder.head, 0, encoder.headBytes);
    memory.copyIn(target, at + encoder.headBytes, source, start, encoder.dataBytes);
    memory.copyIn(target, at + encoder.headBytes + encoder.dataBytes, encoder.backlen, 0, encoder.backlenBytes);
    memory.setU32(target, 0, total);
    if (added !== 0) this.#setCount(target, count);
    this.at = at;
    return target;
  }

  /** The count after `added` more, or COUNT_UNKNOWN. Once unknown it is counted again only when it may have become known. */
  #addedCount(lp: Address, added: number): number {
    const bytes = this.#memory.bytesOf(lp), place = this.#memory.placeOf(lp) + 4;
    const count = bytes[place] | (bytes[place + 1] << 8);
    if (count !== COUNT_UNKNOWN) return Math.min(count + added, COUNT_UNKNOWN);
    return added > 0 ? COUNT_UNKNOWN : Math.min(this.count(lp) + added, COUNT_UNKNOWN);
  }

  #setCount(lp: Address, count: number): void {
    // The bytes behind it are the first element's.
    const word = (this.#memory.u32(lp, 4) & 0xffff0000) | Math.min(count, COUNT_UNKNOWN);
    this.#memory.setU32(lp, 4, word);
  }

  #grow(lp: Address, total: number): Address {
    if (total <= this.#allocator.allocatedBytes(lp)) return lp;
    return this.#move(lp, total, this.bytes(lp));
  }

  #shrink(lp: Address): Address {
    const allocated = this.#allocator.allocatedBytes(lp), total = this.bytes(lp);
    if (allocated < SHRINK_BYTES_MIN || total * 2 > allocated || this.#memory.snapshotLive) return lp;
    return this.#moveIfRoom(lp, total);
  }

  /** Moves it to a smaller block; with the arena full it stays where it is: deleting must not need memory. */
  #moveIfRoom(lp: Address, sizeBytes: number): Address {
    try {
      return this.#move(lp, sizeBytes, this.bytes(lp));
    } catch (error) {
      if (error instanceof OutOfArenaError) return lp;
      throw error;
    }
  }

  #move(lp: Address, sizeBytes: number, usedBytes: number): Address {
    const block = this.#allocator.allocate(sizeBytes, this.#owner);
    this.#memory.copy(lp, 0, block, 0, usedBytes);
    this.#allocator.free(lp);
    return block;
  }
}
