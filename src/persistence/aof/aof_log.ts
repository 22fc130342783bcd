/**
 * The append-only log while the server runs: buffering, writing, syncing by policy, and the switch of files that a rewrite makes.
 *
 *   off ──turnOn──> waiting ──finishRewrite──> on ──beginRewrite / finishRewrite──> on
 *
 * Orders that must not change (see durability.md; G and I name its gaps and invariants):
 *  - a command is in the buffer before its reply is released; with `always` it is synced before (I2);
 *  - the last increment is synced before a manifest names its successor (G2, I7);
 *  - the cut of a rewrite is the switch of increments: the caller freezes the memory in the same turn (I1);
 *  - a file leaves the disk only after the directory holds, synced, a manifest that does not name it (I7);
 *  - after a failed sync nothing in that file is trusted: until a fresh generation (base and increment) is in force, writes are
 *    refused and replies to earlier ones are held (G7, I9). What is still buffered then is in the new base, and is dropped (G5);
 *  - positions count as synced when the sync is done, not when it is asked for (G6).
 */
import { ascii } from "../../base/bytes.ts";
import { formatInteger } from "../../base/integer.ts";
import type { Clock } from "../../io/clock.ts";
import { type FileHandle, type Storage, StorageError } from "../../io/storage.ts";
import { AofManifest, ManifestUncertainError, persistManifest } from "./aof_manifest.ts";

const BUFFER_BYTES_START = 64 * 1024;
const BUFFER_BYTES_KEPT = 1 << 20;
const SYNC_EVERY_MS = 1000;
/** A sync in flight for longer holds back the replies to writes it does not cover (I3). */
const SYNC_HANGS_MS = 1000;
const WRITE_ERROR_LOG_EVERY_MS = 30_000;
/** Redis holds automatic rewrites back after failures: the first ones are free, then the pause doubles. */
const FREE_FAILURES = 3;
const RETRY_PAUSE_MAX_MINUTES = 60;
const TIMESTAMP = ascii("#TS:");
const CRLF = ascii("\r\n");

/** The part of the configuration that the log follows; read anew each time. */
export interface AofSettings {
  readonly dir: string;
  readonly appenddirname: string;
  readonly appendfilename: string;
  readonly appendfsync: "always" | "everysec" | "no";
  readonly noAppendfsyncOnRewrite: boolean;
  readonly aofTimestampEnabled: boolean;
  readonly aofUseRdbPreamble: boolean;
  readonly aofDisableAutoGc: boolean;
  readonly autoAofRewritePercentage: number;
  readonly autoAofRewriteMinBytes: number;
}

export interface AofLogOptions {
  storage: Storage;
  clock: Clock;
  settings: AofSettings;
  log: (level: "notice" | "warning", text: string) => void;
  /** A save or rewrite runs: no-appendfsync-on-rewrite looks at it. */
  isChildActive: () => boolean;
  /** The log cannot go on under `always`: the server must stop. */
  onFatal: (text: string) => void;
  /** Something that was held may go on: a sync came back. */
  onProgress: () => void;
}

export class AofLog {
  state: "off" | "waiting" | "on" = "off";
  manifest: AofManifest = new AofManifest();
  /** Bytes of base and increments, and of the base at the last rewrite (or load). */
  currentBytes = 0;
  baseBytes = 0;
  /** Positions in the stream of everything ever appended. */
  appendedBytes = 0;
  writtenBytes = 0;
  syncedBytes = 0;
  /** Why the last write or sync failed; null when all is well. */
  writeError: string | null = null;
  /** A sync failed: only a fresh generation mends that. */
  needsFreshGeneration = false;
  lastRewriteOk = true;
  rewriteInProgress = false;
  delayedSyncs = 0;
  rewriteFailures = 0;
  /** DEBUG AOF-FLUSH-SLEEP. */
  flushSleepUs = 0;
  readonly #o: AofLogOptions;
  #file: FileHandle | null = null;
  #fileBytes = 0;
  #buffer = new Uint8Array(BUFFER_BYTES_START);
  #length = 0;
  #db = -1;
  #timestampSeconds = 0;
  #lastSyncMs = 0;
  #syncStartedMs = 0;
  #lastErrorLogMs = 0;
  #nextRewriteMs = 0;
  /** Increments that the running rewrite's base will replace. */
  #replacedIncrements = 0;
  #usesTempIncrement = false;

