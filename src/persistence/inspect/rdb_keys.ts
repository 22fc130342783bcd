/**
 * All keys of an RDB file, one after the other, through the loader that the server starts with. Each key is built, shown and freed, so memory
 * is bounded by the largest value, however large the file. What the blocks of a key take is what the allocator's figure has grown by.
 */
import type { EntrySink } from "../../keyspace/bulk_load.ts";
import type { Database } from "../../keyspace/database.ts";
import type { Keyspace } from "../../keyspace/keyspace.ts";
import { type Address, NONE, OutOfArenaError } from "../../memory/mod.ts";
import { RdbCorruptError, type RdbLoad } from "../rdb/rdb_loader.ts";
import { scratchLoad, type ScratchSource } from "../rdb/scratch_keyspace.ts";
import { KeyFacts, type KeyVisitor } from "./key_facts.ts";

const STEP_BYTES = 1 << 20;

/** Where a file could not be read on. */
export interface FileDamage {
  readonly path: string;
  readonly offsetBytes: number;
  readonly reason: string;
}

export interface RdbKeysOptions extends ScratchSource {
  readonly keyspace: Keyspace;
  readonly onProgress: (share: number) => void;
}

export interface RdbRead {
  /** Where the RDB ends, or where it could not be read on. */
  readonly endBytes: number;
  readonly damage: FileDamage | null;
}

/** Shows every key to `visit`; of a damaged file those before the damage. @throws {StorageError} */
export function forEachRdbKey(options: RdbKeysOptions, visit: KeyVisitor): RdbRead {
  const keys = new RdbKeys(options, visit), damage = keys.run();
  return { endBytes: keys.endBytes, damage };
}

class RdbKeys implements EntrySink {
  readonly #o: RdbKeysOptions;
  readonly #visit: KeyVisitor;
  readonly #load: RdbLoad;
  readonly #facts = new KeyFacts();
  /** The key before, which stays until the next one is built: so its slab need not come and go. */
  #previous: Address = NONE;
  #previousBytes = 0;
  /** What is taken without keys. */
  readonly #idleBytes: number;

  constructor(options: RdbKeysOptions, visit: KeyVisitor) {
    const { keyspace } = this.#o = options;
    this.#visit = visit, this.#idleBytes = keyspace.allocator.liveBytes;
    this.#load = scratchLoad(options, { keyspace, sink: this, deep: false });
  }

  get endBytes(): number {
    return this.#load.loadedBytes;
  }

  run(): FileDamage | null {
    const { path, sizeBytes, onProgress } = this.#o;
    try {
      while (!this.#load.step(STEP_BYTES)) onProgress(this.#load.loadedBytes / sizeBytes);
      return null;
    } catch (error) {
      if (error instanceof RdbCorruptError) return { path, offsetBytes: error.offsetBytes, reason: error.message };
      if (!(error instanceof OutOfArenaError)) throw error;
      return {
        path,
        offsetBytes: this.#load.partStartBytes,
        reason: "a value takes more memory than there is room for",
      };
    } finally {
      this.#freePrevious();
    }
  }

  add(db: Database, entry: Address): void {
    const { keyspace } = this.#o, bytes = keyspace.allocator.liveBytes - this.#idleBytes - this.#previousBytes;
    const { loadedBytes, wholeBytes } = this.#load;
    this.#freePrevious();
    this.#previous = entry, this.#previousBytes = bytes;
    this.#facts.fill(keyspace, db.index, entry, bytes, loadedBytes - wholeBytes);
    this.#visit(this.#facts);
  }

  #freePrevious(): void {
    if (this.#previous === NONE) return;
    const { keyspace } = this.#o;
    keyspace.freeEntry(this.#previous, false);
    // What is large is not freed at once.
    keyspace.lazyFree.finish();
    this.#previous = NONE, this.#previousBytes = 0;
  }

  expect(): void {}
  flush(): void {}
  discard(): void {}
}
