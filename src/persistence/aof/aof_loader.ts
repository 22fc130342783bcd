/**
 * Loads the files of a manifest, in order and in steps. RDB bases go to an RDB load that the caller makes; commands to `execute`.
 *
 * A torn tail is only ever the last file's (G3), a tail of zeros counts as torn (G1), and nothing on disk is changed before every file
 * was read: the tail is cut, and the cut synced, at the very end. An incomplete MULTI at the end is torn too: a transaction is
 * applied whole or not at all (I1).
 */
import { ascii, latin1Decode } from "../../base/bytes.ts";
import { type FileHandle, type Storage, StorageError } from "../../io/storage.ts";
import { Args } from "../../resp/args.ts";
import type { AofManifest } from "./aof_manifest.ts";
import { AofReader, FormatError, TornError } from "./aof_reader.ts";

const MULTI = ascii("MULTI"), EXEC = ascii("EXEC");
const RDB_MAGIC = "REDIS";

/** The log cannot be loaded: what, which file and where in it, what to do. The server exits with 1, and no file was changed. */
export class AofLoadError extends Error {
  override name = "AofLoadError";
  readonly path: string;
  /** Where in the file the trouble starts; 0 when it is the file itself. */
  readonly offsetBytes: number;

  constructor(message: string, path: string, offsetBytes = 0) {
    super(message);
    this.path = path, this.offsetBytes = offsetBytes;
  }
}

/** An RDB file at the start of a log file, being loaded. */
export interface BaseLoad {
  step(budgetBytes: number): boolean;
  readonly loadedBytes: number;
  /** A step has nothing to do before others have done their part. */
  readonly isWaiting: boolean;
}

export interface AofLoadOptions {
  readonly storage: Storage;
  readonly directory: string;
  readonly manifest: AofManifest;
  readonly loadTruncated: boolean;
  readonly nowUs: () => number;
  readonly loadRdb: (file: FileHandle, totalBytes: number) => BaseLoad;
  /** Runs one command; false when there is no such command. */
  readonly execute: (args: Args) => boolean;
  readonly log: (level: "notice" | "warning", text: string) => void;
}

export class AofLoad {
  readonly #o: AofLoadOptions;
  readonly #names: readonly string[];
  #index = 0;
  #file: AofFileLoad | null = null;
  #startedUs = 0;
  #doneBytes = 0;
  readonly totalBytes: number;
  baseBytes = 0;
  /** Bytes after a torn tail was cut. */
  currentBytes = 0;

  /** @throws {AofLoadError} when a file that the manifest names is missing */
  constructor(options: AofLoadOptions) {
    this.#o = options;
    this.#names = options.manifest.files.map((file) => file.name);
    let total = 0;
    for (const name of this.#names) total += this.#sizeOf(name);
    this.totalBytes = total;
  }

  get loadedBytes(): number {
    return this.#doneBytes + (this.#file?.offsetBytes ?? 0);
  }

  get isWaiting(): boolean {
    return this.#file?.isWaiting ?? false;
  }

  /** Loads about `budgetBytes` more; true when all is loaded. @throws {AofLoadError} */
  step(budgetBytes: number): boolean {
    if (this.#index === this.#names.length) return true;
    const name = this.#names[this.#index], isLast = this.#index === this.#names.length - 1;
    this.#file ??= this.#open(name);
    let done: boolean;
    try {
      done = this.#file.step(budgetBytes);
    } catch (error) {
      done = error instanceof TornError && this.#isCut(this.#file, name, isLast);
      if (!done) throw this.#refused(error, this.#file, name, isLast);
    }
    if (!done) return false;
    this.#finished(this.#file, name);
    return this.#index === this.#names.length;
  }

  #sizeOf(name: string): number {
    const status = this.#o.storage.stat(`${this.#o.directory}/${name}`);
    if (status === null) {
      throw new AofLoadError(
        `The append log file ${name} doesn't exist: No such file or directory. The manifest names it: restore it from a backup.`,
        this.#path(name),
      );
    }
    return status.sizeBytes;
  }

  #path(name: string): string {
    return `${this.#o.directory}/${name}`;
  }

