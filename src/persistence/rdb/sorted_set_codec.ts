/**
 * Sorted sets in RDB: a listpack is written as it is (type byte 17), a large set as count and pairs of member and binary double, from the
 * highest score down (5). Read are these, pairs with scores as text (3) and the ziplist (12). What is read gets the encoding that Redis
 * gives it: pairs become a listpack when they are few and short, a listpack becomes large only when it has too many.
 */
import { ENCODING, encodingOf, TYPE } from "../../keyspace/entry.ts";
import type { SortedSet } from "../../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../../keyspace/values/sorted_set_value.ts";
import { SortedSetWalk } from "../../keyspace/values/sorted_set_walk.ts";
import { type Address, type MemoryReader, NONE } from "../../memory/mod.ts";
import { readPairsListpack } from "./compact_encodings.ts";
import type { LoadTarget, RdbCodec } from "./rdb_codec.ts";
import type { RdbReader } from "./rdb_reader.ts";
import type { RdbWriter } from "./rdb_writer.ts";

const TEXT_PAIRS = 3, PAIRS = 5, ZIPLIST = 12, LISTPACK = 17;
const SCORE_BYTES = 8;
/** The shortest pair: an empty member, and a score that is one byte of text. */
const PAIR_BYTES_MIN = 2;
const DUPLICATE = "Duplicate zset fields detected";

const walk = new SortedSetWalk();
const score = new DataView(new ArrayBuffer(SCORE_BYTES)), scoreBytes = new Uint8Array(score.buffer);
/** The member, while its score is read. */
let member: Uint8Array = new Uint8Array(256);

function typeByteOf(memory: MemoryReader, entry: Address): number {
  return encodingOf(memory, entry) === ENCODING.listpack ? LISTPACK : PAIRS;
}

function write(writer: RdbWriter, memory: MemoryReader, entry: Address): void {
  walk.start(memory, entry);
  if (encodingOf(memory, entry) === ENCODING.listpack) return writer.string(walk.pack, 0, walk.packBytes);
  writer.length(walk.size);
  while (walk.next()) {
    writer.string(walk.bytes, walk.at, walk.length);
    score.setFloat64(0, walk.score, true);
    writer.raw(scoreBytes, 0, SCORE_BYTES);
  }
}

function read(reader: RdbReader, typeByte: number, target: LoadTarget): Address {
  const { set } = sortedSetsOf(target.keyspace), isPairs = typeByte === PAIRS || typeByte === TEXT_PAIRS;
  const isThere = isPairs ? readPairs(reader, typeByte, set, target) : readCompact(reader, typeByte, set, target);
  if (!isThere) return NONE;
  return target.keyspace.newValue(
    target.key,
    0,
    target.keyLength,
    TYPE.zset,
    set.encoding,
    set.value,
    target.expiresAtMs,
  );
}

/** Opens the set that a listpack, or what becomes one, holds; false when it is empty. */
function readCompact(reader: RdbReader, typeByte: number, set: SortedSet, target: LoadTarget): boolean {
  const count = readPairsListpack(reader, typeByte, target);
  if (count === 0) return false;
  set.createOf(reader.stringBytes, reader.stringAt, reader.stringLength);
  if (count <= target.keyspace.limits.zsetListpackEntriesMax) return true;
  discardingOnError(set, () => {
    set.grow();
    if (set.size !== count) throw reader.corrupt(DUPLICATE);
  });
  return true;
}

/** Opens the set that count and pairs describe; false when there are none. */
function readPairs(reader: RdbReader, typeByte: number, set: SortedSet, target: LoadTarget): boolean {
  const count = reader.length();
  if (count === 0) return false;
  // A damaged count must not ask for more room than what follows can fill.
  set.createLarge(Math.min(count, Math.floor((reader.totalBytes - reader.offsetBytes) / PAIR_BYTES_MIN)));
  discardingOnError(set, () => {
    // Redis writes them from the highest score down.
    set.startFilling(false);
    let longestBytes = 0, totalBytes = 0;
    for (let left = count; left > 0; left--) {
      const length = readPair(reader, typeByte, set, target);
      longestBytes = Math.max(longestBytes, length), totalBytes += length;
    }
    set.finish();
    set.shrinkToListpack(longestBytes, totalBytes);
  });
  return true;
}

/** Reads a pair into the set; returns the length of its member. */
function readPair(reader: RdbReader, typeByte: number, set: SortedSet, { keyspace }: LoadTarget): number {
  reader.string();
  const length = reader.stringLength;
  if (length > member.length) member = new Uint8Array(length * 2);
  for (let i = 0; i < length; i++) member[i] = reader.stringBytes[reader.stringAt + i];
  const value = typeByte === PAIRS ? reader.f64() : reader.legacyDouble();
  if (Number.isNaN(value)) throw reader.corrupt("Zset with NAN score detected");
  if (!set.append(value, member, 0, length)) throw reader.corrupt(DUPLICATE);
  keyspace.memory.cow.writtenBytes += length + SCORE_BYTES;
  return length;
}

/** Fills a set that was opened; after an error nothing is left of it. */
function discardingOnError(set: SortedSet, fill: () => void): void {
  try {
    fill();
  } catch (error) {
    set.discard();
    throw error;
  }
}

export const sortedSetCodec: RdbCodec = {
  type: TYPE.zset,
  typeBytes: [TEXT_PAIRS, PAIRS, ZIPLIST, LISTPACK],
  typeByteOf,
  write,
  read,
};
