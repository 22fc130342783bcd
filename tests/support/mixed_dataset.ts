/**
 * A data set of every type: key `n` always has the same value, made by one command. Of 20 keys 8 are strings, 4 hashes, 3 lists, 2 sets, 2 sorted
 * sets and 1 stream; most collections are small, one in 50 is beyond the compact encodings.
 */

import type { Argument } from "./resp_client.ts";

const SMALL_SIZES = [1, 2, 3, 5, 8, 12, 20, 40];
const LARGE_SIZE = 600;
const LARGE_EVERY = 50;

export function mixedCommand(n: number): Argument[] {
  const kind = n % 20, size = sizeOf(n);
  if (kind < 4) return ["SET", `string:${n}`, `value of key ${n}`];
  if (kind < 6) return ["SET", `string:${n}`, n * 37];
  if (kind < 8) return ["SET", `string:${n}`, `long value ${n} `.repeat(8)];
  if (kind < 12) return ["HSET", `hash:${n}`, ...pairs(size, (i) => [`field ${i}`, `value ${n + i}`])];
  if (kind < 15) return ["RPUSH", `list:${n}`, ...pairs(size, (i) => [n + i, `element ${i}`])];
  if (kind < 16) return ["SADD", `intset:${n}`, ...pairs(size, (i) => [n + i, n - i * 1000])];
  if (kind < 17) return ["SADD", `set:${n}`, ...pairs(size, (i) => [`member ${i}`, `other ${n + i}`])];
  if (kind < 19) return ["ZADD", `zset:${n}`, ...pairs(size, (i) => [(n * 31 + i * 17) % 1000 / 8, `member ${i}`])];
  return ["XADD", `stream:${n}`, `${n + 1}-1`, ...pairs(Math.min(size, 8), (i) => [`field ${i}`, `value ${n}`])];
}

/** The same kinds, of `size` elements each: keys `large:list` and so on; several commands. */
export function* largeCollections(size: number, batch = 1000): Generator<Argument[]> {
  for (let from = 0; from < size; from += batch) {
    const count = Math.min(batch, size - from);
    const each = (make: (i: number) => Argument[]) => pairs(count, (i) => make(from + i));
    yield ["RPUSH", "large:list", ...each((i) => [`element ${i}`])];
    yield ["SADD", "large:set", ...each((i) => [`member ${i}`])];
    yield ["HSET", "large:hash", ...each((i) => [`field ${i}`, `value ${i}`])];
    yield ["ZADD", "large:zset", ...each((i) => [(i * 7919) % size, `member ${i}`])];
    for (let i = from; i < from + count; i++) yield ["XADD", "large:stream", `${i + 1}-1`, "field", `value ${i}`];
  }
}

function sizeOf(n: number): number {
  const hash = Math.imul(n, 0x9e3779b1) >>> 8;
  return hash % LARGE_EVERY === 0 ? LARGE_SIZE : SMALL_SIZES[hash % SMALL_SIZES.length];
}

function pairs(count: number, make: (i: number) => Argument[]): Argument[] {
  return Array.from({ length: count }, (_, i) => make(i)).flat();
}
