/**
 * Reads the compact encodings of RDB, old and new, for the codecs: each becomes the bytes of one sound listpack (or intset), in
 * `reader.stringBytes` from `stringAt` on for `stringLength`, valid until the reader reads on. Old encodings are converted, and what
 * is not in the encodings that Redis chooses is rebuilt, so that equal strings always have equal encodings.
 * Checks before anybody trusts: a payload that is damaged is refused with what is wrong with it, at every sanitisation level; `deep`
 * adds the check for fields and members that come twice (which conversions from old encodings always do, as Redis does).
 */
import { intsetFault } from "../../structures/intset_check.ts";
import { ListpackBuilder } from "../../structures/listpack_builder.ts";
import { ListpackCheck } from "../../structures/listpack_check.ts";
import { isNodeCanonical, streamListpackFault } from "../../structures/stream_listpack_check.ts";
import { convertZiplist } from "./legacy/ziplist.ts";
import { convertZipmap } from "./legacy/zipmap.ts";
import type { LoadTarget } from "./rdb_codec.ts";
import type { RdbReader } from "./rdb_reader.ts";

const HASH_ZIPMAP = 9, LIST_ZIPLIST = 10, SET_INTSET = 11, ZSET_ZIPLIST = 12, HASH_ZIPLIST = 13;
const QUICKLIST_ZIPLIST = 14, ZSET_LISTPACK = 17, SET_LISTPACK = 20;

/** What Redis calls each in its log. */
const NAMES: Readonly<Record<number, string>> = {
  9: "Zipmap",
  10: "List ziplist",
  11: "Intset",
  12: "Zset ziplist",
  13: "Hash ziplist",
  14: "Ziplist",
  16: "Hash listpack",
  17: "Zset listpack",
  18: "Listpack",
  20: "Set listpack",
};

const check = new ListpackCheck();

/** The elements of a list, or of one node of it (type bytes 10, 14, 18). Returns their number, which may be 0. @throws {RdbCorruptError} */
export function readListListpack(reader: RdbReader, typeByte: number, target: LoadTarget): number {
  readCompact(reader, target);
  if (typeByte === LIST_ZIPLIST || typeByte === QUICKLIST_ZIPLIST) convert(reader, typeByte);
  else {refuse(reader, typeByte, check.fault(reader.stringBytes, reader.stringAt, reader.stringLength)),
      canonical(reader);}
  return check.count;
}

/**
 * Fields and values of a hash, or members and scores of a sorted set (type bytes 9, 12, 13, 16, 17). Returns the number of pairs, which
 * may be 0. Scores are integers or decimal numbers, never NaN. @throws {RdbCorruptError}
 */
export function readPairsListpack(reader: RdbReader, typeByte: number, target: LoadTarget): number {
  readCompact(reader, target);
  const isOld = typeByte === HASH_ZIPMAP || typeByte === ZSET_ZIPLIST || typeByte === HASH_ZIPLIST;
  if (isOld) convert(reader, typeByte);
  const { stringBytes, stringAt, stringLength } = reader;
  refuse(reader, typeByte, check.pairsFault(stringBytes, stringAt, stringLength, target.deep || isOld));
  const isSortedSet = typeByte === ZSET_ZIPLIST || typeByte === ZSET_LISTPACK;
  if (isSortedSet && !check.hasOnlyScores(stringBytes, stringAt)) {
    refuse(reader, typeByte, "it has a score that is no number");
  }
  canonical(reader);
  return check.count / 2;
}

/** The members of a set (type byte 20, of Redis 7.2). Returns their number, which may be 0. @throws {RdbCorruptError} */
export function readSetListpack(reader: RdbReader, target: LoadTarget): number {
  readCompact(reader, target);
  const { stringBytes, stringAt, stringLength } = reader;
  refuse(reader, SET_LISTPACK, check.fault(stringBytes, stringAt, stringLength));
  if (target.deep && check.hasDuplicates(stringBytes, stringAt, 1)) {
    refuse(reader, SET_LISTPACK, "it has a member twice");
  }
  canonical(reader);
  return check.count;
}

/** A node of a stream (type bytes 15, 19, 21). @throws {RdbCorruptError} */
export function readStreamListpack(reader: RdbReader, target: LoadTarget): void {
  readCompact(reader, target);
  const fault = streamListpackFault(reader.stringBytes, reader.stringAt, reader.stringLength);
  if (fault !== "") throw reader.corrupt(`Stream listpack integrity check failed: ${fault}`);
  if (!isNodeCanonical()) hold(reader, check.rebuilt(reader.stringBytes, reader.stringAt, reader.stringLength));
}

/** An intset, never empty (type byte 11). @throws {RdbCorruptError} */
export function readIntsetBytes(reader: RdbReader, target: LoadTarget): void {
  readCompact(reader, target);
  refuse(reader, SET_INTSET, intsetFault(reader.stringBytes, reader.stringAt, reader.stringLength));
}

function readCompact(reader: RdbReader, target: LoadTarget): void {
  reader.string();
  if (target.deep) target.sanitizations++;
}

function convert(reader: RdbReader, typeByte: number): void {
  const { stringBytes, stringAt, stringLength } = reader, builder = new ListpackBuilder(stringLength);
  const conversion = typeByte === HASH_ZIPMAP ? convertZipmap : convertZiplist;
  refuse(reader, typeByte, conversion(stringBytes, stringAt, stringLength, builder));
  builder.finish();
  hold(reader, builder);
  check.count = builder.count, check.isCanonical = true;
}

function canonical(reader: RdbReader): void {
  if (check.isCanonical) return;
  hold(reader, check.rebuilt(reader.stringBytes, reader.stringAt, reader.stringLength));
}

function hold(reader: RdbReader, builder: ListpackBuilder): void {
  reader.stringBytes = builder.bytes, reader.stringAt = 0, reader.stringLength = builder.lengthBytes;
}

function refuse(reader: RdbReader, typeByte: number, fault: string): void {
  if (fault !== "") throw reader.corrupt(`${NAMES[typeByte]} integrity check failed: ${fault}`);
}
