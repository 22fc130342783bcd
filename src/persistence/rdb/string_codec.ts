/** Strings: type byte 0, in every string encoding. */
import { I64 } from "../../base/integer.ts";
import { ENCODING, encodingOf, ENTRY, intOffset, StringPlace, TYPE } from "../../keyspace/entry.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import type { LoadTarget, RdbCodec } from "./rdb_codec.ts";
import type { RdbReader } from "./rdb_reader.ts";
import type { RdbWriter } from "./rdb_writer.ts";

const place = new StringPlace();
const integer = new I64();

function write(writer: RdbWriter, memory: MemoryReader, entry: Address): void {
  if (encodingOf(memory, entry) === ENCODING.int) {
    const at = intOffset(memory.u32(entry, ENTRY.keyInfo));
    integer.set(memory.u32(entry, at + 4) | 0, memory.u32(entry, at));
    return writer.integer(integer);
  }
  place.locate(memory, entry);
  writer.stringFrom(memory, place.block, place.offsetBytes, place.lengthBytes);
}

function read(reader: RdbReader, _typeByte: number, target: LoadTarget): Address {
  reader.string();
  const { stringBytes, stringAt, stringLength } = reader;
  return target.keyspace.newString(
    target.key,
    0,
    target.keyLength,
    stringBytes,
    stringAt,
    stringLength,
    target.expiresAtMs,
  );
}

export const stringCodec: RdbCodec = { type: TYPE.string, typeBytes: [0], typeByteOf: () => 0, write, read };