  constructor(options: AofLogOptions) {
    this.#o = options;
  }

  get directory(): string {
    return `${this.#o.settings.dir}/${this.#o.settings.appenddirname}`;
  }

  get manifestName(): string {
    return `${this.#o.settings.appendfilename}.manifest`;
  }

  get bufferBytes(): number {
    return this.#buffer.length;
  }

  get pendingBytes(): number {
    return this.#length;
  }

  get syncInFlight(): boolean {
    return this.#syncStartedMs > 0;
  }

  /** Nothing is written: there is no file, or it is spoilt and its successor has not been started. */
  get #isDeaf(): boolean {
    return this.#file === null || (this.needsFreshGeneration && !this.#usesTempIncrement);
  }

  // ---- appending -----------------------------------------------------------------------------------------------

  /** Adds one encoded command for database `db`. */
  append(db: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#isDeaf) return;
    if (this.#o.settings.aofTimestampEnabled) this.#annotate();
    if (db !== this.#db) this.#select(db);
    this.#add(bytes, start, end);
  }

  #annotate(): void {
    const seconds = Math.floor(this.#o.clock.nowMs() / 1000);
    if (seconds <= this.#timestampSeconds) return;
    this.#timestampSeconds = seconds;
    this.#add(TIMESTAMP, 0, TIMESTAMP.length);
    this.#ensure(24);
    const end = formatInteger(seconds, this.#buffer, this.#length);
    this.appendedBytes += end - this.#length;
    this.#length = end;
    this.#add(CRLF, 0, 2);
  }

  #select(db: number): void {
    this.#db = db;
    const number = String(db), command = ascii(`*2\r\n$6\r\nSELECT\r\n$${number.length}\r\n${number}\r\n`);
    this.#add(command, 0, command.length);
  }

  #add(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#ensure(length);
    const buffer = this.#buffer, at = this.#length;
    if (length > 64) buffer.set(bytes.subarray(start, end), at);
    else for (let i = 0; i < length; i++) buffer[at + i] = bytes[start + i];
    this.#length = at + length;
    this.appendedBytes += length;
  }

  #ensure(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.#length + bytes, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }

  // ---- flushing ------------------------------------------------------------------------------------------------

  /** beforeSleep: writes what is buffered, and syncs as the policy says. */
  flush(): void {
    if (this.#isDeaf) return;
    if (this.#length > 0) this.#write();
    if (this.writtenBytes > this.syncedBytes) this.#syncByPolicy();
  }

  /** Replies to writes up to this position of the stream may be sent. */
  get releasedBytes(): number {
    if (this.needsFreshGeneration) return this.syncedBytes;
    if (this.#file === null) return Infinity;
    if (this.writeError !== null) return this.writtenBytes;
    if (this.#o.settings.appendfsync !== "no" && this.#syncHangs()) return this.syncedBytes;
    return Infinity;
  }

  #syncHangs(): boolean {
    return this.#syncStartedMs > 0 && this.#o.clock.nowMs() - this.#syncStartedMs > SYNC_HANGS_MS;
  }

  #write(): void {
    const { storage, log, settings, onFatal } = this.#o, file = this.#file!, length = this.#length;
    let written = 0;
    try {
      if (this.flushSleepUs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, this.flushSleepUs / 1000);
      while (written < length) written += storage.write(file, this.#buffer, written, length);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#writeFailed(error, written);
      if (settings.appendfsync === "always") {
        onFatal("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...");
      }
      return;
    }
    this.#consumed(length);
    if (this.writeError === null) return;
    log("warning", "AOF write error looks solved, Redis can write again.");
    this.writeError = null;
  }

  /** A part may have been written: it is cut off, so that a retry starts at a command; when that fails too, it counts as written. */
  #writeFailed(error: StorageError, written: number): void {
    const { storage, clock, log } = this.#o;
    this.writeError = error.message;
    if (clock.nowMs() - this.#lastErrorLogMs > WRITE_ERROR_LOG_EVERY_MS) {
      this.#lastErrorLogMs = clock.nowMs();
      log("warning", `Error writing to the AOF file: ${error.message}`);
    }
    try {
      // The failed call may have written bytes it did not report, too.
      storage.truncate(this.#file!, this.#fileBytes);
    } catch (again) {
      if (!(again instanceof StorageError)) throw again;
      log("warning", `Could not remove short write from the append-only file: ${again.message}`);
      this.#consumed(written);
    }
  }

  #consumed(length: number): void {
    this.#fileBytes += length, this.currentBytes += length, this.writtenBytes += length;
    if (length < this.#length) this.#buffer.copyWithin(0, length, this.#length);
    this.#length -= length;
    if (this.#length === 0 && this.#buffer.length > BUFFER_BYTES_KEPT) {
      this.#buffer = new Uint8Array(BUFFER_BYTES_START);
    }
  }

  #syncByPolicy(): void {
    const { settings, clock, isChildActive } = this.#o;
    if (settings.appendfsync === "always") return this.#syncNow();
    if (settings.appendfsync !== "everysec") return;
    if (settings.noAppendfsyncOnRewrite && isChildActive()) return;
    const nowMs = clock.nowMs();
    if (this.#syncStartedMs > 0) {
      if (this.#syncHangs()) this.#countDelay(nowMs);
      return;
    }
    if (nowMs - this.#lastSyncMs >= SYNC_EVERY_MS) this.#syncInBackground();
  }

  #countDelay(nowMs: number): void {
    if (nowMs - this.#lastSyncMs < SYNC_EVERY_MS) return;
    this.#lastSyncMs = nowMs;
    this.delayedSyncs++;
    this.#o.log(
      "notice",
      "Asynchronous AOF fsync is taking too long (disk is busy?). Replies to writes are held back until it completes.",
    );
  }

  #syncNow(): void {
    const { storage, clock, onFatal } = this.#o;
    try {
      storage.sync(this.#file!);
      this.syncedBytes = this.writtenBytes;
      this.#lastSyncMs = clock.nowMs();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      onFatal(`Can't persist AOF for fsync error when the AOF fsync policy is 'always': ${error.message}. Exiting...`);
    }
  }

  /** Syncs beside the loop; `then` is called when the file holds all that was written when it started. */
  #syncInBackground(then: () => void = () => {}): void {
    const { storage, clock, onProgress } = this.#o;
    const file = this.#file!, position = this.writtenBytes;
    this.#lastSyncMs = this.#syncStartedMs = clock.nowMs();
    storage.syncInBackground(file).then(() => {
      this.#syncStartedMs = 0;
      if (!this.needsFreshGeneration) this.syncedBytes = Math.max(this.syncedBytes, position);
      then();
      onProgress();
    }, (error) => {
      this.#syncStartedMs = 0;
      this.#syncFailed(error);
      onProgress();
    });
  }

  #syncFailed(error: unknown): void {
    if (this.state === "off") return;
    this.needsFreshGeneration = true;
    this.writeError = error instanceof Error ? error.message : String(error);
    this.#o.log(
      "warning",
      `AOF fsync failed, nothing unsynced is trusted any more, a new generation will be written: ${this.writeError}`,
    );
  }

  /** Called by the cron: tails that no later turn would flush, and retries after an error. */
  cron(): void {
    if (this.#file === null) return;
    if (this.#length > 0 || this.writtenBytes > this.syncedBytes) this.flush();
  }

  /** Writes and syncs everything, for SHUTDOWN. True when the log holds all. */
  finish(): boolean {
    if (this.state === "off") return true;
    if (this.#file === null || this.needsFreshGeneration) return false;
    if (this.#length > 0) this.#write();
    if (this.#length > 0) return false;
    try {
      this.#o.storage.sync(this.#file);
      this.syncedBytes = this.writtenBytes;
      return true;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#syncFailed(error);
      return false;
    }
  }

  // ---- opening and closing -------------------------------------------------------------------------------------

  /** The directory, created (and its name synced) when it is missing. @throws {StorageError} */
  ensureDirectory(): void {
    const { storage, settings } = this.#o;
    if (storage.exists(this.directory)) return;
    storage.makeDirectory(this.directory);
    storage.syncDirectory(settings.dir);
  }

  /** Opens the last increment of a manifest that was loaded, or adds one. @throws {StorageError} */
  openAfterLoad(sizes: { currentBytes: number; baseBytes: number }): void {
    const { storage, log } = this.#o;
    this.ensureDirectory();
    const existing = this.manifest.increments[this.manifest.increments.length - 1];
    const increment = existing ?? this.#nextIncrement();
    const path = `${this.directory}/${increment.name}`;
    this.#file = storage.open(path, "append");
    this.#fileBytes = storage.size(this.#file);
    if (existing === undefined) {
      storage.syncDirectory(this.directory);
      this.manifest.increments.push(increment);
      persistManifest(storage, this.directory, this.manifestName, this.manifest);
      log("notice", `Creating AOF incr file ${increment.name} on server start`);
    } else log("notice", `Opening AOF incr file ${increment.name} on server start`);
    this.currentBytes = sizes.currentBytes, this.baseBytes = sizes.baseBytes;
    this.state = "on";
    this.#lastSyncMs = this.#o.clock.nowMs();
  }

  /** Puts a base that was just written under its final name into the manifest: the first one of a new log. @throws {StorageError} */
  adoptBase(tempPath: string, sizeBytes: number): void {
    const { storage, log } = this.#o;
    this.ensureDirectory();
    const base = this.#nextBase();
    storage.rename(tempPath, `${this.directory}/${base.name}`);
    storage.syncDirectory(this.directory);
    this.manifest.base = base;
    log("notice", `Creating AOF base file ${base.name} on server start`);
    this.openAfterLoad({ currentBytes: sizeBytes, baseBytes: sizeBytes });
  }

  /** appendonly was turned on: nothing is logged until the first rewrite has a base. */
  turnOn(): void {
    this.state = "waiting";
  }

  /** appendonly was turned off: what is logged so far is made durable, then the file is closed. */
  turnOff(): void {
    if (this.state === "on") this.finish();
    if (this.#file !== null) void this.#o.storage.closeInBackground(this.#file);
    if (this.#usesTempIncrement) this.#removeTempIncrement();
    this.#file = null, this.#length = 0, this.#db = -1;
    this.state = "off", this.writeError = null, this.needsFreshGeneration = false, this.rewriteInProgress = false;
    this.writtenBytes = this.syncedBytes = this.appendedBytes;
  }

  // ---- rewriting -----------------------------------------------------------------------------------------------

  /** Whether the log has grown so much that it should be rewritten; the growth in percent, or -1. */
  growthToRewrite(): number {
    const { settings, clock } = this.#o;
    if (
      this.state !== "on" || settings.autoAofRewritePercentage === 0 ||
      this.currentBytes <= settings.autoAofRewriteMinBytes
    ) return -1;
    if (clock.nowMs() < this.#nextRewriteMs) return -1;
    const growth = Math.floor((this.currentBytes * 100) / (this.baseBytes || 1)) - 100;
    return growth >= settings.autoAofRewritePercentage ? growth : -1;
  }

  /** Whether a rewrite is due because the log waits for one, or a failed sync spoilt the files. */
  get isRewriteDue(): boolean {
    return (this.state === "waiting" || this.needsFreshGeneration) && !this.rewriteInProgress &&
      this.#o.clock.nowMs() >= this.#nextRewriteMs;
  }

  get tempBasePath(): string {
    return `${this.directory}/temp-rewriteaof-bg.aof`;
  }

  /**
   * Prepares a rewrite and calls `freeze` at the moment of the cut: the caller freezes the memory there, in the same turn, and writes the
   * base to `tempBasePath`. May come after a sync; `failed` is told when it does not come at all.
   */
  beginRewrite(freeze: () => void, failed: (reason: string) => void): void {
    if (this.state === "off") {
      // BGREWRITEAOF without a log writes a base and leaves it: Redis does the same.
      if (this.#ensureDirectoryOr(failed)) freeze();
      return;
    }
    this.rewriteInProgress = true;
    const fresh = this.state === "waiting" || this.needsFreshGeneration;
    const cut = () => {
      try {
        if (fresh) this.#switchToTempIncrement();
        else this.#switchToNextIncrement();
      } catch (error) {
        if (!(error instanceof StorageError) && !(error instanceof ManifestUncertainError)) throw error;
        this.failRewrite();
        return failed(error.message);
      }
      freeze();
    };
    if (fresh || this.writtenBytes === this.syncedBytes) return cut();
    this.flush();
    if (this.writeError !== null) return this.failRewrite(), failed(this.writeError);
    this.#syncInBackground(() => this.rewriteInProgress && !this.needsFreshGeneration && cut());
  }

  #ensureDirectoryOr(failed: (reason: string) => void): boolean {
    try {
      this.ensureDirectory();
      return true;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      failed(error.message);
      return false;
    }
  }

  /** The base is written and synced at `tempBasePath`: puts it in force. @throws {StorageError, ManifestUncertainError} */
  finishRewrite(baseSizeBytes: number): void {
    const { storage, log } = this.#o;
    const next = this.manifest.copy();
    const base = this.#nextBase(next);
    storage.rename(this.tempBasePath, `${this.directory}/${base.name}`);
    if (next.base !== null) next.history.push(next.base);
    next.base = base;
    if (this.state === "off") {
      // No log is kept: the base alone is what can be loaded later.
      next.history.push(...next.increments);
      next.increments = [];
    } else if (this.#usesTempIncrement) this.#adoptTempIncrement(next);
    else next.history.push(...next.increments.splice(0, this.#replacedIncrements));
    storage.syncDirectory(this.directory);
    this.#putInForce(next);
    if (this.state === "waiting") this.state = "on";
    this.baseBytes = baseSizeBytes, this.currentBytes = baseSizeBytes + this.#fileBytes;
    this.rewriteInProgress = false, this.lastRewriteOk = true;
    this.rewriteFailures = this.#nextRewriteMs = 0;
    log("notice", "Background AOF rewrite finished successfully");
    this.removeHistory();
  }

  /** The rewrite came to nothing: the increments so far stay. Automatic ones pause for longer and longer. */
  failRewrite(): void {
    const { clock, log } = this.#o;
    this.rewriteInProgress = false, this.lastRewriteOk = false;
    this.rewriteFailures++;
    if (this.#usesTempIncrement) this.#dropTempIncrement();
    const pauseMinutes = this.rewriteFailures < FREE_FAILURES
      ? 0
      : Math.min(RETRY_PAUSE_MAX_MINUTES, 2 ** (this.rewriteFailures - FREE_FAILURES));
    this.#nextRewriteMs = clock.nowMs() + (pauseMinutes === 0 ? 1000 : pauseMinutes * 60_000);
    if (pauseMinutes > 0) {
      log(
        "warning",
        `Background AOF rewrite has repeatedly failed and triggered the limit, will retry in ${pauseMinutes} minutes`,
      );
    }
  }

  /** Removes files that no manifest in force names any more. */
  removeHistory(): void {
    const { storage, settings, log } = this.#o;
    if (settings.aofDisableAutoGc || this.manifest.history.length === 0) return;
    const removed = this.manifest.history;
    for (const file of removed) {
      log("notice", `Removing the history file ${file.name} in the background`);
      storage.removeInBackground(`${this.directory}/${file.name}`).catch(() => {});
    }
    const next = this.manifest.copy();
    next.history = [];
    try {
      this.#putInForce(next);
    } catch (error) {
      if (!(error instanceof StorageError) && !(error instanceof ManifestUncertainError)) throw error;
      log("warning", `Cannot update the AOF manifest after removing history: ${error.message}`);
    }
  }

  #putInForce(next: AofManifest): void {
    persistManifest(this.#o.storage, this.directory, this.manifestName, next);
    this.manifest = next;
  }

  #nextBase(manifest = this.manifest): { name: string; sequence: number } {
    const sequence = ++manifest.baseSequence;
    const suffix = this.#o.settings.aofUseRdbPreamble ? "rdb" : "aof";
    return { name: `${this.#o.settings.appendfilename}.${sequence}.base.${suffix}`, sequence };
  }

  #nextIncrement(manifest = this.manifest): { name: string; sequence: number } {
    const sequence = ++manifest.incrementSequence;
    return { name: `${this.#o.settings.appendfilename}.${sequence}.incr.aof`, sequence };
  }

  #switchToNextIncrement(): void {
    const { storage } = this.#o;
    // What came in while the sync ran: little, and the old increment must be whole before its successor is named.
    if (this.#length > 0) this.#write();
    if (this.writeError !== null) throw new ManifestUncertainError(this.writeError);
    if (this.writtenBytes > this.syncedBytes) {
      storage.sync(this.#file!);
      this.syncedBytes = this.writtenBytes;
    }
    const next = this.manifest.copy(), increment = this.#nextIncrement(next);
    const file = storage.open(`${this.directory}/${increment.name}`, "create");
    try {
      storage.syncDirectory(this.directory);
      next.increments.push(increment);
      this.#putInForce(next);
    } catch (error) {
      storage.close(file);
      throw error;
    }
    void storage.closeInBackground(this.#file!);
    this.#replacedIncrements = next.increments.length - 1;
    this.#openedIncrement(file);
  }

  /** A fresh generation: nothing that is on disk is part of it, and nothing that is buffered either: the new base has its effects. */
  #switchToTempIncrement(): void {
    const { storage } = this.#o;
    this.ensureDirectory();
    const file = storage.open(this.#tempIncrementPath, "create");
    if (this.#file !== null) void storage.closeInBackground(this.#file).catch(() => {});
    this.#usesTempIncrement = true;
    this.#heldBytes = this.appendedBytes;
    this.#length = 0;
    this.#openedIncrement(file);
  }

  /** Position of the stream at the cut of a fresh generation: once it is in force, all up to here is durable. */
  #heldBytes = 0;

  #openedIncrement(file: FileHandle): void {
    this.#file = file, this.#fileBytes = 0, this.#db = -1, this.#timestampSeconds = 0;
  }

  get #tempIncrementPath(): string {
    return `${this.directory}/temp-${this.#o.settings.appendfilename}.incr`;
  }

  #adoptTempIncrement(next: AofManifest): void {
    const { storage } = this.#o;
    if (this.#length > 0) this.#write();
    storage.sync(this.#file!);
    next.history.push(...next.increments);
    const increment = this.#nextIncrement(next);
    next.increments = [increment];
    storage.rename(this.#tempIncrementPath, `${this.directory}/${increment.name}`);
    this.#usesTempIncrement = false;
    this.needsFreshGeneration = false, this.writeError = null;
    this.writtenBytes = this.syncedBytes = Math.max(this.#heldBytes, this.appendedBytes - this.#length);
  }

  #dropTempIncrement(): void {
    if (this.#file !== null) void this.#o.storage.closeInBackground(this.#file).catch(() => {});
    // Only a log that waits may forget its file; a spoilt one stays spoilt until a rewrite succeeds.
    this.#file = null, this.#length = 0;
    this.#removeTempIncrement();
    if (this.needsFreshGeneration) this.state = "waiting";
  }

  #removeTempIncrement(): void {
    const name = `temp-${this.#o.settings.appendfilename}.incr`;
    this.#usesTempIncrement = false;
    this.#o.log("notice", `Removing the temp incr aof file ${name} in the background`);
    this.#o.storage.removeInBackground(`${this.directory}/${name}`).catch(() => {});
  }
}
