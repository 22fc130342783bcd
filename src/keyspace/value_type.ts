/**
 * What the generic commands need of a data type whose value lives outside the entry. A type is added by registering one of these
 * (and its commands, its RDB codec and its AOF rewrite); nothing else names it.
 */
import type { Address } from "../memory/mod.ts";
import type { Dict } from "../structures/dict.ts";

/** What frees in slices. */
export interface SlicedFree {
  /** Frees up to `blocksMax` blocks of a value nobody can reach any more; true when done. */
  freeSome(value: Address, encoding: number, blocksMax: number): boolean;
}

export interface ValueType extends SlicedFree {
  readonly type: number;
  /** Frees the value at once. */
  free(value: Address, encoding: number): void;
  /** Roughly how many blocks freeing takes: above 64 UNLINK frees in slices. */
  freeEffort(value: Address, encoding: number): number;
  /** A deep copy, for COPY. */
  copy(value: Address, encoding: number): Address;
  /** Bytes of all its blocks, as MEMORY USAGE counts them; `samples` 0 means exactly. */
  memoryUsage(value: Address, encoding: number, samples: number): number;
  /** The hash table that the value consists of, for DEBUG HTSTATS-KEY; null in an encoding without one. */
  hashTable?(value: Address, encoding: number): { dict: Dict; header: Address } | null;
}
