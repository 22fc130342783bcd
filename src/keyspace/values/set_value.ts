/**
 * Sets: an intset while all members are integers and few enough (`setIntsetEntriesMax`), else a hash table; never back again.
 *
 * A set at hand is a `SetRef`: what changes a set changes the ref, and who opened it from an entry writes it back (`store`). Members come
 * and go as bytes, or as the `SetMember` that a walk or a draw filled. Redis's rules of encoding, in Redis's order of checks.
 * OutOfArenaError leaves a set as it was.
 */
import { formatI64, I64, INTEGER_TEXT_BYTES_MAX, parseI64, parseSafeInteger } from "../../base/integer.ts";
import { type Address, type LiveMemory, type MemoryReader, NONE, OutOfArenaError } from "../../memory/mod.ts";
import { type Dict, DictWalk } from "../../structures/dict.ts";
import { INTSET_COUNT_MAX, intsetCount, Intsets, readIntset } from "../../structures/intset.ts";
import { MEMBER_BYTES_AT, MemberDicts, memberLength } from "../../structures/member_dict.ts";
import type { EncodingLimits } from "../encoding_limits.ts";
import { ENCODING, encodingOf, TYPE, valueOf } from "../entry.ts";
import type { Keyspace } from "../keyspace.ts";
import type { ValueType } from "../value_type.ts";

/** Integers of so many digits are safe ones. */
const SAFE_DIGITS = 15;

/** A set that is worked with. */
export class SetRef {
  value: Address = NONE;
  encoding: number = ENCODING.intset;

  /** Makes this the set that an entry holds. */
  open(memory: MemoryReader, entry: Address): this {
    this.value = valueOf(memory, entry), this.encoding = encodingOf(memory, entry);
    return this;
  }
}

/** A member where it is: an integer of an intset, or an entry of a hash table, valid until that changes. */
export class SetMember {
  isInteger = false;
  readonly integer: I64 = new I64();
  entry: Address = NONE;
  /** The lowest `hashLog2` bits of the entry's hash; -1 when nothing is known of it. */
  hashBits = 0;
  hashLog2 = -1;
}

/** Walks a set's members, live or frozen; nothing may change meanwhile. One instance is reused. */
export class SetWalk {
  readonly member: SetMember = new SetMember();
  readonly #dict = new DictWalk();
  #memory!: MemoryReader;
  #intset: Address = NONE;
  #index = 0;
  #count = 0;

  start(memory: MemoryReader, value: Address, encoding: number): this {
    this.#memory = memory;
    this.member.isInteger = encoding === ENCODING.intset;
    if (encoding !== ENCODING.intset) this.#dict.start(memory, value);
    else this.#intset = value, this.#index = 0, this.#count = intsetCount(memory, value);
    return this;
  }

