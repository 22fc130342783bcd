/**
 * Sorted sets as a type: what the generic commands do with them. The entry's value word is the address of the listpack, or of the
 * `ScoreDict`. What is done with a single one is in `sorted_set.ts`.
 */
import type { Address } from "../../memory/mod.ts";
import type { Dict } from "../../structures/dict.ts";
import { Listpacks } from "../../structures/listpack.ts";
import { ScoreDict } from "../../structures/score_dict.ts";
import { ENCODING, TYPE } from "../entry.ts";
import type { Keyspace } from "../keyspace.ts";
import type { ValueType } from "../value_type.ts";
import { SortedSet } from "./sorted_set.ts";

export class SortedSetValue implements ValueType {
  readonly type: number = TYPE.zset;
  /** The set that a command works on, or builds. */
  readonly set: SortedSet;
  /** Two more, for commands that read several: one to walk, one to look things up in. */
  readonly walked: SortedSet;
  readonly probed: SortedSet;
  readonly #keyspace: Keyspace;
  readonly #listpacks: Listpacks;
  readonly #members: ScoreDict;

  constructor(keyspace: Keyspace) {
    const { memory, allocator, hash } = keyspace;
    this.#keyspace = keyspace;
    this.#listpacks = new Listpacks(memory, allocator);
    this.#members = new ScoreDict(memory, allocator, hash);
    this.set = new SortedSet(keyspace, this.#listpacks, this.#members);
    this.walked = new SortedSet(keyspace, this.#listpacks, this.#members);
    this.probed = new SortedSet(keyspace, this.#listpacks, this.#members);
  }

  free(value: Address, encoding: number): void {
    if (encoding === ENCODING.listpack) this.#listpacks.free(value);
    else this.#members.free(value);
  }

  freeEffort(value: Address, encoding: number): number {
    return encoding === ENCODING.listpack ? 1 : this.#members.size(value);
  }

  freeSome(value: Address, encoding: number, blocksMax: number): boolean {
    if (encoding === ENCODING.skiplist) return this.#members.freeSome(value, blocksMax);
    this.#listpacks.free(value);
    return true;
  }

  copy(value: Address, encoding: number): Address {
    return encoding === ENCODING.listpack ? this.#listpacks.copy(value) : this.#members.copy(value);
  }

  memoryUsage(value: Address, encoding: number, samples: number): number {
    if (encoding === ENCODING.listpack) return this.#keyspace.allocator.allocatedBytes(value);
    return this.#members.memoryUsage(value, samples);
  }

  hashTable(value: Address, encoding: number): { dict: Dict; header: Address } | null {
    return encoding === ENCODING.skiplist ? { dict: this.#members.dict, header: this.#members.dictOf(value) } : null;
  }
}

export function sortedSetsOf(keyspace: Keyspace): SortedSetValue {
  return keyspace.types[TYPE.zset] as SortedSetValue;
}