  #open(name: string): AofFileLoad {
    this.#startedUs = this.#o.nowUs();
    try {
      return new AofFileLoad(this.#o, this.#path(name), name);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      throw new AofLoadError(
        `Fatal error: can't open the append log file ${name} for reading: ${error.message}`,
        this.#path(name),
      );
    }
  }

  #finished(file: AofFileLoad, name: string): void {
    const kind = this.#index === 0 && this.#o.manifest.base !== null ? "base" : "incr";
    if (kind === "base") this.baseBytes = file.offsetBytes;
    const seconds = (this.#o.nowUs() - this.#startedUs) / 1e6;
    this.#o.log("notice", `DB loaded from ${kind} file ${name}: ${seconds.toFixed(3)} seconds`);
    this.#doneBytes += file.offsetBytes;
    this.currentBytes += file.offsetBytes;
    file.close();
    this.#file = null;
    this.#index++;
  }

  /** The verdict on a torn file: the last one may be cut, if that is allowed; any other is the end. */
  #isCut(file: AofFileLoad, name: string, isLast: boolean): boolean {
    const { log, loadTruncated } = this.#o;
    if (file.inTransaction) log("warning", `Revert incomplete MULTI/EXEC transaction in AOF file ${name}`);
    if (!loadTruncated) return false;
    log("warning", `!!! Warning: short read while loading the AOF file ${name}!!!`);
    if (!isLast) return false;
    log("warning", `!!! Truncating the AOF ${name} at offset ${file.validBytes} !!!`);
    try {
      file.truncate();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      file.close();
      throw new AofLoadError(
        `Error truncating the AOF file ${name}: ${error.message}`,
        this.#path(name),
        file.validBytes,
      );
    }
    log("warning", `AOF ${name} loaded anyway because aof-load-truncated is enabled`);
    return true;
  }

  /** What to say about a file that cannot be loaded; nothing was changed. */
  #refused(error: unknown, file: AofFileLoad, name: string, isLast: boolean): unknown {
    file.close();
    this.#file = null;
    const refusal = (text: string, offsetBytes: number) => new AofLoadError(text, this.#path(name), offsetBytes);
    if (error instanceof TornError) {
      return this.#o.loadTruncated && !isLast
        ? refusal(
          `Fatal error: the truncated file is not the last file (${name} ends in the middle of what starts at offset ` +
            `${file.validBytes}): restore it from a backup`,
          file.validBytes,
        )
        : refusal(
          `Unexpected end of file reading the append only file ${name}. You can: 1) Make a backup of your AOF file, then use ` +
            "./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration " +
            `option to yes and restart the server. (The last whole command ends at offset ${file.validBytes})`,
          file.validBytes,
        );
    }
    if (error instanceof FormatError) {
      return refusal(
        `Bad file format reading the append only file ${name}: make a backup of your AOF file, then use ./redis-check-aof --fix ` +
          `<filename.manifest> (${error.message})`,
        error.offsetBytes,
      );
    }
    if (isDamagedRdb(error)) {
      const what = file.isOldStyle ? "RDB preamble of the AOF file" : "RDB base file";
      return refusal(
        `Error reading the ${what} ${name}, AOF loading aborted: ${error.message} (at offset ${error.offsetBytes}). Restore the ` +
          "file from a backup; redis-check-rdb says more",
        error.offsetBytes,
      );
    }
    if (error instanceof StorageError) {
      return refusal(`Unrecoverable error reading the append only file ${name}: ${error.message}`, file.offsetBytes);
    }
    return error;
  }
}

/** What an RDB load throws about its file. */
function isDamagedRdb(error: unknown): error is Error & { offsetBytes: number } {
  return error instanceof Error && (error.name === "RdbCorruptError" || error.name === "RdbTruncatedError");
}

