/**
 * Puts many new entries into the keyspace at once: they are built first, one after the other in fresh memory, and linked a batch at a
 * time. A large table misses the cache at every insert; in a batch the misses overlap.
 *
 * Entries that were added belong to the batch until `flush` has linked them; `flush` must come before anyone looks for them.
 */
import { type Address, NONE } from "../memory/mod.ts";
import type { Database } from "./database.ts";
import { ENTRY, keyLength } from "./entry.ts";
import type { Keyspace } from "./keyspace.ts";

const BATCH_ENTRIES = 256;
/** Type, an empty name and an empty value: no key takes less of a file. */
const KEY_BYTES_MIN = 3;

/** A key came twice, or was there before, and nothing is to be replaced. */
export class DuplicateKeyError extends Error {
  override name = "DuplicateKeyError";
  readonly key: Uint8Array;
  readonly database: number;
  /** What `add` was told about the entry. */
  readonly offsetBytes: number;

  constructor(key: Uint8Array, database: number, offsetBytes: number) {
    super("duplicate key");
    this.key = key, this.database = database, this.offsetBytes = offsetBytes;
  }
}

/** Where a load puts the entries it reads. */
export interface EntrySink {
  /** The file announces so many keys for a database, and so many of them with an expiry. `bytesMax` bounds what it can hold. */
  expect(db: Database, keys: number, expires: number, bytesMax: number): void;
  /** Takes an unlinked entry; `offsetBytes` says where it came from, for errors. @throws {DuplicateKeyError} */
  add(db: Database, entry: Address, offsetBytes: number): void;
  /** Finishes what was added. @throws {DuplicateKeyError} */
  flush(): void;
  /** Frees what was added and is not finished. */
  discard(): void;
}

export class BulkLoad implements EntrySink {
  readonly #keyspace: Keyspace;
  readonly #replace: boolean;
  readonly #entries = new Uint32Array(BATCH_ENTRIES);
  readonly #hashes = new Uint32Array(BATCH_ENTRIES);
  readonly #heads = new Uint32Array(BATCH_ENTRIES);
  readonly #offsets = new Float64Array(BATCH_ENTRIES);
  #db: Database;
  #count = 0;
  /** Keeps the reads of `Dict.warm` alive. */
  warmed = 0;

  /** With `replace`, keys that are there are replaced; without, they are an error. */
  constructor(keyspace: Keyspace, replace: boolean) {
    this.#keyspace = keyspace, this.#replace = replace;
    this.#db = keyspace.databases[0];
  }

  expect(db: Database, keys: number, _expires: number, bytesMax: number): void {
    // A damaged file must not make the server reserve memory beyond what its size can hold.
    this.#keyspace.dict.reserve(db.dict, Math.min(keys, bytesMax / KEY_BYTES_MIN));
  }

  add(db: Database, entry: Address, offsetBytes: number): void {
    if (this.#count === BATCH_ENTRIES || db !== this.#db) this.flush();
    const at = this.#count++;
    this.#db = db;
    this.#entries[at] = entry;
    this.#hashes[at] = this.#keyspace.dict.hashOf(entry);
    this.#offsets[at] = offsetBytes;
  }

  discard(): void {
    for (let i = 0; i < this.#count; i++) this.#keyspace.freeEntry(this.#entries[i] as Address, false);
    this.#count = 0;
  }

  /** Links all that were added. After an error those that are not linked are freed. */
  flush(): void {
    const count = this.#count;
    if (count === 0) return;
    this.#count = 0;
    this.#keyspace.dict.rehashOnUse(this.#db.dict, count);
    if (count > 1) this.warmed ^= this.#keyspace.dict.warm(this.#db.dict, this.#hashes, this.#heads, count);
    let linked = 0;
    try {
      for (; linked < count; linked++) this.#link(linked);
    } catch (error) {
      // The entry that failed has been freed on the way.
      for (let i = linked + 1; i < count; i++) this.#keyspace.freeEntry(this.#entries[i] as Address, false);
      throw error;
    }
  }

  #link(at: number): void {
    const keyspace = this.#keyspace, dict = keyspace.dict, db = this.#db;
    const entry = this.#entries[at] as Address;
    const found = dict.findHashed(db.dict, entry, this.#hashes[at]);
    if (found === NONE) keyspace.linkNew(db, entry);
    else if (this.#replace) keyspace.replaceEntry(db, found, entry);
    else throw this.#duplicate(at, entry);
    if (keyspace.watchedKeys > 0) {
      const length = keyspace.copyKey(entry);
      keyspace.changed(db, keyspace.keyScratch, 0, length);
    }
  }

  #duplicate(at: number, entry: Address): DuplicateKeyError {
    const keyspace = this.#keyspace, key = new Uint8Array(keyLength(keyspace.memory, entry));
    keyspace.memory.copyOut(entry, ENTRY.key, key, 0, key.length);
    keyspace.freeEntry(entry, false);
    return new DuplicateKeyError(key, this.#db.index, this.#offsets[at]);
  }
}
