/**
 * How many entries a group has read of all that were ever added, as far as that can be known: the rules are Redis 7.0's
 * (streamEstimateDistanceFromFirstEverEntry, streamRangeHasTombstones, streamReplyWithCGLag).
 */
import { I64 } from "../base/integer.ts";
import type { Address, MemoryReader } from "../memory/mod.ts";
import { compareIds, isZeroId, newStreamId, type StreamId } from "./stream_id.ts";
import { GROUP, readI64At, readIdAt, STREAM, streamLength } from "./stream_layout.ts";

/** Entries read when it is not known. */
const UNKNOWN = -1;

const firstId = newStreamId(), deletedId = newStreamId(), lastId = newStreamId();
const groupLastId = newStreamId();
const length = new I64(), entriesRead = new I64();

/** Whether an entry from `start` on may have been deleted, so that counting on from there would be wrong. */
export function mayLackEntriesFrom(memory: MemoryReader, stream: Address, start: StreamId): boolean {
  readIdAt(memory, stream, STREAM.maxDeletedId, deletedId);
  if (streamLength(memory, stream) === 0 || isZeroId(deletedId)) return false;
  if (compareIds(readIdAt(memory, stream, STREAM.firstId, firstId), deletedId) > 0) return false;
  return compareIds(start, deletedId) <= 0;
}

/** How many entries were added up to `id`, or -1. */
export function estimateEntriesRead(memory: MemoryReader, stream: Address, id: StreamId, into: I64): I64 {
  const count = streamLength(memory, stream);
  readI64At(memory, stream, STREAM.added, into);
  if (into.hi === 0 && into.lo === 0) return into;
  const order = compareIds(id, readIdAt(memory, stream, STREAM.lastId, lastId));
  if (order === 0 || (order < 0 && count === 0)) return into;
  if (order > 0) return into.setNumber(UNKNOWN);
  readIdAt(memory, stream, STREAM.firstId, firstId), readIdAt(memory, stream, STREAM.maxDeletedId, deletedId);
  const orderToFirst = compareIds(id, firstId);
  if (orderToFirst > 0 || !(isZeroId(deletedId) || compareIds(deletedId, firstId) < 0)) return into.setNumber(UNKNOWN);
  into.add(length.setNumber((orderToFirst === 0 ? 1 : 0) - count));
  return into;
}

/** How many entries a group has yet to read; false when that is not known. */
export function readLag(memory: MemoryReader, stream: Address, group: Address, into: I64): boolean {
  const id = readIdAt(memory, group, GROUP.lastId, groupLastId);
  readI64At(memory, stream, STREAM.added, into);
  if (into.hi === 0 && into.lo === 0) return true;
  readI64At(memory, group, GROUP.entriesRead, entriesRead);
  if (isUnknown(entriesRead) || mayLackEntriesFrom(memory, stream, id)) {
    if (isUnknown(estimateEntriesRead(memory, stream, id, entriesRead))) return false;
  }
  entriesRead.negate();
  into.add(entriesRead);
  return true;
}

export function isUnknown(count: I64): boolean {
  return count.hi === -1 && count.lo === 0xffffffff;
}
