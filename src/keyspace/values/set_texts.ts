/** A set's members as strings, one after the other, out of live or frozen memory: for saving, rewriting and digests. */
import { formatI64, INTEGER_TEXT_BYTES_MAX } from "../../base/integer.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { dictSize } from "../../structures/dict.ts";
import { intsetCount } from "../../structures/intset.ts";
import { MEMBER_BYTES_AT, memberLength } from "../../structures/member_dict.ts";
import { ENCODING, encodingOf, valueOf } from "../entry.ts";
import { SetWalk } from "./set_value.ts";

const BYTES_START = 1024;

/** One instance is reused. */
export class SetTexts {
  /** The member: [0, length) of `bytes`, valid until the next one. */
  bytes: Uint8Array = new Uint8Array(Math.max(BYTES_START, INTEGER_TEXT_BYTES_MAX));
  length = 0;
  /** Members of the set. */
  size = 0;
  readonly #walk = new SetWalk();
  #memory!: MemoryReader;

  start(memory: MemoryReader, entry: Address): void {
    const value = valueOf(memory, entry), encoding = encodingOf(memory, entry);
    this.#memory = memory;
    this.size = encoding === ENCODING.intset ? intsetCount(memory, value) : dictSize(memory, value);
    this.#walk.start(memory, value, encoding);
  }

  /** False at the end. */
  next(): boolean {
    const { member } = this.#walk, memory = this.#memory;
    if (!this.#walk.next()) return false;
    if (member.isInteger) {
      this.length = formatI64(member.integer, this.bytes, 0);
      return true;
    }
    this.length = memberLength(memory, member.entry);
    if (this.length > this.bytes.length) this.bytes = new Uint8Array(this.length * 2);
    memory.copyOut(member.entry, MEMBER_BYTES_AT, this.bytes, 0, this.length);
    return true;
  }
}
