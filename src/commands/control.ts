/** What command handlers may ask of the server and of the client they run for. The server implements both. */
import type { Database } from "../keyspace/database.ts";
import type { Address } from "../memory/mod.ts";

export interface ServerControl {
  /** True while a file is loaded or replayed: nothing expires then, and times in the past are kept. */
  readonly isLoading: boolean;
  /** lazyfree-lazy-expire, lazyfree-lazy-user-del. */
  readonly lazyExpire: boolean;
  readonly lazyUserDelete: boolean;
  /** proto-max-bulk-len: the longest string a key may hold. */
  readonly bulkBytesMax: number;
  /** Whether access stamps are LFU's, by maxmemory-policy. */
  readonly usesLfu: boolean;
  readonly lfuDecayMinutes: number;
  /** The value of an entry as DUMP serializes it. */
  dumpPayload(entry: Address): Uint8Array;
  /** Null when RESTORE may load this payload, else the error. */
  checkPayload(payload: Uint8Array): string | null;
  /** Stores a checked payload at a key, whatever that held, to expire at a Unix time in ms (-1: never). Null, or the error when its content is damaged. */
  restorePayload(
    payload: Uint8Array,
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLength: number,
    expiresAtMs: number,
  ): string | null;
}

export interface ClientSession {
  readonly id: number;
  /** The selected database. */
  db: Database;
}
