/**
 * What a stream is made of in paged memory, and how its fields are read, live or frozen. Words are u32, little-endian; 64-bit numbers
 * are two words, low first; ids are four words, most significant first.
 *
 *   stream:   0           16         24       32       48        64               80                88          92
 *             | node tree | length   | added  | last   | first   | max deleted    | index of groups | last node | its id |
 *   group:    0           16             24             40               48            52
 *             | last id   | entries read | pending tree | consumer index | name length | name … |
 *   consumer: 0           8              24             28
 *             | seen, ms  | pending tree | name length  | name … |
 *
 * A node tree's entry is the id that its listpack's deltas count from, and the listpack. A group's pending tree has for each entry that
 * was delivered and not acknowledged
 *   | delivered at, ms | deliveries | consumer |            five words
 * and each consumer's tree just the ids of its own. `first` is the id of the first entry that is not deleted, 0-0 when there is none.
 * Entries read is -1 when it is not known. `last node` is the last listpack of the tree (0: none), so that appending need not look it up.
 * Invariants: length is the sum of the nodes' counts; an id is in a group's tree exactly when it is in the tree of the consumer that is
 * named there, and in no other consumer's.
 */
import type { I64 } from "../base/integer.ts";
import type { Address, MemoryReader } from "../memory/mod.ts";
import type { StreamId } from "./stream_id.ts";

export const STREAM = {
  nodes: 0,
  length: 16,
  added: 24,
  lastId: 32,
  firstId: 48,
  maxDeletedId: 64,
  groups: 80,
  lastNode: 88,
  lastNodeId: 92,
  sizeBytes: 112,
} as const;

export const GROUP = { lastId: 0, entriesRead: 16, pending: 24, consumers: 40, nameLength: 48, name: 52 } as const;
export const CONSUMER = { seen: 0, pending: 8, nameLength: 24, name: 28 } as const;

/** Words of the values in the three kinds of trees. */
export const NODE_WORDS = 1, PENDING_WORDS = 5, OWN_WORDS = 0;
/** Words of a pending entry. */
export const PENDING = { deliveredLow: 0, deliveredHigh: 1, countLow: 2, countHigh: 3, consumer: 4 } as const;

export function readIdAt(memory: MemoryReader, block: Address, offsetBytes: number, into: StreamId): StreamId {
  into[0] = memory.u32(block, offsetBytes), into[1] = memory.u32(block, offsetBytes + 4);
  into[2] = memory.u32(block, offsetBytes + 8), into[3] = memory.u32(block, offsetBytes + 12);
  return into;
}

export function readI64At(memory: MemoryReader, block: Address, offsetBytes: number, into: I64): I64 {
  return into.set(memory.u32(block, offsetBytes + 4), memory.u32(block, offsetBytes));
}

export function streamLength(memory: MemoryReader, stream: Address): number {
  return memory.u64(stream, STREAM.length);
}
