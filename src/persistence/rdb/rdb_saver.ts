/**
 * Writes a data set as an RDB file, from live or frozen memory. A generator, so that a simulation can stop it anywhere; whoever is
 * in a hurry runs it to its end. Yields after every `KEYS_PER_STEP` keys.
 */
import { ascii } from "../../base/bytes.ts";
import { idleSeconds, lfuCounter } from "../../keyspace/access_clock.ts";
import { accessOf, ENTRY, expiresAtMs, keyLength, typeOf } from "../../keyspace/entry.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { entriesOf } from "../../structures/dict.ts";
import { codecOfType } from "./rdb_codec.ts";
import { OPCODE, RDB_VERSION } from "./rdb_format.ts";
import type { RdbWriter } from "./rdb_writer.ts";

/** A database as it was at the freeze. */
export interface SavedDatabase {
  readonly index: number;
  readonly dict: Address;
  readonly keys: number;
  readonly expires: number;
}

export interface SaveOptions {
  readonly databases: readonly SavedDatabase[];
  readonly nowMs: number;
  readonly usedMemoryBytes: number;
  /** The file is the base of an AOF. */
  readonly isAofBase: boolean;
  /** Where the data is in a replication stream; null when there is none. */
  readonly replication: { readonly database: number; readonly id: string; readonly offset: number } | null;
  /** Unix time that a base of commands begins with (aof-timestamp-enabled), or null. */
  readonly timestampSeconds: number | null;
  /** What is kept of accesses: with an eviction policy that needs it. */
  readonly access: "none" | "idle" | "frequency";
  /** Code of the function libraries that are kept. */
  readonly functions: readonly Uint8Array[];
  /** lfu-decay-time: a frequency is saved as it has decayed by now. */
  readonly lfuDecayMinutes: number;
}

const KEYS_PER_STEP = 1024;

/** Writes everything but what `writer.finish` adds. `onKey` is called after each key. */
export function* saveRdb(
  writer: RdbWriter,
  memory: MemoryReader,
  options: SaveOptions,
  onKey: () => void,
): Generator<void> {
  const magic = ascii(`REDIS${String(RDB_VERSION).padStart(4, "0")}`);
  writer.raw(magic, 0, magic.length);
  writeAux(writer, options);
  for (const code of options.functions) writer.byte(OPCODE.function2), writer.string(code, 0, code.length);
  let keys = 0;
  for (const db of options.databases) {
    if (db.keys === 0) continue;
    writer.byte(OPCODE.selectDb), writer.length(db.index);
    writer.byte(OPCODE.resizeDb), writer.length(db.keys), writer.length(db.expires);
    for (const entries of entriesOf(memory, db.dict, KEYS_PER_STEP)) {
      for (let i = 0; i < entries.count; i++) {
        writeEntry(writer, memory, entries.at[i] as Address, options);
        onKey();
      }
      keys += entries.count;
      if (keys >= KEYS_PER_STEP) keys = 0, yield;
    }
  }
  writer.byte(OPCODE.eof);
}

function writeAux(writer: RdbWriter, options: SaveOptions): void {
  aux(writer, "redis-ver", "7.0.15");
  aux(writer, "redis-bits", "64");
  aux(writer, "ctime", String(Math.floor(options.nowMs / 1000)));
  aux(writer, "used-mem", String(options.usedMemoryBytes));
  const { replication } = options;
  if (replication !== null) {
    aux(writer, "repl-stream-db", String(replication.database));
    aux(writer, "repl-id", replication.id);
    aux(writer, "repl-offset", String(replication.offset));
  }
  aux(writer, "aof-base", options.isAofBase ? "1" : "0");
}

function aux(writer: RdbWriter, name: string, value: string): void {
  writer.byte(OPCODE.aux);
  for (const text of [name, value]) {
    const bytes = ascii(text);
    writer.string(bytes, 0, bytes.length);
  }
}

function writeEntry(writer: RdbWriter, memory: MemoryReader, entry: Address, options: SaveOptions): void {
  const atMs = expiresAtMs(memory, entry);
  if (atMs >= 0) writer.byte(OPCODE.expireTimeMs), writer.u64(atMs);
  if (options.access === "idle") {
    writer.byte(OPCODE.idle), writer.length(idleSeconds(accessOf(memory, entry), options.nowMs));
  } else if (options.access === "frequency") {
    writer.byte(OPCODE.frequency);
    writer.byte(lfuCounter(accessOf(memory, entry), options.nowMs, options.lfuDecayMinutes));
  }
  const codec = codecOfType(typeOf(memory, entry));
  writer.byte(codec.typeByteOf(memory, entry));
  writer.stringFrom(memory, entry, ENTRY.key, keyLength(memory, entry));
  codec.write(writer, memory, entry);
}
