/**
 * Loads the files of a manifest, in order and in steps. RDB bases go to an RDB load that the caller makes; commands to `execute`.
 *
 * First every file is judged (`aof_verdict.ts`), then they are loaded: no command runs while a file is damaged. Of a sealed file only what is
 * sealed is loaded, and what Redis added to it.
 * A torn tail is only ever the last file's (G3), a tail of zeros counts as torn (G1). An incomplete MULTI at the end is torn too: a
 * transaction is applied whole or not at all (I1).
 * Nothing on disk is changed: who goes on with the log cuts the tail off (`AofLog.openAfterLoad`).
 */
import { ascii, EMPTY_BYTES, latin1Decode } from "../../base/bytes.ts";
import { type FileHandle, readFully, type Storage, StorageError } from "../../io/storage.ts";
import { Args } from "../../resp/args.ts";
import type { AofManifest } from "./aof_manifest.ts";
import type { AofTail } from "./aof_log.ts";
import { AofReader, FormatError, TornError } from "./aof_reader.ts";
import { isSealShaped, SEAL_BYTES } from "./aof_seal.ts";
import { AofVerdict, crcOfRange } from "./aof_verdict.ts";

const MULTI = ascii("MULTI"), EXEC = ascii("EXEC");
const RDB_MAGIC = "REDIS";
const SEALED = "a seal that does not fit: what stands before it was changed";

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
  readonly #verdicts: (AofVerdict | null)[] = [];
  #judging: { verdict: AofVerdict | null; file: FileHandle } | null = null;
  #index = 0;
  #file: AofFileLoad | null = null;
  #startedUs = 0;
  #doneBytes = 0;
  readonly totalBytes: number;
  baseBytes = 0;
  /** Bytes without a torn tail. */
  currentBytes = 0;
  /** The log's number, from the manifest or from the seals; null when nothing is sealed. */
  logId: number | null;
  /** The last file; null before it is loaded, and when it begins with an RDB file. */
  tail: AofTail | null = null;

  /** @throws {AofLoadError} when a file that the manifest names is missing */
  constructor(options: AofLoadOptions) {
    this.#o = options;
    this.#names = options.manifest.files.map((file) => file.name);
    this.logId = options.manifest.logId;
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
    if (this.#verdicts.length < this.#names.length) return this.#judge(budgetBytes), false;
    if (this.#index === this.#names.length) return true;
    const name = this.#names[this.#index], isLast = this.#index === this.#names.length - 1;
    this.#file ??= this.#open(name, isLast);
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

  /** Judges about `budgetBytes` more of the files. @throws {AofLoadError} */
  #judge(budgetBytes: number): void {
    const index = this.#verdicts.length, name = this.#names[index], isLast = index === this.#names.length - 1;
    const judging = this.#judging ??= this.#opened(name, () => this.#beginVerdict(name, index, isLast));
    try {
      if (judging.verdict !== null && !judging.verdict.step(budgetBytes)) return;
      this.#judging = null;
      this.#o.storage.close(judging.file);
    } catch (error) {
      throw this.#readFailed(error, name, 0);
    }
    this.#verdicts.push(judging.verdict);
    if (judging.verdict !== null) this.#accept(judging.verdict, name);
  }

  /** Null for a file that begins with an RDB file: that has a checksum of its own. */
  #beginVerdict(name: string, index: number, isLast: boolean): { verdict: AofVerdict | null; file: FileHandle } {
    const { storage, manifest } = this.#o, file = storage.open(this.#path(name), "read");
    const mayBeTorn = isLast && !(index === 0 && manifest.base !== null), sizeBytes = storage.size(file);
    const verdict = beginsWithRdb(storage, file)
      ? null
      : new AofVerdict({ storage, file, sizeBytes, name, logId: this.logId, mayBeTorn });
    return { verdict, file };
  }

  #accept(verdict: AofVerdict, name: string): void {
    const { damage } = verdict;
    this.logId = verdict.logId;
    if (damage !== null) {
      throw new AofLoadError(
        `Bad file format reading the append only file ${name}: it is damaged at offset ${damage.offsetBytes}: ${damage.reason}. No ` +
          "file was changed: restore it from a backup",
        this.#path(name),
        damage.offsetBytes,
      );
    }
    if (verdict.kind === "torn" && !this.#o.loadTruncated) throw this.#unexpectedEnd(name, verdict.verifiedBytes);
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

  #open(name: string, isLast: boolean): AofFileLoad {
    this.#startedUs = this.#o.nowUs();
    return this.#opened(
      name,
      () => new AofFileLoad(this.#o, this.#path(name), name, isLast, this.#verdicts[this.#index]),
    );
  }

  #opened<T>(name: string, open: () => T): T {
    try {
      return open();
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
    if (this.#index === this.#names.length - 1) this.tail = file.tail;
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
    this.#logCut(name, file.validBytes);
    file.cut();
    return true;
  }

  #logCut(name: string, offsetBytes: number): void {
    this.#o.log("warning", `!!! Truncating the AOF ${name} at offset ${offsetBytes} !!!`);
    this.#o.log("warning", `AOF ${name} loaded anyway because aof-load-truncated is enabled`);
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
        : this.#unexpectedEnd(name, file.validBytes);
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
          "file from a backup; `deno task check` says more, and repairs a copy",
        error.offsetBytes,
      );
    }
    return this.#readFailed(error, name, file.offsetBytes);
  }

  #readFailed(error: unknown, name: string, offsetBytes: number): unknown {
    if (!(error instanceof StorageError)) return error;
    return new AofLoadError(
      `Unrecoverable error reading the append only file ${name}: ${error.message}`,
      this.#path(name),
      offsetBytes,
    );
  }

  #unexpectedEnd(name: string, validBytes: number): AofLoadError {
    return new AofLoadError(
      `Unexpected end of file reading the append only file ${name}. You can: 1) Make a backup of your AOF file, then use ` +
        "./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration " +
        `option to yes and restart the server. (The last whole command ends at offset ${validBytes})`,
      this.#path(name),
      validBytes,
    );
  }
}

