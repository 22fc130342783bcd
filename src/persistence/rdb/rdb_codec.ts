/**
 * How the values of one data type are written and read. A type is added by adding a codec to `CODECS`; saver, loader, DUMP and RESTORE
 * find it by the entry's type or by the file's type byte.
 */
import type { Database } from "../../keyspace/database.ts";
import type { Keyspace } from "../../keyspace/keyspace.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { hashCodec } from "./hash_codec.ts";
import { listCodec } from "./list_codec.ts";
import type { RdbReader } from "./rdb_reader.ts";
import type { RdbWriter } from "./rdb_writer.ts";
import { setCodec } from "./set_codec.ts";
import { sortedSetCodec } from "./sorted_set_codec.ts";
import { streamCodec } from "./stream_codec.ts";
import { stringCodec } from "./string_codec.ts";

/** The key a value is loaded for, and when it expires (a Unix time, or NO_EXPIRY). */
export interface LoadTarget {
  readonly keyspace: Keyspace;
  db: Database;
  key: Uint8Array;
  keyLength: number;
  expiresAtMs: number;
  /** Whether compact encodings are checked for what no walk over them finds (`sanitize-dump-payload`); counts those that were. */
  readonly deep: boolean;
  sanitizations: number;
}

export interface RdbCodec {
  /** The entry's type, as TYPE numbers it. */
  readonly type: number;
  /** Type bytes that this codec reads. */
  readonly typeBytes: readonly number[];
  typeByteOf(memory: MemoryReader, entry: Address): number;
  write(writer: RdbWriter, memory: MemoryReader, entry: Address): void;
  /**
   * Reads a value into a new entry with the target's key and expiry, which the caller links or frees. NONE when the value is a
   * collection of no elements, which no key can hold (old servers wrote some): the key is left out of what is loaded.
   * The bytes come from outside: nothing in them may make it assert, hang, or take memory that they themselves do not take.
   * @throws {RdbCorruptError} and then everything that was allocated has been freed
   */
  read(reader: RdbReader, typeByte: number, target: LoadTarget): Address;
}

const CODECS: readonly RdbCodec[] = [stringCodec, hashCodec, listCodec, setCodec, sortedSetCodec, streamCodec];
const BY_TYPE: (RdbCodec | undefined)[] = [];
const BY_TYPE_BYTE: (RdbCodec | undefined)[] = [];
for (const codec of CODECS) {
  BY_TYPE[codec.type] = codec;
  for (const byte of codec.typeBytes) BY_TYPE_BYTE[byte] = codec;
}

export function codecOfType(type: number): RdbCodec {
  return BY_TYPE[type]!;
}

export function codecOfTypeByte(typeByte: number): RdbCodec | undefined {
  return BY_TYPE_BYTE[typeByte];
}
