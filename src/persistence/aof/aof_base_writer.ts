/** The base of an AOF as commands (aof-use-rdb-preamble no): for each entry the commands that make it. By type, like RDB codecs. */
import { ascii } from "../../base/bytes.ts";
import { crc32 } from "../../base/crc32.ts";
import { formatI64, formatInteger, I64 } from "../../base/integer.ts";
import { type FileHandle, type Storage, writeFully } from "../../io/storage.ts";
import {
  ENCODING,
  encodingOf,
  ENTRY,
  expiresAtMs,
  intOffset,
  keyLength,
  StringPlace,
  TYPE,
  typeOf,
} from "../../keyspace/entry.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { entriesOf } from "../../structures/dict.ts";
import type { SaveOptions } from "../rdb/rdb_saver.ts";
import type { RdbWriter } from "../rdb/rdb_writer.ts";
import { SEAL_BYTES, SealChain, SELECT_OURS, SELECT_REDIS } from "./aof_seal.ts";
import { rewriteHash } from "./hash_rewrite.ts";
import { rewriteList } from "./list_rewrite.ts";
import { rewriteSet } from "./set_rewrite.ts";
import { rewriteStream } from "./stream_rewrite.ts";
import { rewriteSortedSet } from "./sorted_set_rewrite.ts";

const KEYS_PER_STEP = 1024;
const PIECE_BYTES = 64 * 1024;
const BLOCK_BYTES = 256 * 1024;
const CRLF = ascii("\r\n");

/** A file that is written in pieces, and sealed in blocks that end where a command does. */
export class SealedFile {
  readonly #storage: Storage;
  readonly #file: FileHandle;
  readonly #chain: SealChain;
  readonly #seal = new Uint8Array(SEAL_BYTES);
  #crc = 0;
  /** Of the block so far. */
  lengthBytes = 0;

  constructor(storage: Storage, file: FileHandle, fileId: number) {
    this.#storage = storage, this.#file = file, this.#chain = new SealChain(fileId);
  }

  /** @throws {StorageError} */
  write(bytes: Uint8Array, start: number, end: number): void {
    writeFully(this.#storage, this.#file, bytes, start, end);
    this.#crc = crc32(bytes, start, end, this.#crc), this.lengthBytes += end - start;
  }

  /** Ends the block. @throws {StorageError} */
  seal(): void {
    if (this.lengthBytes === 0) return;
    this.#chain.sealCounted(this.#crc, this.lengthBytes, 0, this.#seal, 0);
    writeFully(this.#storage, this.#file, this.#seal, 0, SEAL_BYTES);
    this.#crc = this.lengthBytes = 0;
  }
}

/** Writes RESP commands. */
export class CommandWriter {
  readonly #writer: RdbWriter;
  readonly #sealed: SealedFile | null;
  readonly #memory: MemoryReader;
  readonly #line = new Uint8Array(32);
  readonly #piece = new Uint8Array(PIECE_BYTES);
  readonly #integer = new I64();

  /** `sealed`: where the writer writes to, when that gets seals. */
  constructor(writer: RdbWriter, memory: MemoryReader, sealed: SealedFile | null = null) {
    this.#writer = writer, this.#memory = memory, this.#sealed = sealed;
  }

  begin(words: number): void {
    if (this.#sealed !== null && this.#sealed.lengthBytes >= BLOCK_BYTES) this.endBlock();
    this.#header(0x2a, words);
  }

  /** What was written so far, and is whole commands, is a block. */
  endBlock(): void {
    this.#writer.flush();
    this.#sealed?.seal();
  }

  bytes(bytes: Uint8Array): void {
    this.range(bytes, 0, bytes.length);
  }

  range(bytes: Uint8Array, start: number, length: number): void {
    this.#header(0x24, length);
    this.#writer.raw(bytes, start, length);
    this.#writer.raw(CRLF, 0, 2);
  }

  text(text: string): void {
    this.bytes(ascii(text));
  }

  from(block: Address, offsetBytes: number, length: number): void {
    this.#header(0x24, length);
    for (let done = 0; done < length;) {
      const step = Math.min(PIECE_BYTES, length - done);
      this.#memory.copyOut(block, offsetBytes + done, this.#piece, 0, step);
      this.#writer.raw(this.#piece, 0, step);
      done += step;
    }
    this.#writer.raw(CRLF, 0, 2);
  }

  i64(high: number, low: number): void {
    const length = formatI64(this.#integer.set(high, low), this.#piece, 0);
    this.bytes(this.#piece.subarray(0, length));
  }

  #header(type: number, value: number): void {
    this.#line[0] = type;
    const end = formatInteger(value, this.#line, 1);
    this.#line[end] = 13, this.#line[end + 1] = 10;
    this.#writer.raw(this.#line, 0, end + 2);
  }
}

/** Writes the commands that make one entry's value. */
export type AofRewrite = (out: CommandWriter, memory: MemoryReader, entry: Address) => void;

const place = new StringPlace();

function rewriteString(out: CommandWriter, memory: MemoryReader, entry: Address): void {
  out.begin(3);
  out.text("SET");
  out.from(entry, ENTRY.key, keyLength(memory, entry));
  if (encodingOf(memory, entry) === ENCODING.int) {
    const at = intOffset(memory.u32(entry, ENTRY.keyInfo));
    return out.i64(memory.u32(entry, at + 4), memory.u32(entry, at));
  }
  place.locate(memory, entry);
  out.from(place.block, place.offsetBytes, place.lengthBytes);
}

/** By entry type; a type registers its own. */
export const AOF_REWRITES: (AofRewrite | undefined)[] = [];
AOF_REWRITES[TYPE.string] = rewriteString;
AOF_REWRITES[TYPE.hash] = rewriteHash;
AOF_REWRITES[TYPE.list] = rewriteList;
AOF_REWRITES[TYPE.set] = rewriteSet;
AOF_REWRITES[TYPE.stream] = rewriteStream;
AOF_REWRITES[TYPE.zset] = rewriteSortedSet;

/** Writes the data set as commands, to the end; yields now and then, like `saveRdb`. `sealed`: where the writer writes to, if that gets seals. */
export function* writeAofCommands(
  writer: RdbWriter,
  memory: MemoryReader,
  options: SaveOptions,
  sealed: SealedFile | null,
  onKey: () => void,
): Generator<void> {
  const out = new CommandWriter(writer, memory, sealed);
  if (options.timestampSeconds !== null) {
    const line = ascii(`#TS:${options.timestampSeconds}\r\n`);
    writer.raw(line, 0, line.length);
  }
  for (const code of options.functions) out.begin(3), out.text("FUNCTION"), out.text("LOAD"), out.bytes(code);
  for (const db of options.databases) {
    if (db.keys === 0) continue;
    out.begin(2), out.bytes(sealed !== null ? SELECT_OURS : SELECT_REDIS), out.text(String(db.index));
    for (const entries of entriesOf(memory, db.dict, KEYS_PER_STEP)) {
      for (let i = 0; i < entries.count; i++) {
        writeEntry(out, memory, entries.at[i] as Address);
        onKey();
      }
      yield;
    }
  }
  out.endBlock();
}

function writeEntry(out: CommandWriter, memory: MemoryReader, entry: Address): void {
  AOF_REWRITES[typeOf(memory, entry)]!(out, memory, entry);
  const atMs = expiresAtMs(memory, entry);
  if (atMs < 0) return;
  out.begin(3);
  out.text("PEXPIREAT");
  out.from(entry, ENTRY.key, keyLength(memory, entry));
  const high = Math.floor(atMs / 2 ** 32);
  out.i64(high, atMs - high * 2 ** 32);
}
