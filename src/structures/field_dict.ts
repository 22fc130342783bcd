/**
 * Fields with values in a hash table: a `Dict` whose entries hold both. What a large hash is made of.
 *
 *   0      4              8                12
 *   | next | field info   | value length   | field bytes … | value bytes …
 *   field info: length (29 bits), APART
 * With APART the value has a block of its own, | value bytes … |, whose address (u32) follows the field at the next multiple of 4.
 * Invariants: a value of more than VALUE_INLINE_BYTES_MAX is apart, a shorter one never; an entry and its value's block are owned by
 * the dict they are linked in, which `free` and `freeSome` give back with it.
 * A new value of the same size class is written where the old one is. OutOfArenaError leaves everything as it was.
 */
import type { KeyedHash } from "../base/siphash.ts";
import { type Address, type Allocator, type LiveMemory, type MemoryReader, NONE, OWNER } from "../memory/mod.ts";
import { Dict, DictWalk, KEY_LENGTH_MASK } from "./dict.ts";
import { firstElement, ListpackElement, nextElement, readElement } from "./listpack.ts";

const ENTRY = { next: 0, info: 4, valueLength: 8, field: 12 } as const;
const APART = 1 << 29;
/** Longer values have a block of their own, so that a new value does not copy the field, nor a large block move for it. */
const VALUE_INLINE_BYTES_MAX = 1024;
const SLICE_ENTRIES = 4096;

export const FIELD_AT: number = ENTRY.field;

export function fieldLength(memory: MemoryReader, entry: Address): number {
  return memory.u32(entry, ENTRY.info) & KEY_LENGTH_MASK;
}

export function valueLength(memory: MemoryReader, entry: Address): number {
  return memory.u32(entry, ENTRY.valueLength);
}

function isApart(memory: MemoryReader, entry: Address): boolean {
  return (memory.u32(entry, ENTRY.info) & APART) !== 0;
}

/** Where the address of a value with a block of its own stands in its entry. */
function addressAt(fieldBytes: number): number {
  return (ENTRY.field + fieldBytes + 3) & ~3;
}

/** The block that an entry's value is in: the entry itself, or the value's own. */
export function valueBlock(memory: MemoryReader, entry: Address): Address {
  return isApart(memory, entry) ? memory.u32(entry, addressAt(fieldLength(memory, entry))) as Address : entry;
}

/** Where in `valueBlock` the value starts. */
export function valueOffset(memory: MemoryReader, entry: Address): number {
  return isApart(memory, entry) ? 0 : ENTRY.field + fieldLength(memory, entry);
}

/** One instance serves all of a keyspace; the dict's header is passed in. */
export class FieldDict {
  /** The table itself: size, scan, random entries. */
  readonly dict: Dict;
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #fieldElement = new ListpackElement();
  readonly #valueElement = new ListpackElement();
  readonly #walk = new DictWalk();
  readonly #freeEntry = (entry: Address): void => this.#free(entry);

  constructor(memory: LiveMemory, allocator: Allocator, hash: KeyedHash) {
    this.#memory = memory, this.#allocator = allocator;
    this.dict = new Dict(memory, allocator, hash, ENTRY.field);
  }

  /** An empty dict with room for `entries`. */
  create(entries: number): Address {
    const dict = this.dict.create();
    try {
      this.dict.reserve(dict, entries);
    } catch (error) {
      this.dict.destroy(dict);
      throw error;
    }
    return dict;
  }

  /** The entry of a field, or NONE. */
  find(dict: Address, field: Uint8Array, fieldAt: number, fieldBytes: number): Address {
    return this.dict.find(dict, field, fieldAt, fieldBytes);
  }

