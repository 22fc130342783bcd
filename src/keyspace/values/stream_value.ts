/**
 * Streams as a type of value, and the tools that commands read them with: one of each, used by one command at a time. The entry's value
 * word is the address of the stream, which never moves.
 */
import { type Address, NONE, OutOfArenaError } from "../../memory/mod.ts";
import { NameCursor } from "../../structures/name_index.ts";
import { TreeCursor } from "../../structures/ordered_tree.ts";
import { type EntryFields, Streams } from "../../structures/stream.ts";
import { StreamEntries } from "../../structures/stream_entries.ts";
import type { StreamId } from "../../structures/stream_id.ts";
import { OWN_WORDS, PENDING_WORDS } from "../../structures/stream_layout.ts";
import { TYPE } from "../entry.ts";
import type { Keyspace } from "../keyspace.ts";
import type { SlicedFree, ValueType } from "../value_type.ts";

export class StreamValue implements ValueType {
  readonly type: number = TYPE.stream;
  readonly streams: Streams;
  readonly entries: StreamEntries;
  /** For a group's and for a consumer's pending entries. */
  readonly pending: TreeCursor;
  readonly own: TreeCursor;
  readonly groups: NameCursor;
  readonly consumers: NameCursor;
  /** What frees a group that was taken out of its stream, in slices. */
  readonly detachedGroup: SlicedFree;
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    const { memory, allocator } = this.#keyspace = keyspace;
    this.streams = new Streams(memory, allocator);
    this.entries = StreamEntries.inPlace(memory);
    this.pending = new TreeCursor(memory, PENDING_WORDS), this.own = new TreeCursor(memory, OWN_WORDS);
    this.groups = new NameCursor(memory), this.consumers = new NameCursor(memory);
    const groups = this.streams.groups;
    this.detachedGroup = { freeSome: (group, _encoding, blocksMax) => groups.freeSomeOfGroup(group, blocksMax) };
  }

  free(value: Address): void {
    this.streams.freeSome(value, Infinity);
  }

  freeEffort(value: Address): number {
    return this.streams.freeEffort(value);
  }

  freeSome(value: Address, _encoding: number, blocksMax: number): boolean {
    return this.streams.freeSome(value, blocksMax);
  }

  copy(value: Address): Address {
    return this.streams.copy(value);
  }

  memoryUsage(value: Address, _encoding: number, samples: number): number {
    return this.streams.memoryUsage(value, samples);
  }

  /** `Streams.append` by the keyspace's limits; NONE as stream makes a new one, which no key has. Returns the stream. */
  append(
    stream: Address,
    id: StreamId,
    fields: EntryFields,
    from: number,
    pairs: number,
    payloadBytes: number,
  ): Address {
    const { streamNodeBytesMax, streamNodeEntriesMax } = this.#keyspace.limits;
    const target = stream === NONE ? this.streams.create() : stream;
    try {
      this.streams.append(target, id, fields, from, pairs, payloadBytes, streamNodeBytesMax, streamNodeEntriesMax);
    } catch (error) {
      if (stream === NONE && error instanceof OutOfArenaError) this.free(target);
      throw error;
    }
    return target;
  }
}
