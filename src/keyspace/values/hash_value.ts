/**
 * Hashes: a listpack of fields and values while they are few and short, else a `FieldDict`. The entry's value word is the address of the
 * listpack, or of the dict's header.
 *
 * Commands point the one instance at a hash (`open`, or `create` for one that no key has yet), work on it, and store where it is then
 * (`close`, `setValue`): any change may move it. When the arena is full a change throws, and the hash is as it was before that change.
 * Invariant: a hash that a key holds is never empty. What `bytes`, `start` and `length` describe is valid until the next change.
 */
import { type Address, NONE, OutOfArenaError } from "../../memory/mod.ts";
import { type Dict, DictWalk } from "../../structures/dict.ts";
import { FIELD_AT, FieldDict, fieldLength, valueBlock, valueLength, valueOffset } from "../../structures/field_dict.ts";
import {
  elementBytesMax,
  findElement,
  firstElement,
  LISTPACK_BYTES_MAX,
  LISTPACK_EMPTY_BYTES,
  ListpackElement,
  Listpacks,
  nextElement,
  readElement,
  seekElement,
} from "../../structures/listpack.ts";
import { ENCODING, encodingOf, TYPE, valueOf } from "../entry.ts";
import type { Keyspace } from "../keyspace.ts";
import type { ValueType } from "../value_type.ts";

/** Walking so many empty slots takes as long as freeing some blocks: the logarithm. */
const SLOTS_PER_BLOCK_LOG2 = 10;
/** Most that a new listpack is given at once. */
const ROOM_BYTES_MAX = 4096;

export class HashValue implements ValueType {
  readonly type: number = TYPE.hash;
  readonly fields: FieldDict;
  /** The hash that is open. */
  value: Address = NONE;
  encoding = 0;
  /** The string that was read last: `length` bytes from `start` on. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  length = 0;
  readonly #keyspace: Keyspace;
  readonly #listpacks: Listpacks;
  readonly #element = new ListpackElement();
  readonly #walk = new DictWalk();
  /** Where the hash stands: the places of field and value in the listpack, or the entry in `#at`. */
  #at = 0;
  #valueAt = 0;
  #isStarted = false;

  constructor(keyspace: Keyspace) {
    const { memory, allocator, hash } = keyspace;
    this.#keyspace = keyspace;
    this.#listpacks = new Listpacks(memory, allocator);
    this.fields = new FieldDict(memory, allocator, hash);
  }

  // ---- as every type -------------------------------------------------------------------------------------------

  free(value: Address, encoding: number): void {
    if (encoding === ENCODING.listpack) this.#listpacks.free(value);
    else this.fields.free(value);
  }

  freeEffort(value: Address, encoding: number): number {
    if (encoding === ENCODING.listpack) return 1;
    // A large table with few fields left has to be walked all the same.
    return this.fields.dict.size(value) + (this.fields.dict.slots(value) >>> SLOTS_PER_BLOCK_LOG2);
  }

  freeSome(value: Address, encoding: number, blocksMax: number): boolean {
    if (encoding === ENCODING.hashtable) return this.fields.freeSome(value, blocksMax);
    this.#listpacks.free(value);
    return true;
  }

  copy(value: Address, encoding: number): Address {
    return encoding === ENCODING.listpack ? this.#listpacks.copy(value) : this.fields.copy(value);
  }

  memoryUsage(value: Address, encoding: number, samples: number): number {
    if (encoding === ENCODING.listpack) return this.#keyspace.allocator.allocatedBytes(value);
    return this.fields.memoryUsage(value, samples);
  }

  hashTable(value: Address, encoding: number): { dict: Dict; header: Address } | null {
    return encoding === ENCODING.hashtable ? { dict: this.fields.dict, header: value } : null;
  }

  // ---- which hash ----------------------------------------------------------------------------------------------