/** One file. */
class AofFileLoad {
  readonly #o: AofLoadOptions;
  readonly #path: string;
  readonly #name: string;
  readonly #file: FileHandle;
  readonly #sizeBytes: number;
  #base: BaseLoad | null = null;
  #reader: AofReader;
  #queue: Args[] | null = null;
  #cutTo = -1;
  /** An RDB file with commands behind it, as Redis wrote before version 7. */
  readonly isOldStyle: boolean = false;
  /** End of the last whole command outside a transaction. */
  validBytes = 0;

  constructor(options: AofLoadOptions, path: string, name: string) {
    this.#o = options, this.#path = path, this.#name = name;
    this.#file = options.storage.open(path, "read");
    this.#sizeBytes = options.storage.size(this.#file);
    this.#reader = new AofReader(options.storage, this.#file, 0, this.#sizeBytes);
    const magic = new Uint8Array(RDB_MAGIC.length);
    if (options.storage.read(this.#file, 0, magic) !== RDB_MAGIC.length || latin1Decode(magic) !== RDB_MAGIC) return;
    this.isOldStyle = !name.endsWith(".rdb");
    options.log(
      "notice",
      this.isOldStyle ? "Reading RDB preamble from AOF file..." : "Reading RDB base file on AOF loading...",
    );
    this.#base = options.loadRdb(this.#file, this.#sizeBytes);
  }

  get offsetBytes(): number {
    if (this.#cutTo >= 0) return this.#cutTo;
    return this.#base !== null ? this.#base.loadedBytes : this.#reader.offsetBytes;
  }

  get isWaiting(): boolean {
    return this.#base?.isWaiting ?? false;
  }

  get inTransaction(): boolean {
    return this.#queue !== null;
  }

  step(budgetBytes: number): boolean {
    if (this.#base !== null) {
      if (!this.#base.step(budgetBytes)) return false;
      this.validBytes = this.#base.loadedBytes;
      this.#base = null;
      this.#reader = new AofReader(this.#o.storage, this.#file, this.validBytes, this.#sizeBytes);
      if (this.validBytes < this.#sizeBytes) this.#o.log("notice", "Reading the remaining AOF tail...");
    }
    const until = this.offsetBytes + budgetBytes;
    while (this.offsetBytes < until) {
      if (this.offsetBytes === this.#sizeBytes) {
        if (this.#queue !== null) throw new TornError();
        return true;
      }
      this.#next();
    }
    return false;
  }

  /** Cuts the torn tail off, durably. */
  truncate(): void {
    const { storage } = this.#o, file = storage.open(this.#path, "update");
    try {
      storage.truncate(file, this.validBytes);
      storage.sync(file);
    } finally {
      storage.close(file);
    }
    this.#cutTo = this.validBytes;
  }

  close(): void {
    this.#o.storage.close(this.#file);
  }

  /** One command or annotation. */
  #next(): void {
    const kind = this.#reader.next();
    if (kind === "command") this.#run();
    else if (this.#queue === null) this.validBytes = this.offsetBytes;
  }

  #run(): void {
    const reader = this.#reader, { args } = reader;
    if (args.count === 1 && args.is(0, MULTI)) {
      if (this.#queue !== null) throw new FormatError("MULTI inside MULTI", reader.commandOffsetBytes);
      this.#queue = [];
    } else if (this.#queue === null) {
      if (args.count === 1 && args.is(0, EXEC)) {
        throw new FormatError("EXEC without MULTI", reader.commandOffsetBytes);
      }
      this.#execute(args);
      this.validBytes = this.offsetBytes;
    } else if (args.count === 1 && args.is(0, EXEC)) {
      for (const queued of this.#queue) this.#execute(queued);
      this.#queue = null;
      this.validBytes = this.offsetBytes;
    } else {
      const copy = new Args();
      copy.copyFrom(args);
      this.#queue.push(copy);
    }
  }

  #execute(args: Args): void {
    if (!this.#o.execute(args)) {
      throw new AofLoadError(
        `Unknown command '${
          args.text(0)
        }' reading the append only file ${this.#name} (before offset ${this.offsetBytes}): it was ` +
          "written by a server that has more commands, or it is damaged",
        this.#path,
        this.offsetBytes,
      );
    }
  }
}
