/** What command handlers may ask of the server and of the client they run for. The server implements both. */
import type { Database } from "../keyspace/database.ts";
import type { Address } from "../memory/mod.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { CommandContext } from "./context.ts";

/** What a command that found nothing waits for. */
export interface BlockRequest {
  /** The keys, as bytes of their own, in the order of the request. */
  readonly keys: readonly Uint8Array[];
  /** Only keys of this type can serve it (a TYPE number). */
  readonly type: number;
  /** 0 waits for ever. */
  readonly timeoutMs: number;
  /**
   * A key has become ready. Runs with `ctx` as when the command was executed: its client, reply, database and arguments. Either serves the
   * client (reply, dirty, propagation) and returns true, or changes nothing and returns false: then it goes on waiting.
   */
  serve(ctx: CommandContext, key: Uint8Array): boolean;
  /** Writes the reply for a wait that ended without anything. */
  timedOut(reply: ReplyWriter): void;
  /** When given, also called (and the wait ended) when a key that it waits for is deleted or gets another type. */
  keyGone?(reply: ReplyWriter): void;
}

export interface ServerControl {
  /** The command was accepted before, and comes from a file or the master: limits of today do not count. */
  readonly mustObey: boolean;
  /** While a file is loaded, and on a replica, times to live in the past are kept: others decide when such a key goes. */
  readonly keepsPast: boolean;
  /** lazyfree-lazy-expire, lazyfree-lazy-user-del. */
  readonly lazyExpire: boolean;
  readonly lazyUserDelete: boolean;
  /** proto-max-bulk-len: the longest string a key may hold. */
  readonly bulkBytesMax: number;
  /** Whether access stamps are LFU's, by maxmemory-policy. */
  readonly usesLfu: boolean;
  readonly lfuDecayMinutes: number;
  /** Whether small integers count as shared, as in Redis: unless a policy needs an access stamp for each. */
  readonly sharesIntegers: boolean;
  /** The executing client waits for keys; it runs no other command until it is served, timed out or unblocked. */
  blockClient(request: BlockRequest): void;
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
  /** False inside a transaction: then a command that would wait answers as if the time were over. */
  readonly mayBlock: boolean;
  /** The selected database. */
  db: Database;
}
