/**
 * A string value's bytes where they are, for commands that look at many of them: bytes, the same memory as words, a place, a length.
 * Digits of an int-encoded value are spelled into a buffer of the run's own. Valid until the next write; whoever keeps several needs
 * several runs. Read only: stores go through the keyspace.
 */
import { formatI64, I64, INTEGER_TEXT_BYTES_MAX } from "../base/integer.ts";
import { ENCODING, encodingOf } from "../keyspace/entry.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import { type Address, NONE } from "../memory/mod.ts";

/** A whole number of words that holds any integer's text. */
const DIGITS_BYTES = (INTEGER_TEXT_BYTES_MAX + 3) & ~3;

export class StringRun {
  bytes: Uint8Array;
  /** The same memory: bytes 4i to 4i + 3 are word i. */
  words: Uint32Array;
  /** Index of the first byte. */
  at = 0;
  length = 0;
  readonly #digits = new Uint8Array(DIGITS_BYTES);
  readonly #digitWords = new Uint32Array(this.#digits.buffer);
  readonly #integer = new I64();

  constructor() {
    this.bytes = this.#digits, this.words = this.#digitWords;
  }

  /** Goes to the string of an entry; NONE is the empty string. */
  locate(keyspace: Keyspace, entry: Address): void {
    if (entry === NONE) this.length = 0;
    else if (encodingOf(keyspace.memory, entry) === ENCODING.int) this.#spell(keyspace, entry);
    else {
      const { memory, place } = keyspace;
      place.locate(memory, entry);
      this.bytes = memory.bytesOf(place.block), this.words = memory.wordsOf(place.block);
      this.at = memory.placeOf(place.block) + place.offsetBytes, this.length = place.lengthBytes;
    }
  }

  /** The byte at an offset; 0 beyond the end. */
  byteAt(offset: number): number {
    return offset < this.length ? this.bytes[this.at + offset] : 0;
  }

  #spell(keyspace: Keyspace, entry: Address): void {
    keyspace.readInteger(entry, this.#integer);
    this.bytes = this.#digits, this.words = this.#digitWords;
    this.at = 0, this.length = formatI64(this.#integer, this.#digits, 0);
  }
}
