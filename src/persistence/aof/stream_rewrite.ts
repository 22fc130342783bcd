/**
 * Rewrites a stream as Redis does: XADD for each entry (or XADD MAXLEN 0 for a stream without any), XSETID for its counters, and for
 * each group XGROUP CREATE and the pending entries of each consumer as XCLAIM, or XGROUP CREATECONSUMER where there are none.
 */
import { ascii } from "../../base/bytes.ts";
import { ENTRY, keyLength, valueOf } from "../../keyspace/entry.ts";
import { type Address, type MemoryReader, NONE } from "../../memory/mod.ts";
import { NameCursor } from "../../structures/name_index.ts";
import { TreeCursor, treeSize } from "../../structures/ordered_tree.ts";
import { StreamEntries } from "../../structures/stream_entries.ts";
import { formatStreamId, newStreamId, STREAM_ID_TEXT_BYTES_MAX, type StreamId } from "../../structures/stream_id.ts";
import {
  CONSUMER,
  GROUP,
  OWN_WORDS,
  PENDING,
  PENDING_WORDS,
  readIdAt,
  STREAM,
  streamLength,
} from "../../structures/stream_layout.ts";
import type { CommandWriter } from "./aof_base_writer.ts";

const ANY_FIELD = ascii("x"), ANY_VALUE = ascii("y"), FIRST_ID = ascii("0-1");

const id = newStreamId();
const text = new Uint8Array(STREAM_ID_TEXT_BYTES_MAX);

/** Writes the commands of one stream. */
class StreamRewrite {
  readonly #out: CommandWriter;
  readonly #memory: MemoryReader;
  readonly #entry: Address;
  readonly #stream: Address;
  readonly #pending: TreeCursor;

  constructor(out: CommandWriter, memory: MemoryReader, entry: Address) {
    this.#out = out, this.#memory = memory, this.#entry = entry, this.#stream = valueOf(memory, entry);
    this.#pending = new TreeCursor(memory, PENDING_WORDS);
  }

  write(): void {
    if (streamLength(this.#memory, this.#stream) > 0) this.#entries();
    else this.#empty();
    this.#setId();
    const groups = new NameCursor(this.#memory).open(this.#stream, STREAM.groups);
    for (let group = groups.next(); group !== NONE; group = groups.next()) this.#group(group);
  }

  #entries(): void {
    const out = this.#out, entries = StreamEntries.byCopy(this.#memory).open(this.#stream, null, null, false);
    while (entries.next()) {
      this.#begin("XADD", "", 1 + 2 * entries.fieldCount);
      this.#id(entries.id);
      for (let left = entries.fieldCount; left > 0; left--) {
        entries.nextField();
        const { field, value } = entries, fieldBytes = field.text(entries.bytes);
        out.range(fieldBytes, field.start, field.length);
        const valueBytes = value.text(entries.bytes);
        out.range(valueBytes, value.start, value.length);
      }
    }
  }

  #empty(): void {
    const out = this.#out;
    this.#begin("XADD", "", 5);
    out.text("MAXLEN"), out.text("0"), out.bytes(FIRST_ID), out.bytes(ANY_FIELD), out.bytes(ANY_VALUE);
  }

  #setId(): void {
    const out = this.#out, memory = this.#memory, stream = this.#stream;
    this.#begin("XSETID", "", 5);
    this.#id(readIdAt(memory, stream, STREAM.lastId, id));
    out.text("ENTRIESADDED"), out.i64(memory.u32(stream, STREAM.added + 4), memory.u32(stream, STREAM.added));
    out.text("MAXDELETEDID"), this.#id(readIdAt(memory, stream, STREAM.maxDeletedId, id));
  }

  #group(group: Address): void {
    const out = this.#out, memory = this.#memory;
    this.#begin("XGROUP", "CREATE", 4);
    this.#name(group, GROUP.name);
    this.#id(readIdAt(memory, group, GROUP.lastId, id));
    out.text("ENTRIESREAD");
    out.i64(memory.u32(group, GROUP.entriesRead + 4), memory.u32(group, GROUP.entriesRead));
    const consumers = new NameCursor(memory).open(group, GROUP.consumers);
    for (let one = consumers.next(); one !== NONE; one = consumers.next()) {
      if (treeSize(memory, one, CONSUMER.pending) === 0) this.#idleConsumer(group, one);
      else this.#consumer(group, one);
    }
  }

  #idleConsumer(group: Address, consumer: Address): void {
    this.#begin("XGROUP", "CREATECONSUMER", 2);
    this.#name(group, GROUP.name), this.#name(consumer, CONSUMER.name);
  }

  #consumer(group: Address, consumer: Address): void {
    const out = this.#out, pending = this.#pending.open(group, GROUP.pending);
    const own = new TreeCursor(this.#memory, OWN_WORDS).open(consumer, CONSUMER.pending);
    for (let more = own.seekFirst(); more; more = own.next()) {
      own.readKey(id);
      pending.find(id);
      this.#begin("XCLAIM", "", 10);
      this.#name(group, GROUP.name), this.#name(consumer, CONSUMER.name);
      out.text("0"), this.#id(id);
      out.text("TIME"), out.i64(pending.word(PENDING.deliveredHigh), pending.word(PENDING.deliveredLow));
      out.text("RETRYCOUNT"), out.i64(pending.word(PENDING.countHigh), pending.word(PENDING.countLow));
      out.text("JUSTID"), out.text("FORCE");
    }
  }

  /** Begins a command (and subcommand) on the key that `words` more follow. */
  #begin(command: string, subcommand: string, words: number): void {
    const out = this.#out;
    out.begin(words + (subcommand === "" ? 2 : 3));
    out.text(command);
    if (subcommand !== "") out.text(subcommand);
    out.from(this.#entry, ENTRY.key, keyLength(this.#memory, this.#entry));
  }

  #id(id: StreamId): void {
    this.#out.range(text, 0, formatStreamId(id, text, 0));
  }

  /** A group's or consumer's name; its length stands in the word before. */
  #name(block: Address, nameOffset: number): void {
    this.#out.from(block, nameOffset, this.#memory.u32(block, nameOffset - 4));
  }
}

export function rewriteStream(out: CommandWriter, memory: MemoryReader, entry: Address): void {
  new StreamRewrite(out, memory, entry).write();
}
