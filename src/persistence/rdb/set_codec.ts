/**
 * Sets in RDB: an intset is written as it is (type byte 11), a hash table as count and strings (2). Read is the listpack of Redis 7.2
 * (20), too. What is read gets the encoding that Redis gives it: integers alone make an intset, unless they are more than the limit.
 */
import { ENCODING, encodingOf, TYPE, valueOf } from "../../keyspace/entry.ts";
import { SetTexts } from "../../keyspace/values/set_texts.ts";
import { SetRef, setsOf } from "../../keyspace/values/set_value.ts";
import { type Address, type MemoryReader, NONE } from "../../memory/mod.ts";
import { intsetBytes } from "../../structures/intset.ts";
import { firstElement, ListpackElement, nextElement, readElement } from "../../structures/listpack.ts";
import { readIntsetBytes, readSetListpack } from "./compact_encodings.ts";
import type { LoadTarget, RdbCodec } from "./rdb_codec.ts";
import type { RdbReader } from "./rdb_reader.ts";
import type { RdbWriter } from "./rdb_writer.ts";

const STRINGS = 2, INTSET = 11, LISTPACK = 20;
const DUPLICATE = "Duplicate set members detected";

const members = new SetTexts();
const element = new ListpackElement();
/** The set that is read. */
const set = new SetRef();

function typeByteOf(memory: MemoryReader, entry: Address): number {
  return encodingOf(memory, entry) === ENCODING.intset ? INTSET : STRINGS;
}

function write(writer: RdbWriter, memory: MemoryReader, entry: Address): void {
  if (encodingOf(memory, entry) === ENCODING.intset) {
    const intset = valueOf(memory, entry);
    return writer.stringFrom(memory, intset, 0, intsetBytes(memory, intset));
  }
  members.start(memory, entry);
  writer.length(members.size);
  while (members.next()) writer.string(members.bytes, 0, members.length);
}

function read(reader: RdbReader, typeByte: number, target: LoadTarget): Address {
  const isThere = typeByte === STRINGS
    ? readStrings(reader, target)
    : typeByte === INTSET
    ? readIntset(reader, target)
    : readListpack(reader, target);
  if (!isThere) return NONE;
  return target.keyspace.newValue(
    target.key,
    0,
    target.keyLength,
    TYPE.set,
    set.encoding,
    set.value,
    target.expiresAtMs,
  );
}

/** An intset is never empty: one that is has been refused as damaged. */
function readIntset(reader: RdbReader, target: LoadTarget): boolean {
  readIntsetBytes(reader, target);
  setsOf(target.keyspace).createIntset(set, reader.stringBytes, reader.stringAt, reader.stringLength);
  return true;
}

function readStrings(reader: RdbReader, target: LoadTarget): boolean {
  const count = reader.length();
  if (count === 0) return false;
  createFor(reader, target, count);
  fill(target, () => {
    for (let left = count; left > 0; left--) {
      reader.string();
      add(reader, target, reader.stringBytes, reader.stringAt, reader.stringLength);
    }
  });
  return true;
}

function readListpack(reader: RdbReader, target: LoadTarget): boolean {
  const count = readSetListpack(reader, target), { stringBytes, stringAt } = reader;
  if (count === 0) return false;
  createFor(reader, target, count);
  fill(target, () => {
    for (let at = firstElement(stringBytes, stringAt); at >= 0; at = nextElement(stringBytes, stringAt, at)) {
      readElement(stringBytes, stringAt, at, element);
      add(reader, target, element.text(stringBytes), element.start, element.length);
    }
  });
  return true;
}

/** Creates the set that `count` members go into. A damaged count must not take memory beyond what can follow. */
function createFor(reader: RdbReader, target: LoadTarget, count: number): void {
  const sets = setsOf(target.keyspace), possible = Math.min(count, reader.totalBytes);
  if (count <= target.keyspace.limits.setIntsetEntriesMax) sets.create(set);
  else sets.createTable(set, possible);
}

/** Fills the set; after an error nothing is left of it. */
function fill(target: LoadTarget, addAll: () => void): void {
  try {
    addAll();
  } catch (error) {
    setsOf(target.keyspace).drop(set);
    throw error;
  }
}

function add(reader: RdbReader, target: LoadTarget, bytes: Uint8Array, start: number, length: number): void {
  if (!setsOf(target.keyspace).add(set, bytes, start, length)) throw reader.corrupt(DUPLICATE);
}

export const setCodec: RdbCodec = {
  type: TYPE.set,
  typeBytes: [STRINGS, INTSET, LISTPACK],
  typeByteOf,
  write,
  read,
};
