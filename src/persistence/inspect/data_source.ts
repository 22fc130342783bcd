/**
 * A data set to inspect: the keys of an RDB file, read anew each time, or those that a log has led to, in the memory of whoever replayed it.
 * Changes no file.
 */
import { latin1Decode } from "../../base/bytes.ts";
import type { Storage } from "../../io/storage.ts";
import type { Keyspace } from "../../keyspace/keyspace.ts";
import { forEachEntry } from "../../structures/dict.ts";
import { ByteSource } from "../check/byte_source.ts";
import { KeyFacts, type KeyVisitor } from "./key_facts.ts";
import { type FileDamage, forEachRdbKey } from "./rdb_keys.ts";

const VERSION_AT = 5, VERSION_BYTES = 4;

export type OnProgress = (share: number) => void;

export interface DataSource {
  readonly name: string;
  readonly what: string;
  readonly sizeBytes: number;
  /** Shows all keys, in an order of its own. Null, or where the file could not be read on. @throws {StorageError} */
  forEach(visit: KeyVisitor, onProgress: OnProgress): FileDamage | null;
}

export class RdbSource implements DataSource {
  readonly name: string;
  readonly what: string;
  readonly sizeBytes: number;
  readonly #storage: Storage;
  readonly #keyspace: Keyspace;

  /** `keyspace` is a scratch one. @throws {StorageError} */
  constructor(storage: Storage, keyspace: Keyspace, path: string, prefix = "") {
    this.#storage = storage, this.#keyspace = keyspace, this.name = path;
    const [version, sizeBytes] = ByteSource.use(storage, path, (source) => {
      return [Number(latin1Decode(source.bytes(VERSION_AT, VERSION_BYTES))), source.sizeBytes] as const;
    });
    this.what = `${prefix}RDB version ${version}`, this.sizeBytes = sizeBytes;
  }

  forEach(visit: KeyVisitor, onProgress: OnProgress): FileDamage | null {
    return ByteSource.use(this.#storage, this.name, ({ path, readAt, sizeBytes }) => {
      return forEachRdbKey({ keyspace: this.#keyspace, path, readAt, sizeBytes, onProgress }, visit).damage;
    });
  }
}

/** The keys of a keyspace that lives elsewhere. */
export class LiveSource implements DataSource {
  readonly name: string;
  readonly what: string;
  readonly sizeBytes: number;
  readonly #keyspace: Keyspace;

  constructor(name: string, what: string, sizeBytes: number, keyspace: Keyspace) {
    this.name = name, this.what = what, this.sizeBytes = sizeBytes, this.#keyspace = keyspace;
  }

  forEach(visit: KeyVisitor): null {
    const keyspace = this.#keyspace, facts = new KeyFacts();
    for (const { index, dict } of keyspace.databases) {
      forEachEntry(keyspace.memory, dict, (entry) => {
        facts.fill(keyspace, index, entry, keyspace.memoryUsage(entry, Number.MAX_SAFE_INTEGER), 0);
        visit(facts);
      });
    }
    return null;
  }
}

/** A log of which no base can be read as a data set. */
export class NoKeys implements DataSource {
  readonly name: string;
  readonly what: string;
  readonly sizeBytes: number;

  constructor(name: string, what: string, sizeBytes: number) {
    this.name = name, this.what = what, this.sizeBytes = sizeBytes;
  }

  forEach(): null {
    return null;
  }
}
