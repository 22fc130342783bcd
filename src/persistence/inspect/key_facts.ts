/** What an inspection wants to know of a key: one instance is filled anew for each key, and nothing of it is kept. */
import { KeyedHash } from "../../base/siphash.ts";
import { valueDigest } from "../../keyspace/digest.ts";
import { ENCODING, encodingOf, expiresAtMs, StringPlace, TYPE, typeOf, valueOf } from "../../keyspace/entry.ts";
import type { Keyspace } from "../../keyspace/keyspace.ts";
import { formatI64, I64, INTEGER_TEXT_BYTES_MAX } from "../../base/integer.ts";
import type { Address } from "../../memory/mod.ts";
import { dictSize } from "../../structures/dict.ts";
import { intsetCount } from "../../structures/intset.ts";
import { listpackCount } from "../../structures/listpack.ts";
import { listLength } from "../../structures/quicklist.ts";
import { indexLength } from "../../structures/sorted_index.ts";
import { streamLength } from "../../structures/stream_layout.ts";

const LISTPACK_COUNT_AT = 4, LISTPACK_COUNT_UNKNOWN = 0xffff;

export class KeyFacts {
  database = 0;
  /** The name: [0, keyLength) of `key`. */
  key: Uint8Array = new Uint8Array(0);
  keyLength = 0;
  type = 0;
  encoding = 0;
  /** A Unix time, -1 without. */
  expiresAtMs = -1;
  /** Of all blocks of the entry and its value: MEMORY USAGE with all elements. */
  memoryBytes = 0;
  /** In the RDB file; 0 where the key comes out of a log. */
  fileBytes = 0;
  #keyspace!: Keyspace;
  #entry!: Address;
  readonly #place = new StringPlace();
  readonly #integer = new I64();
  readonly #digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX);
  #listpack = new Uint8Array(1024);
  readonly #low = new KeyedHash(0x243f6a88, 0x85a308d3);
  readonly #high = new KeyedHash(0x13198a2e, 0x03707344);
  #bytes = new Uint8Array(1024);

  fill(keyspace: Keyspace, database: number, entry: Address, memoryBytes: number, fileBytes: number): void {
    const { memory } = keyspace;
    this.#keyspace = keyspace, this.#entry = entry;
    this.database = database, this.memoryBytes = memoryBytes, this.fileBytes = fileBytes;
    this.keyLength = keyspace.copyKey(entry), this.key = keyspace.keyScratch;
    this.type = typeOf(memory, entry), this.encoding = encodingOf(memory, entry);
    this.expiresAtMs = expiresAtMs(memory, entry);
  }

  /** Bytes of a string, elements of everything else: STRLEN, LLEN, HLEN, SCARD, ZCARD, XLEN. */
  get length(): number {
    const { memory } = this.#keyspace, { encoding } = this;
    if (this.type === TYPE.string) return this.#stringLength();
    const value = valueOf(memory, this.#entry);
    if (encoding === ENCODING.hashtable) return dictSize(memory, value);
    if (encoding === ENCODING.intset) return intsetCount(memory, value);
    if (encoding === ENCODING.quicklist) return listLength(memory, value);
    if (encoding === ENCODING.skiplist) return indexLength(memory, value);
    if (encoding === ENCODING.stream) return streamLength(memory, value);
    return this.#listpackCount(value) / 2;
  }

  /** A fingerprint of type and value, as numbers of 32 bits; equal values have equal ones, whatever their encodings and orders. */
  digest(into: Uint32Array): void {
    if (this.type === TYPE.string) return this.#digestString(into);
    const hex = valueDigest(this.#keyspace.memory, this.#entry);
    into[0] = Number.parseInt(hex.slice(0, 8), 16), into[1] = Number.parseInt(hex.slice(8, 16), 16);
  }

  #stringLength(): number {
    if (this.encoding === ENCODING.int) return this.#formatInteger();
    this.#place.locate(this.#keyspace.memory, this.#entry);
    return this.#place.lengthBytes;
  }

  #formatInteger(): number {
    this.#keyspace.readInteger(this.#entry, this.#integer);
    return formatI64(this.#integer, this.#digits, 0);
  }

  #digestString(into: Uint32Array): void {
    const length = this.#stringLength(), isInteger = this.encoding === ENCODING.int;
    if (!isInteger) {
      if (this.#bytes.length < length) this.#bytes = new Uint8Array(length * 2);
      this.#keyspace.memory.copyOut(this.#place.block, this.#place.offsetBytes, this.#bytes, 0, length);
    }
    const bytes = isInteger ? this.#digits : this.#bytes;
    into[0] = this.#low.hash(bytes, 0, length), into[1] = this.#high.hash(bytes, 0, length);
  }

  #listpackCount(value: Address): number {
    const { memory } = this.#keyspace, bytes = memory.u32(value, 0);
    const count = memory.u32(value, LISTPACK_COUNT_AT) & 0xffff;
    if (count !== LISTPACK_COUNT_UNKNOWN) return count;
    if (this.#listpack.length < bytes) this.#listpack = new Uint8Array(bytes);
    memory.copyOut(value, 0, this.#listpack, 0, bytes);
    return listpackCount(this.#listpack, 0);
  }
}

/** Is told of each key; the facts are valid until it returns. */
export type KeyVisitor = (facts: KeyFacts) => void;