  open(entry: Address): void {
    this.value = valueOf(this.#keyspace.memory, entry), this.encoding = encodingOf(this.#keyspace.memory, entry);
  }

  /** Opens a new, empty hash, with room for about what it will get: so many fields and values of `totalBytes` together. */
  create(strings: number, totalBytes: number): void {
    const sizeBytes = LISTPACK_EMPTY_BYTES + totalBytes + strings * elementBytesMax(0);
    this.value = this.#listpacks.createFor(Math.min(sizeBytes, ROOM_BYTES_MAX)), this.encoding = ENCODING.listpack;
  }

  /** Stores where the open hash is now in its entry. */
  close(entry: Address): void {
    this.#keyspace.updateValue(entry, this.encoding, this.value);
  }

  /** Frees the open hash, which no key has. */
  discard(): void {
    this.free(this.value, this.encoding);
  }

  // ---- reading -------------------------------------------------------------------------------------------------

  /** Number of fields. */
  get size(): number {
    return this.encoding === ENCODING.listpack
      ? this.#listpacks.count(this.value) / 2
      : this.fields.dict.size(this.value);
  }

  /** Reads the value of a field; false when there is no such field. */
  get(field: Uint8Array, fieldAt: number, fieldBytes: number): boolean {
    const memory = this.#keyspace.memory;
    if (this.encoding === ENCODING.hashtable) {
      const entry = this.fields.find(this.value, field, fieldAt, fieldBytes);
      if (entry === NONE) return false;
      this.#readValueOf(entry);
      return true;
    }
    const bytes = memory.bytesOf(this.value), lp = memory.placeOf(this.value);
    const at = findElement(bytes, lp, firstElement(bytes, lp), field, fieldAt, fieldBytes, 1);
    if (at < 0) return false;
    this.#readElement(bytes, lp, nextElement(bytes, lp, at));
    return true;
  }

  /** Before the first field; `next` goes on from there. Nothing may look up or change anything in between. */
  rewind(): void {
    this.#isStarted = false;
    if (this.encoding === ENCODING.hashtable) this.#walk.start(this.#keyspace.memory, this.value);
  }

  /** Steps to the next field, for `readField` and `readValue`; false at the end. */
  next(): boolean {
    if (this.encoding === ENCODING.hashtable) return (this.#at = this.#walk.next()) !== NONE;
    const bytes = this.#keyspace.memory.bytesOf(this.value), lp = this.#keyspace.memory.placeOf(this.value);
    const at = this.#at = this.#isStarted ? nextElement(bytes, lp, this.#valueAt) : firstElement(bytes, lp);
    if (at < 0) return false;
    this.#valueAt = nextElement(bytes, lp, at), this.#isStarted = true;
    return true;
  }

  /** Steps to a field drawn evenly from all. */
  random(): void {
    const { memory, random } = this.#keyspace;
    if (this.encoding === ENCODING.hashtable) this.#at = this.fields.dict.randomEntry(this.value, random);
    else this.jump(seekElement(memory.bytesOf(this.value), memory.placeOf(this.value), random(this.size) * 2));
  }

  /** Where the hash stands, for `jump`; of no other meaning. */
  get place(): number {
    return this.#at;
  }

  /** Steps to a field whose place is known; nothing has changed since. */
  jump(place: number): void {
    const memory = this.#keyspace.memory;
    this.#at = place;
    if (this.encoding === ENCODING.hashtable) return;
    this.#valueAt = nextElement(memory.bytesOf(this.value), memory.placeOf(this.value), place);
  }

  /** The entries of one cursor position of a hash table, for HSCAN: their places. Returns the next cursor. */
  scan(cursor: number, visit: (place: number) => void): number {
    return this.fields.dict.scan(this.value, cursor, visit);
  }

  readField(): void {
    const memory = this.#keyspace.memory;
    if (this.encoding === ENCODING.listpack) {
      return this.#readElement(memory.bytesOf(this.value), memory.placeOf(this.value), this.#at);
    }
    const entry = this.#at as Address;
    this.bytes = memory.bytesOf(entry);
    this.start = memory.placeOf(entry) + FIELD_AT, this.length = fieldLength(memory, entry);
  }

  readValue(): void {
    if (this.encoding === ENCODING.hashtable) return this.#readValueOf(this.#at as Address);
    const memory = this.#keyspace.memory;
    this.#readElement(memory.bytesOf(this.value), memory.placeOf(this.value), this.#valueAt);
  }

  // ---- changing ------------------------------------------------------------------------------------------------

  /**
   * Makes the open hash a hash table when one of these strings is too long for a listpack, or all together are.
   * @throws {OutOfArenaError} and then nothing has changed
   */
  prepareFor(longestBytes: number, totalBytes: number): void {
    if (this.encoding !== ENCODING.listpack) return;
    if (longestBytes > this.#keyspace.limits.hashListpackValueBytesMax) return this.#convert();
    if (this.#listpacks.bytes(this.value) + totalBytes > LISTPACK_BYTES_MAX) this.#convert();
  }

  /** Gives a field a value; true when the field is new. */
  set(
    field: Uint8Array,
    fieldAt: number,
    fieldBytes: number,
    value: Uint8Array,
    valueAt: number,
    valueBytes: number,
  ): boolean {
    this.prepareFor(Math.max(fieldBytes, valueBytes), 0);
    this.#keyspace.memory.cow.writtenBytes += fieldBytes + valueBytes;
    if (this.encoding === ENCODING.hashtable) {
      return this.fields.set(this.value, field, fieldAt, fieldBytes, value, valueAt, valueBytes);
    }
    const isNew = this.#setInListpack(field, fieldAt, fieldBytes, value, valueAt, valueBytes);
    if (this.#listpacks.count(this.value) > 2 * this.#keyspace.limits.hashListpackEntriesMax) this.#convertIfRoom();
    return isNew;
  }

  /** True when the field was there. */
  remove(field: Uint8Array, fieldAt: number, fieldBytes: number): boolean {
    if (this.encoding === ENCODING.hashtable) return this.fields.remove(this.value, field, fieldAt, fieldBytes);
    const bytes = this.#keyspace.memory.bytesOf(this.value), lp = this.#keyspace.memory.placeOf(this.value);
    const at = findElement(bytes, lp, firstElement(bytes, lp), field, fieldAt, fieldBytes, 1);
    if (at < 0) return false;
    this.value = this.#listpacks.deleteRange(this.value, at, 2);
    return true;
  }

  /** Opens a new hash with the content of a sound listpack of pairs at `bytes[start]`. */
  createListpack(bytes: Uint8Array, start: number, sizeBytes: number): void {
    this.value = this.#listpacks.ofBytes(bytes, start, sizeBytes), this.encoding = ENCODING.listpack;
  }

  /** Opens a new, empty hash table with room for `pairs`. */
  createEmptyTable(pairs: number): void {
    this.value = this.fields.create(pairs), this.encoding = ENCODING.hashtable;
  }

  /** Opens a new hash table with the pairs of a sound listpack; of a field that comes twice the first one counts. */
  createTable(bytes: Uint8Array, start: number, pairs: number): void {
    this.value = this.fields.ofListpack(bytes, start, pairs), this.encoding = ENCODING.hashtable;
  }

  // ---- inside --------------------------------------------------------------------------------------------------

  #readElement(bytes: Uint8Array, lp: number, at: number): void {
    const element = this.#element;
    readElement(bytes, lp, at, element);
    this.bytes = element.text(bytes), this.start = element.start, this.length = element.length;
  }

  #readValueOf(entry: Address): void {
    const memory = this.#keyspace.memory, block = valueBlock(memory, entry);
    this.bytes = memory.bytesOf(block);
    this.start = memory.placeOf(block) + valueOffset(memory, entry), this.length = valueLength(memory, entry);
  }

  #setInListpack(
    field: Uint8Array,
    fieldAt: number,
    fieldBytes: number,
    value: Uint8Array,
    valueAt: number,
    valueBytes: number,
  ): boolean {
    const listpacks = this.#listpacks, memory = this.#keyspace.memory;
    const bytes = memory.bytesOf(this.value), lp = memory.placeOf(this.value);
    const at = findElement(bytes, lp, firstElement(bytes, lp), field, fieldAt, fieldBytes, 1);
    if (at >= 0) {
      this.value = listpacks.replace(this.value, nextElement(bytes, lp, at), value, valueAt, valueBytes);
      return false;
    }
    // Both or none: there is room for the second one when there was for the first.
    const pairBytes = elementBytesMax(fieldBytes) + elementBytesMax(valueBytes);
    const roomy = listpacks.reserve(this.value, listpacks.bytes(this.value) + pairBytes);
    this.value = listpacks.append(listpacks.append(roomy, field, fieldAt, fieldBytes), value, valueAt, valueBytes);
    return true;
  }

  #convert(): void {
    const memory = this.#keyspace.memory, listpack = this.value;
    this.createTable(memory.bytesOf(listpack), memory.placeOf(listpack), this.size);
    this.#listpacks.free(listpack);
  }

  /** When there is no room it remains a listpack, and the next change tries again: this one is done. */
  #convertIfRoom(): void {
    try {
      this.#convert();
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
    }
  }
}