  /** Fills `member` with the next one; false at the end. */
  next(): boolean {
    const member = this.member;
    if (member.isInteger) {
      if (this.#index === this.#count) return false;
      readIntset(this.#memory, this.#intset, this.#index++, member.integer);
      return true;
    }
    member.entry = this.#dict.next();
    member.hashBits = this.#dict.hashBits, member.hashLog2 = this.#dict.hashLog2;
    return member.entry !== NONE;
  }
}

/** The operations on sets; one instance belongs to a keyspace. */
export class SetValues implements ValueType {
  readonly type: number = TYPE.set;
  readonly members: MemberDicts;
  readonly intsets: Intsets;
  readonly #memory: LiveMemory;
  readonly #limits: EncodingLimits;
  readonly #random: (below: number) => number;
  readonly #integer = new I64();
  readonly #digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX);
  readonly #walk = new SetWalk();

  constructor(keyspace: Keyspace) {
    this.#memory = keyspace.memory, this.#limits = keyspace.limits, this.#random = keyspace.random;
    this.members = new MemberDicts(keyspace.memory, keyspace.allocator, keyspace.hash);
    this.intsets = new Intsets(keyspace.memory, keyspace.allocator);
  }

  // ---- single sets ---------------------------------------------------------------------------------------------

  /** A new empty set, an intset. */
  create(set: SetRef): SetRef {
    set.value = this.intsets.create(), set.encoding = ENCODING.intset;
    return set;
  }

  /** A new empty set that can hold this member. */
  createFor(set: SetRef, bytes: Uint8Array, start: number, length: number): SetRef {
    if (this.#isInteger(bytes, start, length)) return this.create(set);
    return this.createTable(set, 0);
  }

  /** A new empty set, a hash table with room for `members`. */
  createTable(set: SetRef, members: number): SetRef {
    set.value = this.members.create(members), set.encoding = ENCODING.hashtable;
    return set;
  }

  /** The set of the integers of an intset that has been checked; a hash table when they are more than the limit. */
  createIntset(set: SetRef, bytes: Uint8Array, start: number, length: number): void {
    set.value = this.intsets.ofBytes(bytes, start, length), set.encoding = ENCODING.intset;
    if (intsetCount(this.#memory, set.value) <= this.#countMax()) return;
    try {
      this.#toTable(set);
    } catch (error) {
      this.drop(set);
      throw error;
    }
  }

  size(set: SetRef): number {
    return set.encoding === ENCODING.intset ? intsetCount(this.#memory, set.value) : this.members.dict.size(set.value);
  }

  has(set: SetRef, bytes: Uint8Array, start: number, length: number): boolean {
    if (set.encoding !== ENCODING.intset) return this.members.has(set.value, bytes, start, length);
    return this.#isInteger(bytes, start, length) && this.intsets.has(set.value, this.#integer);
  }

  hasMember(set: SetRef, member: SetMember): boolean {
    if (set.encoding === ENCODING.intset) return this.#intsetHas(set, member);
    if (!member.isInteger) return this.members.hasSame(set.value, member.entry, member.hashBits, member.hashLog2);
    return this.members.has(set.value, this.#digits, 0, formatI64(member.integer, this.#digits, 0));
  }

  #intsetHas(set: SetRef, member: SetMember): boolean {
    if (member.isInteger) return this.intsets.has(set.value, member.integer);
    return this.has(set, this.bytesOf(member), this.startOf(member), this.lengthOf(member));
  }

  /** False when it was a member already. */
  add(set: SetRef, bytes: Uint8Array, start: number, length: number): boolean {
    if (set.encoding === ENCODING.intset) {
      if (this.#isInteger(bytes, start, length)) return this.addInteger(set, this.#integer);
      this.#toTable(set);
    }
    return this.members.add(set.value, bytes, start, length);
  }

  addInteger(set: SetRef, value: I64): boolean {
    if (set.encoding === ENCODING.intset) {
      if (!this.#isFull(set) || this.intsets.has(set.value, value)) {
        set.value = this.intsets.add(set.value, value);
        return this.intsets.changed;
      }
      this.#toTable(set);
    }
    return this.members.add(set.value, this.#digits, 0, formatI64(value, this.#digits, 0));
  }

  addMember(set: SetRef, member: SetMember): boolean {
    if (member.isInteger) return this.addInteger(set, member.integer);
    if (set.encoding === ENCODING.hashtable) return this.members.addSame(set.value, member.entry);
    return this.add(set, this.bytesOf(member), this.startOf(member), this.lengthOf(member));
  }

  /** False when it was no member. */
  remove(set: SetRef, bytes: Uint8Array, start: number, length: number): boolean {
    if (set.encoding !== ENCODING.intset) return this.members.remove(set.value, bytes, start, length);
    return this.#isInteger(bytes, start, length) && this.#removeInteger(set, this.#integer);
  }

  removeMember(set: SetRef, member: SetMember): boolean {
    if (set.encoding === ENCODING.intset) return this.#removeFromIntset(set, member);
    if (!member.isInteger) return this.members.removeSame(set.value, member.entry);
    return this.members.remove(set.value, this.#digits, 0, formatI64(member.integer, this.#digits, 0));
  }

  #removeFromIntset(set: SetRef, member: SetMember): boolean {
    if (member.isInteger) return this.#removeInteger(set, member.integer);
    return this.remove(set, this.bytesOf(member), this.startOf(member), this.lengthOf(member));
  }

  /** Draws a member of a set that is not empty; each has the same chance. */
  draw(set: SetRef, into: SetMember): void {
    into.isInteger = set.encoding === ENCODING.intset;
    if (!into.isInteger) into.entry = this.members.dict.randomEntry(set.value, this.#random);
    else readIntset(this.#memory, set.value, this.#random(intsetCount(this.#memory, set.value)), into.integer);
  }

  /** Reads the integer at an index of an intset; returns the index. */
  readAt(set: SetRef, index: number, into: SetMember): number {
    into.isInteger = true;
    readIntset(this.#memory, set.value, index, into.integer);
    return index;
  }

  /** Frees a set that belongs to no entry. */
  drop(set: SetRef): void {
    this.free(set.value, set.encoding);
  }

  /** Encodes a set anew from its members, as Redis does when SPOP has left few of many. With the arena full it stays as it is. */
  reencode(set: SetRef): void {
    try {
      const again = this.#rebuilt(set);
      this.drop(set);
      set.value = again.value, set.encoding = again.encoding;
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
    }
  }

  // ---- where a member that is no integer has its bytes ---------------------------------------------------------

  bytesOf(member: SetMember): Uint8Array {
    return this.#memory.bytesOf(member.entry);
  }

  startOf(member: SetMember): number {
    return this.#memory.placeOf(member.entry) + MEMBER_BYTES_AT;
  }

  lengthOf(member: SetMember): number {
    return memberLength(this.#memory, member.entry);
  }

  /** A member's bytes of their own. */
  textOf(member: SetMember): Uint8Array {
    if (member.isInteger) return this.#digits.slice(0, formatI64(member.integer, this.#digits, 0));
    const start = this.startOf(member);
    return this.bytesOf(member).slice(start, start + this.lengthOf(member));
  }

  // ---- ValueType -----------------------------------------------------------------------------------------------

  free(value: Address, encoding: number): void {
    if (encoding === ENCODING.intset) this.intsets.free(value);
    else this.members.free(value);
  }

  freeEffort(value: Address, encoding: number): number {
    return encoding === ENCODING.intset ? 1 : this.members.dict.size(value);
  }

  freeSome(value: Address, encoding: number, blocksMax: number): boolean {
    if (encoding !== ENCODING.intset) return this.members.freeSome(value, blocksMax);
    this.intsets.free(value);
    return true;
  }

  copy(value: Address, encoding: number): Address {
    return encoding === ENCODING.intset ? this.intsets.copy(value) : this.members.copy(value);
  }

  memoryUsage(value: Address, encoding: number, samples: number): number {
    return encoding === ENCODING.intset ? this.intsets.memoryUsage(value) : this.members.memoryUsage(value, samples);
  }

  hashTable(value: Address, encoding: number): { dict: Dict; header: Address } | null {
    return encoding === ENCODING.intset ? null : { dict: this.members.dict, header: value };
  }

  // ---- inside --------------------------------------------------------------------------------------------------

  /** Reads the integer that the range spells into `#integer`; false when it spells none. */
  #isInteger(bytes: Uint8Array, start: number, length: number): boolean {
    const value = parseSafeInteger(bytes, start, length);
    if (Number.isNaN(value)) return length > SAFE_DIGITS && parseI64(bytes, start, length, this.#integer);
    this.#integer.setNumber(value);
    return true;
  }

  /** Whether one more integer would make an intset too large. */
  #isFull(set: SetRef): boolean {
    return intsetCount(this.#memory, set.value) >= this.#countMax();
  }

  #countMax(): number {
    return Math.min(this.#limits.setIntsetEntriesMax, INTSET_COUNT_MAX);
  }

  #rebuilt(set: SetRef): SetRef {
    const again = this.create(new SetRef()), walk = this.#walk.start(this.#memory, set.value, set.encoding);
    try {
      while (walk.next()) this.addMember(again, walk.member);
    } catch (error) {
      this.drop(again);
      throw error;
    }
    return again;
  }

  #removeInteger(set: SetRef, value: I64): boolean {
    set.value = this.intsets.remove(set.value, value);
    return this.intsets.changed;
  }

  /** Turns an intset into a hash table with room for one more. */
  #toTable(set: SetRef): void {
    const memory = this.#memory, count = intsetCount(memory, set.value), digits = this.#digits;
    const table = this.members.create(count + 1), value = new I64();
    try {
      for (let i = 0; i < count; i++) {
        readIntset(memory, set.value, i, value);
        this.members.add(table, digits, 0, formatI64(value, digits, 0));
      }
    } catch (error) {
      this.members.free(table);
      throw error;
    }
    this.intsets.free(set.value);
    set.value = table, set.encoding = ENCODING.hashtable;
  }
}

export function setsOf(keyspace: Keyspace): SetValues {
  return keyspace.types[TYPE.set] as SetValues;
}
