/**
 * Streams in RDB: written as Redis 7.0 does (type byte 19); read are these, those of Redis 5 (15), which lack first id, deleted id and
 * counters, and those of Redis 7.2 (21), which have one time more to a consumer.
 *
 *   nodes n | n × ( id, 16 bytes as a string | listpack as a string )
 *   length | last id | first id | max deleted id | entries added                              the last three not in 15
 *   groups g | g × ( name | last id | entries read (not in 15)
 *                  | pending p | p × ( id, 16 bytes | delivered, 8 bytes | deliveries )
 *                  | consumers c | c × ( name | seen, 8 bytes | active, 8 bytes (21) | pending q | q × id, 16 bytes ) )
 * Ids and counts are lengths of up to 64 bits, ms and sequence apart.
 *
 * What comes from outside is refused when counts contradict each other, when a pending entry has no consumer or two, or anything comes
 * twice: the rest of the server relies on it.
 */
import { I64 } from "../../base/integer.ts";
import { ENCODING, TYPE, valueOf } from "../../keyspace/entry.ts";
import type { StreamValue } from "../../keyspace/values/stream_value.ts";
import { type Address, type MemoryReader, NONE } from "../../memory/mod.ts";
import { LISTPACK_HEADER_BYTES } from "../../structures/listpack.ts";
import { NameCursor, nameIndexSize } from "../../structures/name_index.ts";
import { TreeCursor, treeSize } from "../../structures/ordered_tree.ts";
import type { Streams } from "../../structures/stream.ts";
import { elementInteger } from "../../structures/stream_entries.ts";
import { newStreamId, readBigEndianId, STREAM_ID_BYTES, writeBigEndianId } from "../../structures/stream_id.ts";
import { estimateEntriesRead } from "../../structures/stream_lag.ts";
import {
  CONSUMER,
  GROUP,
  NODE_WORDS,
  OWN_WORDS,
  PENDING,
  PENDING_WORDS,
  STREAM,
  streamLength,
} from "../../structures/stream_layout.ts";
import { readStreamListpack } from "./compact_encodings.ts";
import type { LoadTarget, RdbCodec } from "./rdb_codec.ts";
import type { RdbReader } from "./rdb_reader.ts";
import type { RdbWriter } from "./rdb_writer.ts";

const LISTPACKS = 15, LISTPACKS_2 = 19, LISTPACKS_3 = 21;

const id = newStreamId();
const idBytes = new Uint8Array(STREAM_ID_BYTES);
const integer = new I64(), count = new I64();

// ---- writing ---------------------------------------------------------------------------------------------------------

/** Cursors over one memory. */
class Cursors {
  readonly memory: MemoryReader;
  readonly nodes: TreeCursor;
  readonly pending: TreeCursor;
  readonly own: TreeCursor;
  readonly groups: NameCursor;
  readonly consumers: NameCursor;

  constructor(memory: MemoryReader) {
    this.memory = memory;
    this.nodes = new TreeCursor(memory, NODE_WORDS);
    this.pending = new TreeCursor(memory, PENDING_WORDS), this.own = new TreeCursor(memory, OWN_WORDS);
    this.groups = new NameCursor(memory), this.consumers = new NameCursor(memory);
  }
}

let cursors: Cursors | null = null;

function cursorsFor(memory: MemoryReader): Cursors {
  if (cursors?.memory !== memory) cursors = new Cursors(memory);
  return cursors;
}

function write(writer: RdbWriter, memory: MemoryReader, entry: Address): void {
  const { nodes, groups } = cursorsFor(memory), stream = valueOf(memory, entry);
  writer.length(treeSize(memory, stream, STREAM.nodes));
  nodes.open(stream, STREAM.nodes);
  for (let more = nodes.seekFirst(); more; more = nodes.next()) {
    const listpack = nodes.word(0) as Address;
    nodes.readKey(id), writeBigEndianId(id, idBytes, 0);
    writer.string(idBytes, 0, STREAM_ID_BYTES);
    writer.stringFrom(memory, listpack, 0, memory.u32(listpack, 0));
  }
  writer.length(streamLength(memory, stream));
  writeId(writer, memory, stream, STREAM.lastId);
  writeId(writer, memory, stream, STREAM.firstId);
  writeId(writer, memory, stream, STREAM.maxDeletedId);
  writer.length64(memory.u32(stream, STREAM.added + 4), memory.u32(stream, STREAM.added));
  writer.length(nameIndexSize(memory, stream, STREAM.groups));
  groups.open(stream, STREAM.groups);
  for (let group = groups.next(); group !== NONE; group = groups.next()) writeGroup(writer, memory, group);
}

