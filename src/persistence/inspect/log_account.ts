/** What the commands of a log are, and which prefixes they write to: bytes of the log, not of memory. Reads them, and runs none. */
import type { Args } from "../../resp/args.ts";
import type { FileHandle, Readable } from "../../io/storage.ts";
import { AofReader, FormatError, TornError } from "../aof/aof_reader.ts";
import type { FileDamage } from "./rdb_keys.ts";
import { PrefixTree } from "./prefix_tree.ts";

const NAME_BYTES_MAX = 32;

export interface CommandSums {
  readonly name: string;
  count: number;
  bytes: number;
  largestBytes: number;
}

/** Which arguments of a command are keys. */
export type KeysOf = (args: Args) => readonly number[];

export class LogAccount {
  commandCount = 0;
  commandBytes = 0;
  /** Of seals, timestamps and other lines that are skipped. */
  annotationBytes = 0;
  /** Bytes of the log, and commands. */
  readonly prefixes: PrefixTree;
  readonly #commands = new Map<string, CommandSums>();
  readonly #keysOf: KeysOf;
  readonly #sums = new Float64Array(2);

  constructor(keysOf: KeysOf, separators: string, folds: boolean) {
    this.#keysOf = keysOf;
    this.prefixes = new PrefixTree({ separators, folds, measures: this.#sums.length });
  }

  get byCommand(): CommandSums[] {
    return [...this.#commands.values()].sort((a, b) => b.bytes - a.bytes);
  }

  /** Adds the commands in [from, to) of a file. Null, or where it could not be read on. @throws {StorageError} */
  addFile(storage: Readable, file: FileHandle, path: string, from: number, to: number): FileDamage | null {
    const reader = new AofReader(storage, file, from, to);
    try {
      for (;;) {
        const start = reader.offsetBytes, kind = reader.next();
        if (kind === "end") return null;
        if (kind === "annotation") this.annotationBytes += reader.offsetBytes - start;
        else this.#add(reader.args, reader.offsetBytes - start);
      }
    } catch (error) {
      if (error instanceof TornError) return { path, offsetBytes: reader.offsetBytes, reason: "it ends in the middle" };
      if (error instanceof FormatError) return { path, offsetBytes: error.offsetBytes, reason: error.reason };
      throw error;
    }
  }

  #add(args: Args, bytes: number): void {
    const name = args.latin1(0).slice(0, NAME_BYTES_MAX).toUpperCase();
    let sums = this.#commands.get(name);
    if (sums === undefined) this.#commands.set(name, sums = { name, count: 0, bytes: 0, largestBytes: 0 });
    sums.count++, sums.bytes += bytes, sums.largestBytes = Math.max(sums.largestBytes, bytes);
    this.commandCount++, this.commandBytes += bytes;
    const key = this.#keysOf(args)[0];
    if (key === undefined) return;
    this.#sums[0] = bytes, this.#sums[1] = 1;
    const at = args.offsets[key], length = args.lengths[key];
    this.prefixes.add(args.bytes.subarray(at, at + length), length, this.#sums);
  }
}
