/**
 * Hashes in RDB: a listpack is written as it is (type byte 16), a hash table as count and pairs of strings (4). Read are these and the
 * older zipmap (9) and ziplist (13). What is read gets the encoding that Redis gives it: a count beyond the limit makes a hash table, and
 * in pairs of strings and in zipmaps, as in commands, a string beyond the limit too.
 */
import { ENCODING, encodingOf, TYPE, valueOf } from "../../keyspace/entry.ts";
import { HashPairs } from "../../keyspace/values/hash_pairs.ts";
import type { HashValue } from "../../keyspace/values/hash_value.ts";
import { type Address, type MemoryReader, NONE } from "../../memory/mod.ts";
import {
  firstElement,
  LISTPACK_BYTES_MAX,
  ListpackElement,
  nextElement,
  readElement,
} from "../../structures/listpack.ts";
import { ListpackBuilder } from "../../structures/listpack_builder.ts";
import { ListpackCheck } from "../../structures/listpack_check.ts";
import { readPairsListpack } from "./compact_encodings.ts";
import type { LoadTarget, RdbCodec } from "./rdb_codec.ts";
import type { RdbReader } from "./rdb_reader.ts";
import type { RdbWriter } from "./rdb_writer.ts";

const PAIRS = 4, ZIPMAP = 9, ZIPLIST = 13, LISTPACK = 16;
/** The shortest pair of strings, both empty. */
const PAIR_BYTES_MIN = 2;
const DUPLICATE = "Duplicate hash fields detected";

const LISTPACK_BYTES_START = 256;

const pairs = new HashPairs();
const element = new ListpackElement();
const check = new ListpackCheck();
/** The field, while the value is read. */
let field: Uint8Array = new Uint8Array(256);
let fieldLength = 0;

function typeByteOf(memory: MemoryReader, entry: Address): number {
  return encodingOf(memory, entry) === ENCODING.listpack ? LISTPACK : PAIRS;
}

function write(writer: RdbWriter, memory: MemoryReader, entry: Address): void {
  if (encodingOf(memory, entry) === ENCODING.listpack) {
    const listpack = valueOf(memory, entry);
    return writer.stringFrom(memory, listpack, 0, memory.u32(listpack, 0));
  }
  pairs.start(memory, entry);
  writer.length(pairs.size);
  while (pairs.next()) {
    writer.string(pairs.bytes, 0, pairs.fieldLength);
    writer.string(pairs.bytes, pairs.fieldLength, pairs.valueLength);
  }
}

function read(reader: RdbReader, typeByte: number, target: LoadTarget): Address {
  const hash = target.keyspace.types[TYPE.hash] as HashValue;
  const isThere = typeByte === PAIRS ? readPairs(reader, hash, target) : readCompact(reader, typeByte, hash, target);
  if (!isThere) return NONE;
  return target.keyspace.newValue(
    target.key,
    0,
    target.keyLength,
    TYPE.hash,
    hash.encoding,
    hash.value,
    target.expiresAtMs,
  );
}

/** Opens the hash that the listpack, or what becomes one, holds; false when it is empty. */
function readCompact(reader: RdbReader, typeByte: number, hash: HashValue, target: LoadTarget): boolean {
  const count = readPairsListpack(reader, typeByte, target), { limits } = target.keyspace;
  if (count === 0) return false;
  const { stringBytes, stringAt, stringLength } = reader;
  const isTable = count > limits.hashListpackEntriesMax ||
    (typeByte === ZIPMAP && longestElement(stringBytes, stringAt) > limits.hashListpackValueBytesMax);
  if (isTable) tableOf(reader, hash, stringBytes, stringAt, count);
  else hash.createListpack(stringBytes, stringAt, stringLength);
  return true;
}

