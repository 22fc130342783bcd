/**
 * Walks a sorted set in live or frozen memory, for saving, rewriting and digests: from the highest score to the lowest, the order in
 * which Redis saves large ones. A member is copied out of the memory and valid until the next step.
 */
import { parseBound } from "../../base/strtod.ts";
import { type Address, type MemoryReader, NONE } from "../../memory/mod.ts";
import {
  lastElement,
  listpackBytes,
  listpackCount,
  ListpackElement,
  previousElement,
  readElement,
} from "../../structures/listpack.ts";
import {
  indexLength,
  lastLeaf,
  leafCount,
  leafEntry,
  leafScore,
  MEMBER_ENTRY,
  memberLength,
  previousLeaf,
} from "../../structures/sorted_index.ts";
import { ENCODING, encodingOf, valueOf } from "../entry.ts";

const SCRATCH_BYTES_START = 1024;

export class SortedSetWalk {
  /** The member, and its score. */
  bytes: Uint8Array = new Uint8Array(SCRATCH_BYTES_START);
  at = 0;
  length = 0;
  score = 0;
  /** Members in all. */
  size = 0;
  #memory!: MemoryReader;
  #isListpack = false;
  /** The listpack, copied, and where the walk stands in it. */
  #pack = new Uint8Array(SCRATCH_BYTES_START);
  #place = -1;
  #scratch = this.bytes;
  #leaf: Address = NONE;
  #slot = 0;
  readonly #element = new ListpackElement();

  start(memory: MemoryReader, entry: Address): void {
    const value = valueOf(memory, entry);
    this.#memory = memory, this.#isListpack = encodingOf(memory, entry) === ENCODING.listpack;
    if (this.#isListpack) return this.#copyPack(value);
    this.size = indexLength(memory, value);
    this.#leaf = lastLeaf(memory, value), this.#slot = leafCount(memory, this.#leaf);
  }

  /** Steps to the next member; false at the end. */
  next(): boolean {
    return this.#isListpack ? this.#nextPair() : this.#nextEntry();
  }

  /** The whole listpack of a small set: `packBytes` bytes of it. */
  get pack(): Uint8Array {
    return this.#pack;
  }

  get packBytes(): number {
    return listpackBytes(this.#pack, 0);
  }

  #copyPack(value: Address): void {
    const total = this.#memory.u32(value, 0);
    if (total > this.#pack.length) this.#pack = new Uint8Array(total * 2);
    this.#memory.copyOut(value, 0, this.#pack, 0, total);
    this.size = listpackCount(this.#pack, 0) >>> 1;
    this.#place = lastElement(this.#pack, 0);
  }

  #nextPair(): boolean {
    if (this.#place < 0) return false;
    const pack = this.#pack, element = this.#element;
    readElement(pack, 0, this.#place, element);
    this.score = element.isInteger ? element.integer.toNumber() : parseBound(pack, element.start, element.length);
    const member = previousElement(pack, 0, this.#place);
    readElement(pack, 0, member, element);
    this.bytes = element.text(pack), this.at = element.start, this.length = element.length;
    this.#place = previousElement(pack, 0, member);
    return true;
  }

  #nextEntry(): boolean {
    const memory = this.#memory;
    if (this.#slot === 0) {
      this.#leaf = previousLeaf(memory, this.#leaf);
      if (this.#leaf === NONE) return false;
      this.#slot = leafCount(memory, this.#leaf);
    }
    const entry = leafEntry(memory, this.#leaf, --this.#slot), length = memberLength(memory, entry);
    this.score = leafScore(memory, this.#leaf, this.#slot);
    if (length > this.#scratch.length) this.#scratch = new Uint8Array(length * 2);
    memory.copyOut(entry, MEMBER_ENTRY.member, this.#scratch, 0, length);
    this.bytes = this.#scratch, this.at = 0, this.length = length;
    return true;
  }
}
