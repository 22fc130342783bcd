/** What SORT sorts: the elements of a list, a set or a sorted set, copied out, so that looking up other keys may change anything. */
import { compareRanges } from "../base/bytes.ts";
import { formatI64, INTEGER_TEXT_BYTES_MAX } from "../base/integer.ts";
import { ENCODING, encodingOf, TYPE, typeOf, valueOf } from "../keyspace/entry.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import type { ListValues } from "../keyspace/values/list_value.ts";
import { SetRef, setsOf, SetWalk } from "../keyspace/values/set_value.ts";
import type { SortedSet } from "../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { type Address, OutOfArenaError } from "../memory/mod.ts";
import { ListCursor } from "../structures/list_cursor.ts";

const BYTES_START = 4096, STRINGS_START = 64;

/** Above this, a column that is used again starts anew. */
const KEPT_BYTES_MAX = 1 << 20, KEPT_STRINGS_MAX = 16384;

/** Strings, by index, in one array that grows; a place may hold none. */
export class StringColumn {
  bytes: Uint8Array = new Uint8Array(BYTES_START);
  count = 0;
  #end = 0;
  #starts = new Float64Array(STRINGS_START);
  /** Lengths; -1 for none. */
  #lengths = new Int32Array(STRINGS_START);

  /** Takes all strings away. */
  clear(): void {
    this.count = this.#end = 0;
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = new Uint8Array(BYTES_START);
    if (this.#starts.length <= KEPT_STRINGS_MAX) return;
    this.#starts = new Float64Array(STRINGS_START), this.#lengths = new Int32Array(STRINGS_START);
  }

  push(source: Uint8Array, start: number, length: number): void {
    if (this.#end + length > this.bytes.length) this.#growBytes(length);
    if (length > 64) this.bytes.set(source.subarray(start, start + length), this.#end);
    else for (let i = 0; i < length; i++) this.bytes[this.#end + i] = source[start + i];
    this.#place(length);
    this.#end += length;
  }

  pushNone(): void {
    this.#place(-1);
  }

  start(index: number): number {
    return this.#starts[index];
  }

  length(index: number): number {
    return this.#lengths[index];
  }

  /** As memcmp orders; none is smaller than anything, and equals none. */
  compare(a: number, b: number): number {
    const aLength = this.#lengths[a], bLength = this.#lengths[b];
    if (aLength < 0 || bLength < 0) return Math.min(aLength, 0) - Math.min(bLength, 0);
    return compareRanges(this.bytes, this.#starts[a], aLength, this.bytes, this.#starts[b], bLength);
  }

  #place(length: number): void {
    if (this.count === this.#starts.length) this.#growPlaces();
    this.#starts[this.count] = this.#end;
    this.#lengths[this.count++] = length;
  }

  #growBytes(more: number): void {
    const larger = new Uint8Array(Math.max(this.#end + more, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.#end));
    this.bytes = larger;
  }

  #growPlaces(): void {
    const starts = new Float64Array(this.count * 2), lengths = new Int32Array(this.count * 2);
    starts.set(this.#starts), lengths.set(this.#lengths);
    this.#starts = starts, this.#lengths = lengths;
  }
}

/** Whether SORT takes values of this type. */
export function isSortable(type: number): boolean {
  return type === TYPE.list || type === TYPE.set || type === TYPE.zset;
}

/** Whether the elements have an order without being sorted. */
export function isOrdered(type: number): boolean {
  return type !== TYPE.set;
}

const set = new SetRef();
const walk = new SetWalk();
const digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX);

/** Elements of a value that SORT takes. Sorted sets become large ones by this, as in Redis. */
export function countElements(keyspace: Keyspace, entry: Address): number {
  const memory = keyspace.memory, type = typeOf(memory, entry);
  if (type === TYPE.list) return listsOf(keyspace).lists.length(valueOf(memory, entry));
  if (type === TYPE.set) return setsOf(keyspace).size(set.open(memory, entry));
  const sorted = sortedSetsOf(keyspace).set;
  sorted.open(entry);
  if (sorted.encoding === ENCODING.listpack) growIfRoom(sorted);
  return sorted.size;
}

/** The encoding makes no difference to SORT, so a full arena does not either. */
function growIfRoom(sorted: SortedSet): void {
  try {
    sorted.grow();
  } catch (error) {
    if (!(error instanceof OutOfArenaError)) throw error;
  }
}

/**
 * Fills `into` with the elements [from, from + count) of an ordered value, counted from the end when `backwards`; with all of a set,
 * whatever is asked for.
 */
export function collectElements(
  keyspace: Keyspace,
  entry: Address,
  from: number,
  count: number,
  backwards: boolean,
  into: StringColumn,
): void {
  const type = typeOf(keyspace.memory, entry);
  if (type === TYPE.set) collectSet(keyspace, entry, into);
  else if (count > 0 && type === TYPE.list) collectList(keyspace, entry, from, count, backwards, into);
  else if (count > 0) collectSortedSet(keyspace, entry, from, count, backwards, into);
}

function collectSet(keyspace: Keyspace, entry: Address, into: StringColumn): void {
  const memory = keyspace.memory, sets = setsOf(keyspace), member = walk.member;
  walk.start(memory, valueOf(memory, entry), encodingOf(memory, entry));
  while (walk.next()) {
    if (member.isInteger) into.push(digits, 0, formatI64(member.integer, digits, 0));
    else into.push(sets.bytesOf(member), sets.startOf(member), sets.lengthOf(member));
  }
}

function collectList(
  keyspace: Keyspace,
  entry: Address,
  from: number,
  count: number,
  backwards: boolean,
  into: StringColumn,
): void {
  const cursor = new ListCursor(keyspace.memory);
  cursor.seek(valueOf(keyspace.memory, entry), backwards ? -1 - from : from);
  for (let left = count; left > 0; left--) {
    const element = cursor.read(), bytes = element.text(cursor.bytes);
    into.push(bytes, element.start, element.length);
    if (backwards) cursor.previous();
    else cursor.next();
  }
}

function collectSortedSet(
  keyspace: Keyspace,
  entry: Address,
  from: number,
  count: number,
  backwards: boolean,
  into: StringColumn,
): void {
  const sorted = sortedSetsOf(keyspace).set;
  sorted.open(entry);
  sorted.seek(backwards ? sorted.size - 1 - from : from);
  for (let left = count; left > 0; left--) {
    sorted.readMember();
    into.push(sorted.bytes, sorted.start, sorted.length);
    if (backwards) sorted.previous();
    else sorted.next();
  }
}

export type PushString = (bytes: Uint8Array, start: number, length: number) => void;

/** A new list of strings, for the caller to give to a key. @throws {OutOfArenaError} and then nothing is left of it */
export function buildList(keyspace: Keyspace, fill: (push: PushString) => void): Address {
  const values = listsOf(keyspace), list = values.create();
  try {
    fill((bytes, start, length) => values.lists.push(list, false, bytes, start, length));
  } catch (error) {
    values.free(list);
    throw error;
  }
  return list;
}

function listsOf(keyspace: Keyspace): ListValues {
  return keyspace.types[TYPE.list] as ListValues;
}
