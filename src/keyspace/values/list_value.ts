/**
 * Lists: always a quicklist, whose header's address is the entry's value word and never changes.
 * Invariant: a list that a key holds is never empty.
 */
import type { Address } from "../../memory/mod.ts";
import { Quicklists } from "../../structures/quicklists.ts";
import { TYPE } from "../entry.ts";
import type { Keyspace } from "../keyspace.ts";
import type { ValueType } from "../value_type.ts";

export class ListValues implements ValueType {
  readonly type: number = TYPE.list;
  readonly lists: Quicklists;
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.lists = new Quicklists(keyspace.memory, keyspace.allocator);
  }

  /** An empty list that no key holds, with the options of the configuration. */
  create(): Address {
    const { listListpackSize, listCompressDepth } = this.#keyspace.limits;
    return this.lists.create(listListpackSize, listCompressDepth);
  }

  free(value: Address): void {
    this.lists.free(value);
  }

  freeEffort(value: Address): number {
    return this.lists.nodes(value);
  }

  freeSome(value: Address, _encoding: number, blocksMax: number): boolean {
    return this.lists.freeSome(value, blocksMax);
  }

  copy(value: Address): Address {
    return this.lists.copy(value);
  }

  memoryUsage(value: Address, _encoding: number, samples: number): number {
    return this.lists.memoryUsage(value, samples);
  }
}
