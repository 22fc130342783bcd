/**
 * Ziplist, the compact sequence of Redis 2.2 to 6.2 (format: the comment that opens ziplist.c). Only read: it becomes a listpack.
 *
 *   0             4              8        10
 *   | total bytes | last entry   | count  | entry | entry | … | 0xff
 *     u32           u32, offset    u16      little-endian; count 65535 means "walk to know"
 *   entry: | size of the entry before | encoding and length | data |
 *     size:     1 byte below 254, or 254 and a u32
 *     encoding: 00xxxxxx                       string, 6 bits of length
 *               01xxxxxx xxxxxxxx              string, 14 bits of length, big-endian
 *               10000000 u32                   string, 32 bits of length, big-endian
 *               0xc0 0xd0 0xe0 0xf0 0xfe       integer of 16, 32, 64, 24, 8 bits, little-endian
 *               0xf1 to 0xfd                   the integers 0 to 12
 * The bytes come from outside: nothing is read beyond the range, and what is built is no longer than half as much again.
 */
import { I64 } from "../../../base/integer.ts";
import type { ListpackBuilder } from "../../../structures/listpack_builder.ts";

const HEADER_BYTES = 10, END = 0xff, BIG_PREVIOUS = 254, COUNT_UNKNOWN = 0xffff;
const STRING_32 = 0x80;
const INT_16 = 0xc0, INT_32 = 0xd0, INT_64 = 0xe0, INT_24 = 0xf0, INT_8 = 0xfe, SMALL_MIN = 0xf1;

/** Appends all elements of the ziplist that shall fill [start, start + length). Returns what is wrong with it; "" when all is well. */
export function convertZiplist(bytes: Uint8Array, start: number, length: number, into: ListpackBuilder): string {
  if (length < HEADER_BYTES + 1) return "it is shorter than an empty ziplist";
  if (u32At(bytes, start) !== length) return "its header names another size";
  const end = start + length - 1, tail = start + u32At(bytes, start + 4);
  if (bytes[end] !== END) return "it does not end with the end byte";
  if (tail > end) return "its last entry is said to be beyond its end";
  const entry = new ZiplistEntry();
  let count = 0, last = -1, at = start + HEADER_BYTES;
  while (bytes[at] !== END) {
    if (!entry.decode(bytes, at, end)) return `entry ${count} has an unknown encoding or reaches beyond the end`;
    if (entry.previousBytes !== (last < 0 ? 0 : at - last)) {
      return `entry ${count} names another size for what precedes it`;
    }
    entry.appendTo(into, bytes);
    last = at, at = entry.next;
    count++;
  }
  if (at !== end) return "it has an end byte before its end";
  if (last >= 0 && last !== tail) return "its header names another last entry";
  const named = bytes[start + 8] | (bytes[start + 9] << 8);
  return named === COUNT_UNKNOWN || named === count ? "" : `its header names ${named} entries, it has ${count}`;
}

/** One entry, decoded. */
class ZiplistEntry {
  previousBytes = 0;
  next = 0;
  #encoding = 0;
  #dataAt = 0;
  readonly #integer = new I64();

  /** False when the entry at `at` is none, or reaches beyond `end`, where the end byte is. */
  decode(bytes: Uint8Array, at: number, end: number): boolean {
    const isBig = bytes[at] >= BIG_PREVIOUS, encodingAt = at + (isBig ? 5 : 1);
    if (encodingAt >= end) return false;
    this.previousBytes = isBig ? u32At(bytes, at + 1) : bytes[at];
    const encoding = this.#encoding = bytes[encodingAt];
    this.#dataAt = encodingAt + encodingBytes(encoding);
    if (this.#dataAt === encodingAt || this.#dataAt > end) return false;
    this.next = this.#dataAt + dataBytes(bytes, encodingAt, encoding);
    return this.next <= end;
  }

  appendTo(into: ListpackBuilder, bytes: Uint8Array): void {
    if (this.#encoding < INT_16) into.append(bytes, this.#dataAt, this.next - this.#dataAt);
    else into.appendInteger(this.#readInteger(bytes));
  }

  #readInteger(bytes: Uint8Array): I64 {
    const at = this.#dataAt, encoding = this.#encoding, integer = this.#integer;
    if (encoding === INT_64) return integer.readLittleEndian(bytes, at);
    if (encoding === INT_32) return integer.setNumber(u32At(bytes, at) | 0);
    if (encoding === INT_24) {
      return integer.setNumber((bytes[at] << 8 | bytes[at + 1] << 16 | bytes[at + 2] << 24) >> 8);
    }
    if (encoding === INT_16) return integer.setNumber((bytes[at] << 16 | bytes[at + 1] << 24) >> 16);
    if (encoding === INT_8) return integer.setNumber(bytes[at] << 24 >> 24);
    return integer.setNumber(encoding - SMALL_MIN);
  }
}

/** Bytes of encoding and length; 0 for an unknown encoding. */
function encodingBytes(encoding: number): number {
  if (encoding < 0x40) return 1;
  if (encoding < 0x80) return 2;
  if (encoding === STRING_32) return 5;
  if (encoding < INT_16) return 0;
  const isInteger = encoding === INT_16 || encoding === INT_32 || encoding === INT_64 || encoding >= INT_24;
  return isInteger && encoding !== END ? 1 : 0;
}

function dataBytes(bytes: Uint8Array, at: number, encoding: number): number {
  if (encoding < 0x40) return encoding;
  if (encoding < 0x80) return ((encoding & 0x3f) << 8) | bytes[at + 1];
  switch (encoding) {
    case STRING_32:
      return bytes[at + 1] * 2 ** 24 + ((bytes[at + 2] << 16) | (bytes[at + 3] << 8) | bytes[at + 4]);
    case INT_8:
      return 1;
    case INT_16:
      return 2;
    case INT_24:
      return 3;
    case INT_32:
      return 4;
    case INT_64:
      return 8;
    default:
      return 0;
  }
}

function u32At(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}
