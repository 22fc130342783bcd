/**
 * Walks the fields and values of a hash in live or frozen memory, for what writes or digests whole values. One instance is reused.
 *
 *   bytes: | field … | value … |      field from 0 on for `fieldLength`, value from there on for `valueLength`
 * The pair is a copy, valid until the next step. Nothing may change the hash meanwhile.
 */
import { type Address, type MemoryReader, NONE } from "../../memory/mod.ts";
import { dictSize, DictWalk } from "../../structures/dict.ts";
import { FIELD_AT, fieldLength, valueBlock, valueLength, valueOffset } from "../../structures/field_dict.ts";
import {
  firstElement,
  ListpackCopy,
  listpackCount,
  ListpackElement,
  nextElement,
  readElement,
} from "../../structures/listpack.ts";
import { ENCODING, encodingOf, valueOf } from "../entry.ts";

const SCRATCH_BYTES_START = 1024, SCRATCH_BYTES_KEPT_MAX = 1 << 20;

export class HashPairs {
  bytes: Uint8Array = new Uint8Array(SCRATCH_BYTES_START);
  /** Pairs of the whole hash. */
  size = 0;
  fieldLength = 0;
  valueLength = 0;
  #memory!: MemoryReader;
  #isTable = false;
  readonly #walk = new DictWalk();
  readonly #listpack = new ListpackCopy();
  readonly #element = new ListpackElement();
  /** Place of the next field in the listpack. */
  #at = 0;

  start(memory: MemoryReader, entry: Address): void {
    this.#memory = memory, this.#isTable = encodingOf(memory, entry) === ENCODING.hashtable;
    if (this.bytes.length > SCRATCH_BYTES_KEPT_MAX) this.bytes = new Uint8Array(SCRATCH_BYTES_START);
    if (this.#isTable) this.#startTable(valueOf(memory, entry));
    else this.#startListpack(valueOf(memory, entry));
  }

  /** Reads the next pair; false at the end. */
  next(): boolean {
    return this.#isTable ? this.#nextEntry() : this.#nextElements();
  }

  #startTable(dict: Address): void {
    this.size = dictSize(this.#memory, dict);
    this.#walk.start(this.#memory, dict);
  }

  #startListpack(listpack: Address): void {
    this.#listpack.load(this.#memory, listpack);
    this.size = listpackCount(this.#listpack.bytes, 0) / 2;
    this.#at = firstElement(this.#listpack.bytes, 0);
  }

  #nextEntry(): boolean {
    const memory = this.#memory, entry = this.#walk.next();
    if (entry === NONE) return false;
    this.fieldLength = fieldLength(memory, entry), this.valueLength = valueLength(memory, entry);
    this.#reserve(this.fieldLength + this.valueLength);
    memory.copyOut(entry, FIELD_AT, this.bytes, 0, this.fieldLength);
    const block = valueBlock(memory, entry), offset = valueOffset(memory, entry);
    memory.copyOut(block, offset, this.bytes, this.fieldLength, this.valueLength);
    return true;
  }

  #nextElements(): boolean {
    if (this.#at < 0) return false;
    this.fieldLength = this.#copyElement(0);
    this.valueLength = this.#copyElement(this.fieldLength);
    return true;
  }

  /** Copies the element at hand to `bytes[target]`, steps on, and returns its length. */
  #copyElement(target: number): number {
    const source = this.#listpack.bytes, element = this.#element;
    readElement(source, 0, this.#at, element);
    const text = element.text(source), { start, length } = element;
    this.#reserve(target + length);
    for (let i = 0; i < length; i++) this.bytes[target + i] = text[start + i];
    this.#at = nextElement(source, 0, this.#at);
    return length;
  }

  #reserve(sizeBytes: number): void {
    if (sizeBytes <= this.bytes.length) return;
    const larger = new Uint8Array(sizeBytes * 2);
    larger.set(this.bytes);
    this.bytes = larger;
  }
}