function writeId(writer: RdbWriter, memory: MemoryReader, block: Address, offsetBytes: number): void {
  writer.length64(memory.u32(block, offsetBytes), memory.u32(block, offsetBytes + 4));
  writer.length64(memory.u32(block, offsetBytes + 8), memory.u32(block, offsetBytes + 12));
}

function writeGroup(writer: RdbWriter, memory: MemoryReader, group: Address): void {
  const { pending, consumers } = cursorsFor(memory);
  writer.stringFrom(memory, group, GROUP.name, memory.u32(group, GROUP.nameLength));
  writeId(writer, memory, group, GROUP.lastId);
  writer.length64(memory.u32(group, GROUP.entriesRead + 4), memory.u32(group, GROUP.entriesRead));
  writer.length(treeSize(memory, group, GROUP.pending));
  pending.open(group, GROUP.pending);
  for (let more = pending.seekFirst(); more; more = pending.next()) {
    writeKey(writer, pending);
    writer.words64(pending.word(PENDING.deliveredHigh), pending.word(PENDING.deliveredLow));
    writer.length64(pending.word(PENDING.countHigh), pending.word(PENDING.countLow));
  }
  writer.length(nameIndexSize(memory, group, GROUP.consumers));
  consumers.open(group, GROUP.consumers);
  for (let one = consumers.next(); one !== NONE; one = consumers.next()) writeConsumer(writer, memory, one);
}

function writeConsumer(writer: RdbWriter, memory: MemoryReader, consumer: Address): void {
  const own = cursorsFor(memory).own.open(consumer, CONSUMER.pending);
  writer.stringFrom(memory, consumer, CONSUMER.name, memory.u32(consumer, CONSUMER.nameLength));
  writer.words64(memory.u32(consumer, CONSUMER.seen + 4), memory.u32(consumer, CONSUMER.seen));
  writer.length(treeSize(memory, consumer, CONSUMER.pending));
  for (let more = own.seekFirst(); more; more = own.next()) writeKey(writer, own);
}

function writeKey(writer: RdbWriter, cursor: TreeCursor): void {
  cursor.readKey(id), writeBigEndianId(id, idBytes, 0);
  writer.raw(idBytes, 0, STREAM_ID_BYTES);
}

// ---- reading ---------------------------------------------------------------------------------------------------------

function read(reader: RdbReader, typeByte: number, target: LoadTarget): Address {
  const { keyspace } = target, { streams } = keyspace.types[TYPE.stream] as StreamValue, stream = streams.create();
  try {
    const entries = readNodes(reader, streams, stream, target);
    readFields(reader, typeByte, streams, stream);
    if (streamLength(keyspace.memory, stream) !== entries) {
      throw reader.corrupt("Stream length inconsistent with its entries");
    }
    for (let left = reader.length(); left > 0; left--) readGroup(reader, typeByte, streams, stream, target);
  } catch (error) {
    streams.freeSome(stream, Infinity);
    throw error;
  }
  const { key, keyLength, expiresAtMs } = target;
  return keyspace.newValue(key, 0, keyLength, TYPE.stream, ENCODING.stream, stream, expiresAtMs);
}

/** Reads the nodes; returns how many entries they hold that are not deleted. */
function readNodes(reader: RdbReader, streams: Streams, stream: Address, target: LoadTarget): number {
  let entries = 0;
  for (let left = reader.length(); left > 0; left--) {
    reader.string();
    if (reader.stringLength !== STREAM_ID_BYTES) {
      throw reader.corrupt("Stream node key entry is not the size of a stream ID");
    }
    readBigEndianId(reader.stringBytes, reader.stringAt, id);
    readStreamListpack(reader, target);
    const { stringBytes, stringAt, stringLength } = reader;
    if (!streams.addNode(stream, id, stringBytes, stringAt, stringLength)) {
      throw reader.corrupt("Listpack re-added with existing key");
    }
    entries += elementInteger(stringBytes, stringAt + LISTPACK_HEADER_BYTES);
  }
  return entries;
}

