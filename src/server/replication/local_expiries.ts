/**
 * Keys that clients of a writable replica have written: when such a key expires, no master will ever say so, and the replica deletes it.
 *
 * Kept by name, outside the paged memory, as Redis does: there are few, because few write to a replica. A key that turns out to have no
 * time to live, or to be gone, is forgotten.
 */
import { latin1Encode } from "../../base/bytes.ts";
import { getKeys } from "../../commands/spec/key_search.ts";
import type { Command } from "../../commands/registry.ts";
import type { Database } from "../../keyspace/database.ts";
import { hasExpiry } from "../../keyspace/entry.ts";
import { NONE } from "../../memory/mod.ts";
import type { Args } from "../../resp/args.ts";
import type { Server } from "../server.ts";

const KEYS_PER_TICK = 200;

interface LocalKey {
  readonly db: Database;
  readonly key: Uint8Array;
}

export class LocalExpiries {
  readonly #server: Server;
  /** By database and key. */
  readonly #keys = new Map<string, LocalKey>();

  constructor(server: Server) {
    this.#server = server;
  }

  get count(): number {
    return this.#keys.size;
  }

  clear(): void {
    this.#keys.clear();
  }

  /** A client's write is about to run. */
  note(db: Database, command: Command, args: Args): void {
    for (const { index } of getKeys(command.facts, args)) {
      const name = args.latin1(index);
      this.#keys.set(`${db.index} ${name}`, { db, key: latin1Encode(name) });
    }
  }

  /** Looks at some of the keys, the oldest first. */
  tick(): void {
    const { keyspace, propagator } = this.#server;
    let left = KEYS_PER_TICK;
    for (const [name, { db, key }] of this.#keys) {
      if (left-- === 0) return;
      const entry = keyspace.dict.find(db.dict, key, 0, key.length);
      this.#keys.delete(name);
      if (entry === NONE || !hasExpiry(keyspace.memory, entry)) continue;
      // Behind the others, so that all get their turn.
      if (!keyspace.isExpired(entry)) this.#keys.set(name, { db, key });
      else keyspace.expireEntry(db, entry), propagator.endUnit();
    }
  }
}
