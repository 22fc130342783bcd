/**
 * What DUMP gives and RESTORE takes: type byte and value as in RDB, then the RDB version (2 bytes) and a CRC-64 of all before (8 bytes).
 */
import { Crc64 } from "../../base/crc64.ts";
import { BulkLoad } from "../../keyspace/bulk_load.ts";
import { typeOf } from "../../keyspace/entry.ts";
import { type Address, type MemoryReader, NONE } from "../../memory/mod.ts";
import { codecOfType, codecOfTypeByte, type LoadTarget } from "./rdb_codec.ts";
import { RDB_VERSION } from "./rdb_format.ts";
import { RdbCorruptError, RdbReader } from "./rdb_reader.ts";
import { RdbWriter } from "./rdb_writer.ts";

const FOOTER_BYTES = 10;

export function dumpPayload(memory: MemoryReader, entry: Address, compress: boolean): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = new RdbWriter((bytes, start, end) => void parts.push(bytes.slice(start, end)), compress, false);
  const codec = codecOfType(typeOf(memory, entry));
  writer.byte(codec.typeByteOf(memory, entry));
  codec.write(writer, memory, entry);
  writer.byte(RDB_VERSION & 0xff), writer.byte(RDB_VERSION >>> 8);
  writer.flush();
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const payload = new Uint8Array(length + 8);
  let at = 0;
  for (const part of parts) payload.set(part, at), at += part.length;
  const crc = new Crc64();
  crc.update(payload, 0, length);
  crc.writeLittleEndian(payload, length);
  return payload;
}

/** Whether version and checksum are right. */
export function isPayloadIntact(payload: Uint8Array, verifyChecksum: boolean): boolean {
  if (payload.length < FOOTER_BYTES) return false;
  const footer = payload.length - FOOTER_BYTES;
  if ((payload[footer] | (payload[footer + 1] << 8)) > RDB_VERSION) return false;
  if (!verifyChecksum) return true;
  const crc = new Crc64();
  crc.update(payload, 0, payload.length - 8);
  return crc.equalsLittleEndian(payload, payload.length - 8);
}

/**
 * Gives an intact payload's value to the target's key, replacing what it held. Returns "", or why it cannot: the content is damaged,
 * empty, or of a type that is not known; then nothing has changed.
 */
export function loadPayload(payload: Uint8Array, target: LoadTarget): string {
  const reader = RdbReader.ofBytes(payload.subarray(0, payload.length - FOOTER_BYTES));
  if (reader.totalBytes === 0) return "no payload";
  const typeByte = reader.byte(), codec = codecOfTypeByte(typeByte);
  if (codec === undefined) return `Unknown RDB encoding type ${typeByte}`;
  let entry: Address;
  try {
    entry = codec.read(reader, typeByte, target);
  } catch (error) {
    if (error instanceof RdbCorruptError) return error.message;
    throw error;
  }
  if (entry === NONE) return "empty collection";
  if (reader.offsetBytes !== reader.totalBytes) {
    target.keyspace.freeEntry(entry, false);
    return "bytes are left after the value";
  }
  const bulk = new BulkLoad(target.keyspace, true);
  bulk.add(target.db, entry, 0);
  bulk.flush();
  return "";
}
