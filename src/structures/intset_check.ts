/**
 * Checks an intset that came from outside (a file, RESTORE) before any code that trusts intsets sees it (format: intset.c).
 *
 *   0          4       8
 *   | encoding | count | integer | integer | …      u32, u32; integers of 2, 4 or 8 bytes, little-endian, ascending, each once
 * Order is what look-ups rely on, so it is always checked: an intset is small, and the check is one pass.
 */
import { I64 } from "../base/integer.ts";

const HEADER_BYTES = 8;

/** What is wrong with the intset that shall fill [start, start + length); "" when it is sound. An empty one is not. */
export function intsetFault(bytes: Uint8Array, start: number, length: number): string {
  if (length < HEADER_BYTES) return "it is shorter than its header";
  const encoding = u32At(bytes, start), count = u32At(bytes, start + 4);
  if (encoding !== 2 && encoding !== 4 && encoding !== 8) return `it has unknown encoding ${encoding}`;
  if (HEADER_BYTES + count * encoding !== length) return "its header names another size";
  if (count === 0) return "it is empty";
  return isAscending(bytes, start + HEADER_BYTES, encoding, count) ? "" : "its integers are not in ascending order";
}

function isAscending(bytes: Uint8Array, start: number, width: number, count: number): boolean {
  const previous = new I64(), current = new I64();
  readInteger(bytes, start, width, previous);
  for (let i = 1; i < count; i++) {
    readInteger(bytes, start + i * width, width, current);
    if (current.compare(previous) <= 0) return false;
    previous.copyFrom(current);
  }
  return true;
}

function readInteger(bytes: Uint8Array, at: number, width: number, into: I64): void {
  if (width === 8) into.readLittleEndian(bytes, at);
  else into.setNumber(width === 4 ? u32At(bytes, at) | 0 : (bytes[at] << 16 | bytes[at + 1] << 24) >> 16);
}

function u32At(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}
