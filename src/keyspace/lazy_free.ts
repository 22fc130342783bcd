/**
 * Frees in slices what nobody can reach any more: the dicts of FLUSHALL ASYNC and the large values of UNLINK.
 * The cron and idle turns call `step`; a slice is bounded in blocks, so the loop never stalls for a free.
 */
import type { Address } from "../memory/mod.ts";
import type { Keyspace } from "./keyspace.ts";
import type { SlicedFree } from "./value_type.ts";

interface DictJob {
  dict: Address;
  cursor: { slot: number };
  left: number;
}

interface ValueJob {
  type: SlicedFree;
  value: Address;
  encoding: number;
}

export class LazyFree {
  readonly #keyspace: Keyspace;
  readonly #dicts: DictJob[] = [];
  /** A stack: which goes first does not matter, and taking the last is cheap however many there are. */
  readonly #values: ValueJob[] = [];
  /** Objects freed this way since the start. */
  freedObjects = 0;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  addDict(dict: Address, entries: number): void {
    this.#dicts.push({ dict, cursor: { slot: 0 }, left: entries });
  }

  addValue(type: SlicedFree, value: Address, encoding: number): void {
    this.#values.push({ type, value, encoding });
  }

  get pendingObjects(): number {
    let pending = this.#values.length;
    for (const job of this.#dicts) pending += job.left;
    return pending;
  }

  /** Nothing is left to free: no objects, and no tables that held them. */
  get isIdle(): boolean {
    return this.#dicts.length === 0 && this.#values.length === 0;
  }

  /** Frees up to about `blocksMax` blocks; true when nothing is left. */
  step(blocksMax: number): boolean {
    const value = this.#values.at(-1);
    if (value !== undefined) {
      if (value.type.freeSome(value.value, value.encoding, blocksMax)) this.#values.pop(), this.freedObjects++;
      return false;
    }
    const job = this.#dicts[0];
    if (job === undefined) return true;
    const keyspace = this.#keyspace;
    const taken = keyspace.dict.takeSome(job.dict, job.cursor, blocksMax, (entry) => {
      keyspace.freeEntry(entry, true);
      job.left--, this.freedObjects++;
    });
    if (taken === 0) keyspace.dict.destroy(job.dict), this.#dicts.shift();
    return false;
  }

  finish(): void {
    while (!this.step(4096));
  }
}