function readFields(reader: RdbReader, typeByte: number, streams: Streams, stream: Address): void {
  const length = reader.length();
  streams.setLength(stream, length);
  readId(reader), streams.setLastId(stream, id);
  if (typeByte === LISTPACKS) {
    streams.updateFirstId(stream);
    return streams.setAdded(stream, integer.setNumber(length));
  }
  readId(reader), streams.setFirstId(stream, id);
  readId(reader), streams.setMaxDeletedId(stream, id);
  reader.length64(integer), streams.setAdded(stream, integer);
}

/** Reads two lengths of 64 bits into `id`. */
function readId(reader: RdbReader): void {
  reader.length64(integer), id[0] = integer.hi, id[1] = integer.lo;
  reader.length64(integer), id[2] = integer.hi, id[3] = integer.lo;
}

/** Reads 16 bytes, most significant first, into `id`. */
function readRawId(reader: RdbReader): void {
  for (let i = 0; i < STREAM_ID_BYTES; i++) idBytes[i] = reader.byte();
  readBigEndianId(idBytes, 0, id);
}

function readGroup(
  reader: RdbReader,
  typeByte: number,
  streams: Streams,
  stream: Address,
  target: LoadTarget,
): void {
  const { groups } = streams;
  reader.string();
  const name = reader.stringBytes.slice(reader.stringAt, reader.stringAt + reader.stringLength);
  readId(reader);
  if (typeByte === LISTPACKS) estimateEntriesRead(target.keyspace.memory, stream, id, count);
  else reader.length64(count);
  if (groups.find(stream, name, 0, name.length) !== NONE) throw reader.corrupt("Duplicated consumer group name");
  const group = groups.create(stream, name, 0, name.length, id, count);
  readPending(reader, streams, group);
  let assigned = 0;
  for (let left = reader.length(); left > 0; left--) assigned += readConsumer(reader, typeByte, streams, group);
  if (assigned !== groups.pendingCount(group)) throw reader.corrupt("Stream CG PEL entry without consumer");
}

function readPending(reader: RdbReader, streams: Streams, group: Address): void {
  const { groups } = streams;
  for (let left = reader.length(); left > 0; left--) {
    readRawId(reader);
    const low = reader.u32(), high = reader.u32();
    reader.length64(count);
    if (!groups.addUnassigned(group, id)) {
      throw reader.corrupt("Duplicated global PEL entry loading stream consumer group");
    }
    groups.setDelivered(high, low), groups.setDeliveries(count);
  }
}

/** Returns how many pending entries the consumer has. */
function readConsumer(reader: RdbReader, typeByte: number, streams: Streams, group: Address): number {
  const { groups } = streams;
  reader.string();
  const { stringBytes, stringAt, stringLength } = reader;
  if (groups.findConsumer(group, stringBytes, stringAt, stringLength) !== NONE) {
    throw reader.corrupt("Duplicate stream consumer detected.");
  }
  const consumer = groups.createConsumer(group, stringBytes, stringAt, stringLength, 0);
  const low = reader.u32(), high = reader.u32();
  groups.setSeenWords(consumer, high, low);
  if (typeByte === LISTPACKS_3) reader.i64();
  const pending = reader.length();
  for (let left = pending; left > 0; left--) {
    readRawId(reader);
    if (!groups.findPending(group, id)) throw reader.corrupt("Consumer entry not found in group global PEL");
    if (groups.consumer !== NONE) throw reader.corrupt("Duplicated consumer PEL entry loading a stream consumer group");
    groups.assign(group, consumer, id);
  }
  return pending;
}

export const streamCodec: RdbCodec = {
  type: TYPE.stream,
  typeBytes: [LISTPACKS, LISTPACKS_2, LISTPACKS_3],
  typeByteOf: () => LISTPACKS_2,
  write,
  read,
};
