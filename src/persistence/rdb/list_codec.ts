/**
 * Lists: written as type byte 18 (quicklist of listpacks), read as 1 (elements), 10 (one ziplist), 14 (quicklist of ziplists) and 18.
 *   18: | number of nodes | for each: container (1 plain, 2 packed), content as a string |
 * A node that is compressed in memory is written as the same LZF string.
 */
import { ENCODING, TYPE, valueOf } from "../../keyspace/entry.ts";
import type { ListValues } from "../../keyspace/values/list_value.ts";
import { type Address, type MemoryReader, NONE } from "../../memory/mod.ts";
import { firstElement, ListpackElement, nextElement, readElement } from "../../structures/listpack.ts";
import { COMPRESSED_HEADER_BYTES, LIST, NODE, NODE_FLAG } from "../../structures/quicklist.ts";
import { readListListpack } from "./compact_encodings.ts";
import type { LoadTarget, RdbCodec } from "./rdb_codec.ts";
import type { RdbReader } from "./rdb_reader.ts";
import type { RdbWriter } from "./rdb_writer.ts";

const ELEMENTS = 1, ZIPLIST = 10, ZIPLIST_NODES = 14, LISTPACK_NODES = 18;
const element = new ListpackElement();
const CONTAINER = { plain: 1, packed: 2 } as const;

function write(writer: RdbWriter, memory: MemoryReader, entry: Address): void {
  const list = valueOf(memory, entry);
  writer.length(memory.u32(list, LIST.nodes));
  for (
    let node = memory.u32(list, LIST.head) as Address;
    node !== NONE;
    node = memory.u32(node, NODE.next) as Address
  ) {
    const flags = memory.u32(node, NODE.flags), content = memory.u32(node, NODE.content) as Address;
    writer.length((flags & NODE_FLAG.plain) !== 0 ? CONTAINER.plain : CONTAINER.packed);
    const bytes = memory.u32(node, NODE.bytes);
    if ((flags & NODE_FLAG.compressed) === 0) writer.stringFrom(memory, content, memory.u32(node, NODE.start), bytes);
    else writer.compressedFrom(memory, content, COMPRESSED_HEADER_BYTES, memory.u32(content, 0), bytes);
  }
}

function read(reader: RdbReader, typeByte: number, target: LoadTarget): Address {
  const { keyspace, key, keyLength, expiresAtMs } = target;
  const values = keyspace.types[TYPE.list] as ListValues, list = values.create();
  try {
    if (typeByte === ZIPLIST) readZiplist(reader, target, values, list);
    else for (let left = reader.length(); left > 0; left--) readPart(reader, typeByte, target, values, list);
  } catch (error) {
    values.free(list);
    throw error;
  }
  if (values.lists.length(list) > 0) {
    return keyspace.newValue(key, 0, keyLength, TYPE.list, ENCODING.quicklist, list, expiresAtMs);
  }
  values.free(list);
  return NONE;
}

/** The elements of one ziplist, in nodes as the configuration has them. */
function readZiplist(reader: RdbReader, target: LoadTarget, values: ListValues, list: Address): void {
  readListListpack(reader, ZIPLIST, target);
  const { stringBytes, stringAt } = reader;
  for (let at = firstElement(stringBytes, stringAt); at >= 0; at = nextElement(stringBytes, stringAt, at)) {
    readElement(stringBytes, stringAt, at, element);
    const text = element.text(stringBytes);
    values.lists.push(list, false, text, element.start, element.length);
  }
}

/** An element or a node. */
function readPart(reader: RdbReader, typeByte: number, target: LoadTarget, values: ListValues, list: Address): void {
  const { lists } = values;
  if (typeByte === ELEMENTS) {
    reader.string();
    return lists.push(list, false, reader.stringBytes, reader.stringAt, reader.stringLength);
  }
  const container = typeByte === LISTPACK_NODES ? reader.length() : CONTAINER.packed;
  if (container === CONTAINER.plain) {
    reader.string();
    if (reader.stringLength === 0) throw reader.corrupt("a quicklist node is empty");
    return lists.appendPlain(list, reader.stringBytes, reader.stringAt, reader.stringLength);
  }
  if (container !== CONTAINER.packed) throw reader.corrupt("Quicklist integrity check failed.");
  const elements = readListListpack(reader, typeByte, target);
  if (elements === 0) return;
  lists.appendListpack(list, reader.stringBytes, reader.stringAt, reader.stringLength, elements);
}

export const listCodec: RdbCodec = {
  type: TYPE.list,
  typeBytes: [ELEMENTS, ZIPLIST, ZIPLIST_NODES, LISTPACK_NODES],
  typeByteOf: () => LISTPACK_NODES,
  write,
  read,
};
