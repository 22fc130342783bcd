/**
 * Zipmap, the compact hash of Redis 2.0 to 2.4 (format: the comment that opens zipmap.c). Only read: it becomes a listpack.
 *
 *   0       1
 *   | count | length | field | length | free | value | free bytes | length | … | 0xff
 *   count: pairs, 254 means "walk to know"; length: 1 byte below 254, or 254 and a u32 (little-endian); free: 1 byte
 * The bytes come from outside: nothing is read beyond the range.
 */
import type { ListpackBuilder } from "../../../structures/listpack_builder.ts";

const END = 0xff, BIG_LENGTH = 254;

/** Appends field and value of all pairs of the zipmap that shall fill [start, start + length). Returns what is wrong; "" when all is well. */
export function convertZipmap(bytes: Uint8Array, start: number, length: number, into: ListpackBuilder): string {
  if (length < 2) return "it is shorter than an empty zipmap";
  const end = start + length - 1;
  if (bytes[end] !== END) return "it does not end with the end byte";
  let at = start + 1, pairs = 0;
  for (; bytes[at] !== END; pairs++) {
    const fieldAt = at + lengthBytes(bytes, at);
    if (fieldAt > end) return beyond(pairs);
    const valueLengthAt = fieldAt + lengthAt(bytes, at);
    if (valueLengthAt > end) return beyond(pairs);
    const freeAt = valueLengthAt + lengthBytes(bytes, valueLengthAt);
    if (freeAt >= end) return beyond(pairs);
    const valueAt = freeAt + 1, valueEnd = valueAt + lengthAt(bytes, valueLengthAt);
    at = valueEnd + bytes[freeAt];
    if (at > end) return beyond(pairs);
    into.append(bytes, fieldAt, valueLengthAt - fieldAt);
    into.append(bytes, valueAt, valueEnd - valueAt);
  }
  if (at !== end) return "it has an end byte before its end";
  if (pairs === 0) return "it is empty";
  return bytes[start] >= BIG_LENGTH || bytes[start] === pairs ? "" : `it names ${bytes[start]} pairs and has ${pairs}`;
}

function beyond(pair: number): string {
  return `pair ${pair} reaches beyond the end`;
}

function lengthBytes(bytes: Uint8Array, at: number): number {
  return bytes[at] < BIG_LENGTH ? 1 : 5;
}

function lengthAt(bytes: Uint8Array, at: number): number {
  if (bytes[at] < BIG_LENGTH) return bytes[at];
  return (bytes[at + 1] | (bytes[at + 2] << 8) | (bytes[at + 3] << 16) | (bytes[at + 4] << 24)) >>> 0;
}
