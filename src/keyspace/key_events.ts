/**
 * Keyspace events: what happens to keys, by class and Redis's name for it, for those who want to be told (notify-keyspace-events).
 *
 * Commands tell of what they did through `CommandContext.notify`; the keyspace tells of keys that come into being, expire or are missed.
 * `Keyspace.eventClasses` has the classes somebody wants: while none are, telling costs one test of a bit.
 */
import type { Database } from "./database.ts";

/** Classes as bits; the letters are those of notify-keyspace-events. */
export const EVENT = {
  generic: 1, // g
  string: 2, // $
  list: 4, // l
  set: 8, // s
  hash: 16, // h
  zset: 32, // z
  stream: 64, // t
  expired: 128, // x
  evicted: 256, // e
  new: 512, // n
  miss: 1024, // m
} as const;

/** Who is told. */
export interface KeyEvents {
  keyEvent(event: string, db: Database, key: Uint8Array, keyBytes: number, length: number): void;
}