/** What an RDB load throws about its file. */
function isDamagedRdb(error: unknown): error is Error & { offsetBytes: number } {
  return error instanceof Error && (error.name === "RdbCorruptError" || error.name === "RdbTruncatedError");
}

function beginsWithRdb(storage: Storage, file: FileHandle): boolean {
  const magic = new Uint8Array(RDB_MAGIC.length);
  return readFully(storage, file, 0, magic) === magic.length && latin1Decode(magic) === RDB_MAGIC;
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
  readonly #isLast: boolean;
  /** Null when it begins with an RDB file. */
  readonly #verdict: AofVerdict | null;
  /** An RDB file with commands behind it, as Redis wrote before version 7. */
  readonly isOldStyle: boolean = false;
  /** End of the last whole command outside a transaction. */
  validBytes = 0;

  constructor(options: AofLoadOptions, path: string, name: string, isLast: boolean, verdict: AofVerdict | null) {
    this.#o = options, this.#path = path, this.#name = name, this.#isLast = isLast, this.#verdict = verdict;
    this.#file = options.storage.open(path, "read");
    const sizeBytes = options.storage.size(this.#file);
    this.#sizeBytes = verdict?.kind === "torn" ? verdict.verifiedBytes : sizeBytes;
    this.#reader = new AofReader(options.storage, this.#file, 0, this.#sizeBytes);
    if (verdict !== null) return;
    this.isOldStyle = !name.endsWith(".rdb");
    options.log(
      "notice",
      this.isOldStyle ? "Reading RDB preamble from AOF file..." : "Reading RDB base file on AOF loading...",
    );
    this.#base = options.loadRdb(this.#file, sizeBytes);
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
    try {
      return this.#commands(this.offsetBytes + budgetBytes);
    } catch (error) {
      throw this.#meaningOf(error);
    }
  }

  #commands(untilBytes: number): boolean {
    while (this.offsetBytes < untilBytes) {
      if (this.offsetBytes === this.#sizeBytes) {
        if (this.#queue !== null || this.#verdict?.kind === "torn") throw new TornError();
        return true;
      }
      this.#next();
    }
    return false;
  }

  /** Where it cannot be read on: a part without seals that ends with one was sealed; a seal of which only an end has come is torn. */
  #meaningOf(error: unknown): unknown {
    const sizeBytes = this.#sizeBytes, restBytes = sizeBytes - this.validBytes;
    if (error instanceof TornError && this.#verdict?.kind !== "torn") {
      const end = this.#read(sizeBytes - SEAL_BYTES), isHole = end.at(-1) === 0;
      return isSealShaped(end, 0) && !isHole ? new FormatError(SEALED, this.validBytes) : error;
    }
    if (!(error instanceof FormatError) || !this.#isLast || restBytes > SEAL_BYTES) return error;
    return this.#read(this.validBytes)[0] === 0 ? new TornError() : error;
  }

  /** As many bytes as a seal has; none when there are fewer. */
  #read(offsetBytes: number): Uint8Array {
    const bytes = new Uint8Array(SEAL_BYTES);
    if (offsetBytes < 0) return EMPTY_BYTES;
    return bytes.subarray(0, readFully(this.#o.storage, this.#file, offsetBytes, bytes));
  }

  /** What is behind the last whole command does not count. */
  cut(): void {
    this.#cutTo = this.validBytes;
  }

  /** Where the log can be gone on with. */
  get tail(): AofTail {
    const verdict = this.#verdict, { storage } = this.#o, validBytes = this.offsetBytes;
    // A cut inside what is sealed would be one of a transaction in two blocks, which nobody writes.
    if (verdict === null || validBytes < verdict.verifiedBytes) {
      return { validBytes, sealedBytes: 0, chain: null, restCrc: null };
    }
    const { verifiedBytes: sealedBytes, chain } = verdict;
    const restCrc = this.#cutTo < 0 ? verdict.restCrc : crcOfRange(storage, this.#file, sealedBytes, validBytes);
    return { validBytes, sealedBytes, chain, restCrc };
  }

  close(): void {
    this.#o.storage.close(this.#file);
  }

  /** One command or annotation. */
  #next(): void {
    const startBytes = this.offsetBytes, kind = this.#reader.next();
    if (kind === "command") return this.#run();
    const isSealed = this.#verdict !== null && startBytes < this.#verdict.verifiedBytes;
    if (!isSealed && isSealShaped(this.#reader.annotation, 0)) throw new FormatError(SEALED, startBytes);
    if (this.#queue === null) this.validBytes = this.offsetBytes;
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