  /** Gives a field a value; true when the field is new. */
  set(
    dict: Address,
    field: Uint8Array,
    fieldAt: number,
    fieldBytes: number,
    value: Uint8Array,
    valueAt: number,
    valueBytes: number,
  ): boolean {
    const found = this.dict.find(dict, field, fieldAt, fieldBytes);
    if (found === NONE) {
      this.#insert(dict, this.#newEntry(field, fieldAt, fieldBytes, value, valueAt, valueBytes));
      return true;
    }
    if (this.#writeInPlace(found, value, valueAt, valueBytes)) return false;
    const entry = this.#newEntry(field, fieldAt, fieldBytes, value, valueAt, valueBytes);
    this.dict.replaceFound(dict, found, entry);
    this.#free(found);
    return false;
  }

  /** True when the field was there. Shrinks the table when it has become sparse. */
  remove(dict: Address, field: Uint8Array, fieldAt: number, fieldBytes: number): boolean {
    const found = this.dict.find(dict, field, fieldAt, fieldBytes);
    if (found === NONE) return false;
    this.dict.unlinkFound(dict, found);
    this.#free(found);
    this.dict.shrinkIfSparse(dict);
    return true;
  }

  /**
   * A dict with the pairs of the listpack that starts at `bytes[lp]`; integers become their text. Of a field that comes twice the first
   * value counts, as look-ups in the listpack had it; the caller sees it by the size. @throws {OutOfArenaError}
   */
  ofListpack(bytes: Uint8Array, lp: number, pairs: number): Address {
    const dict = this.create(pairs);
    try {
      for (let at = firstElement(bytes, lp); at >= 0;) {
        const valueAt = nextElement(bytes, lp, at);
        this.#addElements(dict, bytes, lp, at, valueAt);
        at = nextElement(bytes, lp, valueAt);
      }
    } catch (error) {
      this.free(dict);
      throw error;
    }
    return dict;
  }

  /** A deep copy. @throws {OutOfArenaError} and then nothing is left of it */
  copy(dict: Address): Address {
    const copy = this.create(this.dict.size(dict)), walk = this.#walk;
    try {
      walk.start(this.#memory, dict);
      for (let entry = walk.next(); entry !== NONE; entry = walk.next()) this.#copyEntry(entry, copy);
    } catch (error) {
      this.free(copy);
      throw error;
    }
    return copy;
  }

  /** Frees up to about `entriesMax` fields, and the dict when none are left; true then. Nothing else may use it any more. */
  freeSome(dict: Address, entriesMax: number): boolean {
    return this.dict.dismantle(dict, entriesMax, this.#freeEntry);
  }

  free(dict: Address): void {
    while (!this.freeSome(dict, SLICE_ENTRIES));
  }

  /** Bytes of all blocks; with `samples`, those of the fields are estimated from that many. */
  memoryUsage(dict: Address, samples: number): number {
    const walk = this.#walk, size = this.dict.size(dict), counted = samples === 0 ? size : Math.min(samples, size);
    let bytes = 0;
    walk.start(this.#memory, dict);
    for (let i = 0; i < counted; i++) bytes += this.#entryBytes(walk.next());
    return this.dict.overheadBytes(dict) + (counted === 0 ? 0 : Math.floor((bytes / counted) * size));
  }

  // ---- inside --------------------------------------------------------------------------------------------------

  #addElements(dict: Address, bytes: Uint8Array, lp: number, fieldAt: number, valueAt: number): void {
    const field = this.#fieldElement, value = this.#valueElement;
    readElement(bytes, lp, fieldAt, field), readElement(bytes, lp, valueAt, value);
    const fieldText = field.text(bytes), valueText = value.text(bytes);
    if (this.find(dict, fieldText, field.start, field.length) !== NONE) return;
    this.#insert(dict, this.#newEntry(fieldText, field.start, field.length, valueText, value.start, value.length));
  }

  #entryBytes(entry: Address): number {
    const block = valueBlock(this.#memory, entry), ownBytes = this.#allocator.allocatedBytes(entry);
    return block === entry ? ownBytes : ownBytes + this.#allocator.allocatedBytes(block);
  }

  #free(entry: Address): void {
    if (isApart(this.#memory, entry)) this.#allocator.free(valueBlock(this.#memory, entry));
    this.#allocator.free(entry);
  }

  /** Writes a value over the old one when it takes a block of the same size; false, and nothing done, when not. */
  #writeInPlace(entry: Address, value: Uint8Array, valueAt: number, valueBytes: number): boolean {
    const memory = this.#memory, allocator = this.#allocator, info = memory.u32(entry, ENTRY.info);
    const apart = valueBytes > VALUE_INLINE_BYTES_MAX, length = info & KEY_LENGTH_MASK;
    if (apart !== ((info & APART) !== 0)) return false;
    const block = apart ? memory.u32(entry, addressAt(length)) as Address : entry;
    const offset = apart ? 0 : ENTRY.field + length;
    if (allocator.sizeFor(offset + valueBytes) !== allocator.allocatedBytes(block)) return false;
    memory.setU32(entry, ENTRY.valueLength, valueBytes);
    memory.copyIn(block, offset, value, valueAt, valueBytes);
    return true;
  }

  /** An entry that is linked nowhere. */
  #newEntry(
    field: Uint8Array,
    fieldAt: number,
    fieldBytes: number,
    value: Uint8Array,
    valueAt: number,
    valueBytes: number,
  ): Address {
    const memory = this.#memory, apart = valueBytes > VALUE_INLINE_BYTES_MAX;
    const entry = apart
      ? this.#newApart(fieldBytes, valueBytes)
      : this.#allocator.allocate(ENTRY.field + fieldBytes + valueBytes, OWNER.fieldEntry);
    memory.setU32(entry, ENTRY.info, apart ? fieldBytes | APART : fieldBytes);
    memory.setU32(entry, ENTRY.valueLength, valueBytes);
    memory.copyIn(entry, ENTRY.field, field, fieldAt, fieldBytes);
    if (apart) memory.copyIn(valueBlock(memory, entry), 0, value, valueAt, valueBytes);
    else memory.copyIn(entry, ENTRY.field + fieldBytes, value, valueAt, valueBytes);
    return entry;
  }

  /** An entry whose value has a block of its own, both of undefined content, but the address set. */
  #newApart(fieldBytes: number, valueBytes: number): Address {
    const at = addressAt(fieldBytes), entry = this.#allocator.allocate(at + 4, OWNER.fieldEntry);
    try {
      this.#memory.setU32(entry, at, this.#allocator.allocate(valueBytes, OWNER.value));
    } catch (error) {
      this.#allocator.free(entry);
      throw error;
    }
    return entry;
  }

  /** Links an entry of the field that the dict's last `find` did not find; frees it when there is no room. */
  #insert(dict: Address, entry: Address): void {
    try {
      this.dict.insertMissed(dict, entry);
    } catch (error) {
      this.#free(entry);
      throw error;
    }
  }

  #copyEntry(entry: Address, into: Address): void {
    const memory = this.#memory, block = valueBlock(memory, entry);
    this.set(
      into,
      memory.bytesOf(entry),
      memory.placeOf(entry) + ENTRY.field,
      fieldLength(memory, entry),
      memory.bytesOf(block),
      memory.placeOf(block) + valueOffset(memory, entry),
      valueLength(memory, entry),
    );
  }
}
