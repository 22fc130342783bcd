import type { Address } from "../memory/mod.ts";
import { ExpiryIndex } from "./expiry_index.ts";

/** One numbered database: the dict of its entries and the index of those that expire. SWAPDB exchanges contents, not objects. */
export class Database {
  readonly index: number;
  dict: Address;
  expiry = new ExpiryIndex();
  /** Keys that WATCH names here, by latin1 text, with what to tell when one changes. */
  readonly watched: Map<string, Set<WatchListener>> = new Map();

  constructor(index: number, dict: Address) {
    this.index = index, this.dict = dict;
  }
}

/** What becomes of a watched key when its whole database is emptied or exchanged. */
export type Replacement = "none" | "expired" | "live";

/** A client that has watched a key. */
export interface WatchListener {
  /** The key was written or removed; `exists` says which. */
  watchedKeyChanged(db: Database, key: string, exists: boolean): void;
  /** FLUSHALL, SWAPDB. */
  watchedKeyReplaced(db: Database, key: string, existed: boolean, replacement: Replacement): void;
}