/** Opens the hash that count and pairs of strings describe; false when there are none. */
function readPairs(reader: RdbReader, hash: HashValue, target: LoadTarget): boolean {
  const count = reader.length();
  if (count === 0) return false;
  if (count <= target.keyspace.limits.hashListpackEntriesMax) readIntoListpack(reader, hash, count, target);
  else {
    hash.createEmptyTable(possiblePairs(reader, count));
    readIntoTable(reader, hash, count, false);
  }
  return true;
}

/** Pairs that can follow, whatever a damaged count says. */
function possiblePairs(reader: RdbReader, count: number): number {
  return Math.min(count, Math.floor((reader.totalBytes - reader.offsetBytes) / PAIR_BYTES_MIN));
}

/** Reads pairs into a listpack, until one is too long for it; it and what follows go into a table. */
function readIntoListpack(reader: RdbReader, hash: HashValue, count: number, target: LoadTarget): void {
  const builder = new ListpackBuilder(LISTPACK_BYTES_START),
    lengthMax = target.keyspace.limits.hashListpackValueBytesMax;
  for (let left = count; left > 0; left--) {
    readPair(reader);
    const { stringBytes, stringAt, stringLength } = reader;
    const longest = Math.max(fieldLength, stringLength);
    if (longest > lengthMax || builder.lengthBytes + fieldLength + stringLength > LISTPACK_BYTES_MAX) {
      const builtPairs = builder.count / 2;
      builder.finish();
      tableOf(reader, hash, builder.bytes, 0, builtPairs);
      return readIntoTable(reader, hash, left - 1, true);
    }
    builder.append(field, 0, fieldLength);
    builder.append(stringBytes, stringAt, stringLength);
  }
  builder.finish();
  if (target.deep && check.pairsFault(builder.bytes, 0, builder.lengthBytes, true) !== "") {
    throw reader.corrupt(DUPLICATE);
  }
  hash.createListpack(builder.bytes, 0, builder.lengthBytes);
}

/** Reads `count` pairs into the open table; with `hasPair` another one has been read already. After an error nothing is left of it. */
function readIntoTable(reader: RdbReader, hash: HashValue, count: number, hasPair: boolean): void {
  try {
    if (hasPair) setPair(reader, hash);
    for (let left = count; left > 0; left--) {
      readPair(reader);
      setPair(reader, hash);
    }
  } catch (error) {
    hash.discard();
    throw error;
  }
}

/** Reads a field into `field`, and its value into the reader's string. */
function readPair(reader: RdbReader): void {
  reader.string();
  fieldLength = reader.stringLength;
  if (fieldLength > field.length) field = new Uint8Array(fieldLength * 2);
  field.set(reader.stringBytes.subarray(reader.stringAt, reader.stringAt + fieldLength));
  reader.string();
}

/** Adds the pair that was read to the open table. */
function setPair(reader: RdbReader, hash: HashValue): void {
  const { stringBytes, stringAt, stringLength } = reader;
  if (!hash.set(field, 0, fieldLength, stringBytes, stringAt, stringLength)) throw reader.corrupt(DUPLICATE);
}

/** Opens a table with the pairs of a listpack. */
function tableOf(reader: RdbReader, hash: HashValue, bytes: Uint8Array, start: number, count: number): void {
  hash.createTable(bytes, start, count);
  if (hash.size === count) return;
  hash.discard();
  throw reader.corrupt("Hash listpack with dup elements");
}

/** Bytes of the longest string in a listpack. */
function longestElement(bytes: Uint8Array, start: number): number {
  let longest = 0;
  for (let at = firstElement(bytes, start); at >= 0; at = nextElement(bytes, start, at)) {
    readElement(bytes, start, at, element);
    element.text(bytes);
    longest = Math.max(longest, element.length);
  }
  return longest;
}

export const hashCodec: RdbCodec = {
  type: TYPE.hash,
  typeBytes: [PAIRS, ZIPMAP, ZIPLIST, LISTPACK],
  typeByteOf,
  write,
  read,
};
