/**
 * The append-only log while the server runs: buffering, writing, syncing by policy, and the switch of files that a rewrite makes.
 *
 *   off ──turnOn──> waiting ──finishRewrite──> on ──beginRewrite / finishRewrite──> on
 *
 * Orders that must not change (see durability.md; G and I name its gaps and invariants):
 *  - a command is in the buffer before its reply is released; with `always` it is synced before (I2);
 *  - the last increment is synced before a manifest names its successor (G2, I7);
 *  - the cut of a rewrite is the switch of increments: the caller freezes the memory in the same turn (I1);
 *  - a file leaves the disk only after the directory holds, synced, a manifest that does not name it as base or increment (I7);
 *  - after a failed sync nothing in that file is trusted: until a fresh generation (base and increment) is in force, writes are
 *    refused and replies to earlier ones are held (G7, I9). What is still buffered then is in the new base, and is dropped (G5);
 *  - nothing is reported well, and no counter moves, before the manifest that makes it so is in force;
 *  - where it is open which of two manifests is in force, the files of both stay, their numbers are not given out again, and nothing
 *    is added to a file that is the last one only in one of them (G4);
 *  - positions count as synced when the sync is done, not when it is asked for (G6);
 *  - a start makes durable what it found before it goes on from it: the page cache may hold what the disk does not (I9);
 *  - nothing is edited in place: a torn end stays until a copy without it takes the file's name (I8);
 *  - what one write adds to a file is a block and ends with its seal (`aof_seal.ts`). A block whose write failed is written again as it
 *    was, so that any mixture of both on disk is the one block (I12);
 *  - what Redis wrote is sealed as one block, and that is synced, before anything follows it.
 * Intervals are measured on the clock that never goes back: setting the time must not stop the syncing.
 */
import { ascii, EMPTY_BYTES, rangesEqual } from "../../base/bytes.ts";
import { formatInteger } from "../../base/integer.ts";
import { blockThread, type Clock } from "../../io/clock.ts";
import type { Randomness } from "../../io/randomness.ts";
import {
  type FileHandle,
  removeAtOnce,
  type Storage,
  StorageError,
  storageError,
  writeFully,
} from "../../io/storage.ts";
import {
  type AofFile,
  AofManifest,
  ManifestCorruptError,
  ManifestUncertainError,
  persistManifest,
  readManifest,
} from "./aof_manifest.ts";
import { BLOCK_BYTES_MAX, fileIdOf, SEAL_BYTES, SealChain, SELECT_OURS, SELECT_REDIS } from "./aof_seal.ts";

const BUFFER_BYTES_START = 64 * 1024;
const BUFFER_BYTES_KEPT = 1 << 20;
const SYNC_EVERY_US = 1_000_000;
/** While a sync hangs, replies are held back as soon as a write that no sync covered is older (I3, G9). */
const UNSYNCED_US_MAX = 2_000_000;
const NEVER = -1;
const WRITE_ERROR_LOG_EVERY_MS = 30_000;
/** Redis holds automatic rewrites back after failures: the first ones are free, then the pause doubles. */
const FREE_FAILURES = 3;
const RETRY_PAUSE_MAX_MINUTES = 60;
const TIMESTAMP = ascii("#TS:");
const CRLF = ascii("\r\n");
const MULTI = ascii("*1\r\n$5\r\nMULTI\r\n");
const EXEC = ascii("*1\r\n$4\r\nEXEC\r\n");
const COPY_BYTES = 256 * 1024;
/** What follows the configured name in the name of a base or an increment. */
const NUMBERED = /^[0-9]+\.(base\.(rdb|aof)|incr\.aof)$/;
/** Where the word stands in the command that selects a database. */
const SELECT_AT = 8;

/** `detached`: without a log, only a base. `next`: an increment follows the others. `fresh`: nothing so far stays. */
type Rewrite = "none" | "detached" | "next" | "fresh";

/** The part of the configuration that the log follows; read anew each time. */
export interface AofSettings {
  readonly dir: string;
  readonly appenddirname: string;
  readonly appendfilename: string;
  readonly appendfsync: "always" | "everysec" | "no";
  readonly noAppendfsyncOnRewrite: boolean;
  readonly aofTimestampEnabled: boolean;
  /** Whether the next file that is begun gets seals. */
  readonly aofChecksum: boolean;
  readonly aofUseRdbPreamble: boolean;
  readonly aofDisableAutoGc: boolean;
  readonly autoAofRewritePercentage: number;
  readonly autoAofRewriteMinBytes: number;
}

/** The last file of a log that was loaded: where what is added goes on from. */
export interface AofTail {
  /** What was loaded of it; what is behind is torn, and goes. */
  readonly validBytes: number;
  /** Up to here it is sealed, by these blocks; null when none is there. */
  readonly sealedBytes: number;
  readonly chain: SealChain | null;
  /** Checksum of what is valid behind that; null when that cannot be sealed. */
  readonly restCrc: number | null;
}

/** What was loaded. */
export interface LoadedAof {
  readonly currentBytes: number;
  readonly baseBytes: number;
  /** The log's number, from the seals; null when nothing is sealed. */
  readonly logId?: number | null;
  readonly tail?: AofTail | null;
}

export interface AofLogOptions {
  storage: Storage;
  clock: Clock;
  randomness: Randomness;
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
  delayedSyncs = 0;
  rewriteFailures = 0;
  /** The id for the seals of the base that is about to be written; null when it gets none. */
  baseFileId: number | null = null;
  /** DEBUG AOF-FLUSH-SLEEP. */
  flushSleepUs = 0;
  readonly #o: AofLogOptions;
  #file: FileHandle | null = null;
  #fileBytes = 0;
  #buffer: Uint8Array = EMPTY_BYTES;
  #length = 0;
  /** The buffer's first bytes that are a block, with its seal: it was tried to write them. */
  #blockBytes = 0;
  /** The blocks of the open increment; null when it is not sealed. */
  #chain: SealChain | null = null;
  /** What of the open increment no seal covers, as Redis wrote it, and its checksum. */
  #unsealedBytes = 0;
  #unsealedCrc = 0;
  #db = -1;
  #timestampSeconds = 0;
  #inTransaction = false;
  /** The mark of a log that was not closed is there. */
  #isMarked = false;
  /** A failed write left a part behind that could not be cut off yet. */
  #hasTornTail = false;
  #lastSyncUs = 0;
  #syncStartedUs = NEVER;
  #lastDelayUs = 0;
  /** When the oldest byte was written that no finished sync covers; and that the one in flight does not cover either. */
  #oldestUnsyncedUs = NEVER;
  #oldestUncoveredUs = NEVER;
  #lastErrorLogMs = 0;
  #nextRewriteMs = 0;
  #rewrite: Rewrite = "none";
  /** A rewrite that waits for a sync up to `position` before it cuts. */
  #awaited: { position: number; cut: () => void; failed: (reason: string) => void } | null = null;
  /** Increments that the running rewrite's base will replace. */
  #replacedIncrements = 0;
  /** The path of the open increment while no manifest names it: of a fresh generation that is not in force. */
  #unnamedPath: string | null = null;
  /** The base and the increment that a rewrite makes: their seals hold their names. */
  #plannedBase: AofFile | null = null;
  #plannedIncrement: AofFile | null = null;
  /** Counts the files opened; failures of those before `#liveFile` do not matter any more. */
  #fileNumber = 0;
  #liveFile = 0;
  #spoiltFile = NEVER;
  #knowsManifest = false;

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

  /** The part of it that is more than the log always has. */
  get surplusBytes(): number {
    return Math.max(0, this.#buffer.length - BUFFER_BYTES_START);
  }

  get pendingBytes(): number {
    return this.#length;
  }

  get syncInFlight(): boolean {
    return this.#syncStartedUs !== NEVER;
  }

  get rewriteInProgress(): boolean {
    return this.#rewrite !== "none";
  }

  /** Nothing is written: there is no file, or it is spoilt and its successor has not been started. */
  get #isDeaf(): boolean {
    return this.#file === null || (this.needsFreshGeneration && this.#unnamedPath === null);
  }

  // ---- appending -----------------------------------------------------------------------------------------------

  /** Adds one encoded command for database `db`. */
  append(db: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#isDeaf) return;
    if (this.#o.settings.aofTimestampEnabled) this.#annotateBefore(bytes, start, end);
    if (db !== this.#db) this.#select(db);
    this.#add(bytes, start, end);
  }

  /** Annotations stand between units: cutting the log at a time must not cut a transaction. */
  #annotateBefore(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#inTransaction) this.#annotate();
    if (isCommand(bytes, start, end, MULTI)) this.#inTransaction = true;
    else if (isCommand(bytes, start, end, EXEC)) this.#inTransaction = false;
  }

  #annotate(): void {
    // At the start of a block, so that a log that is cut at a time ends with a seal.
    if (this.#chain !== null && this.#length > this.#blockBytes) return;
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
    const number = String(db), command = ascii(`*2\r\n$6\r\n------\r\n$${number.length}\r\n${number}\r\n`);
    command.set(this.#chain === null ? SELECT_REDIS : SELECT_OURS, SELECT_AT);
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
    const larger = new Uint8Array(Math.max(this.#length + bytes, this.#buffer.length * 2, BUFFER_BYTES_START));
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
    if (this.#o.settings.appendfsync !== "no" && this.#syncHangs()) return this.syncedBytes;
    return this.writeError === null ? Infinity : this.writtenBytes;
  }

  /**
   * Writes up to this position of the stream are on disk, in files that a start finds: counted when a sync is done (G6, I10). None are
   * (-1) before the first generation is in force, and after a failed sync until a fresh one is (I9).
   */
  get durableBytes(): number {
    return this.state === "on" && !this.needsFreshGeneration ? this.syncedBytes : -1;
  }

  #syncHangs(): boolean {
    if (this.#syncStartedUs === NEVER) return false;
    const oldestUs = this.#oldestUnsyncedUs === NEVER ? this.#oldestUncoveredUs : this.#oldestUnsyncedUs;
    return oldestUs !== NEVER && this.#o.clock.nowUs() - oldestUs > UNSYNCED_US_MAX;
  }

  /** Writes the whole buffer. Null, or why not: it is kept then, and the file ends where it ended before. */
  #write(): StorageError | null {
    const { settings, onFatal } = this.#o;
    try {
      if (this.flushSleepUs > 0) blockThread(this.flushSleepUs / 1000);
      if (this.#hasTornTail) this.#cutTornTail();
      if (!this.#isMarked) this.#mark();
      if (this.#unsealedBytes > 0) this.#sealLoaded();
      while (this.#length > 0) this.#writeBlock();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#writeFailed(error);
      if (settings.appendfsync === "always") {
        onFatal("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...");
      }
      return error;
    }
    // After a failed sync a write that works proves nothing.
    if (this.writeError === null || this.needsFreshGeneration) return null;
    this.#o.log("warning", "AOF write error looks solved, Redis can write again.");
    this.writeError = null;
    return null;
  }

  /** Writes the block that could not be written before, or makes one of all that is buffered. */
  #writeBlock(): void {
    if (this.#blockBytes === 0) this.#closeBlock();
    writeFully(this.#o.storage, this.#file!, this.#buffer, 0, this.#blockBytes);
    this.#consumed(this.#blockBytes);
  }

  #closeBlock(): void {
    if (this.#chain !== null) {
      const length = this.#length;
      this.#ensure(SEAL_BYTES);
      this.#chain.seal(this.#buffer, 0, length, this.#syncedFileBytes, this.#buffer, length);
      this.#length += SEAL_BYTES, this.appendedBytes += SEAL_BYTES;
    }
    this.#blockBytes = this.#length;
  }

  /** How far the open file is known to be durable. */
  get #syncedFileBytes(): number {
    return Math.max(0, this.#fileBytes - (this.writtenBytes - this.syncedBytes));
  }

  /** What Redis wrote becomes a block: its seal is written and synced first, so that it cannot be lost while what follows is not. */
  #sealLoaded(): void {
    if (this.#blockBytes === 0) {
      this.#ensure(SEAL_BYTES);
      this.#buffer.copyWithin(SEAL_BYTES, 0, this.#length);
      this.#chain!.sealCounted(this.#unsealedCrc, this.#unsealedBytes, this.#fileBytes, this.#buffer, 0);
      this.#length += SEAL_BYTES, this.appendedBytes += SEAL_BYTES;
      this.#blockBytes = SEAL_BYTES;
    }
    this.#writeBlock();
    this.#unsealedBytes = 0;
    this.#sync();
  }

  /** A part may have been written, more than was reported too: it is cut off, now or before the next try, so that that starts at a command. */
  #writeFailed(error: StorageError): void {
    const { clock, log } = this.#o;
    this.writeError ??= error.message;
    if (clock.nowMs() - this.#lastErrorLogMs > WRITE_ERROR_LOG_EVERY_MS) {
      this.#lastErrorLogMs = clock.nowMs();
      log("warning", `Error writing to the AOF file: ${error.message}`);
    }
    this.#hasTornTail = true;
    try {
      this.#cutTornTail();
    } catch (again) {
      if (!(again instanceof StorageError)) throw again;
      log("warning", `Could not remove short write from the append-only file: ${again.message}`);
    }
  }

  #cutTornTail(): void {
    this.#o.storage.truncate(this.#file!, this.#fileBytes);
    this.#hasTornTail = false;
  }

  #consumed(length: number): void {
    const nowUs = this.#o.clock.nowUs();
    if (this.#syncStartedUs === NEVER) {
      if (this.#oldestUnsyncedUs === NEVER) this.#oldestUnsyncedUs = nowUs;
    } else if (this.#oldestUncoveredUs === NEVER) this.#oldestUncoveredUs = nowUs;
    this.#fileBytes += length, this.currentBytes += length, this.writtenBytes += length;
    if (length < this.#length) this.#buffer.copyWithin(0, length, this.#length);
    this.#length -= length, this.#blockBytes = 0;
    if (this.#length === 0 && this.#buffer.length > BUFFER_BYTES_KEPT) {
      this.#buffer = new Uint8Array(BUFFER_BYTES_START);
    }
  }

  #syncByPolicy(): void {
    const { settings, clock, isChildActive } = this.#o;
    if (settings.appendfsync === "always") return this.#syncOrStop();
    if (settings.appendfsync !== "everysec") return;
    if (settings.noAppendfsyncOnRewrite && isChildActive()) return;
    const nowUs = clock.nowUs();
    if (this.#syncStartedUs !== NEVER) {
      if (this.#syncHangs()) this.#countDelay(nowUs);
    } else if (nowUs - this.#lastSyncUs >= SYNC_EVERY_US) this.#syncInBackground();
  }

  #countDelay(nowUs: number): void {
    if (nowUs - this.#lastDelayUs < SYNC_EVERY_US) return;
    this.#lastDelayUs = nowUs;
    this.delayedSyncs++;
    this.#o.log(
      "notice",
      "Asynchronous AOF fsync is taking too long (disk is busy?). Replies to writes are held back until it completes.",
    );
  }

  /** Syncs what is written, while everybody waits. @throws {StorageError} */
  #sync(): void {
    try {
      this.#o.storage.sync(this.#file!);
    } catch (error) {
      if (error instanceof StorageError) this.#syncFailed(error, this.#fileNumber);
      throw error;
    }
    this.#lastSyncUs = this.#o.clock.nowUs();
    if (this.needsFreshGeneration) return;
    this.syncedBytes = this.writtenBytes;
    this.#oldestUnsyncedUs = this.#oldestUncoveredUs = NEVER;
  }

  #syncOrStop(): void {
    const failure = this.#syncFailure();
    if (failure === null) return;
    this.#o.onFatal(
      `Can't persist AOF for fsync error when the AOF fsync policy is 'always': ${failure.message}. Exiting...`,
    );
  }

  #syncFailure(): StorageError | null {
    try {
      this.#sync();
      return null;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return error;
    }
  }

  /** Syncs beside the loop what is written so far; at most one at a time. */
  #syncInBackground(): void {
    const { storage, clock } = this.#o, fileNumber = this.#fileNumber, position = this.writtenBytes;
    this.#lastSyncUs = this.#syncStartedUs = clock.nowUs();
    this.#oldestUncoveredUs = NEVER;
    storage.syncInBackground(this.#file!).then(
      () => this.#syncEnded(position),
      (error) => this.#syncEnded(position, asStorageError(error), fileNumber),
    );
  }

  #syncEnded(position: number, error: StorageError | null = null, fileNumber = 0): void {
    this.#syncStartedUs = NEVER;
    if (error !== null) this.#syncFailed(error, fileNumber);
    else if (!this.needsFreshGeneration) {
      this.syncedBytes = Math.max(this.syncedBytes, position);
      this.#oldestUnsyncedUs = this.#oldestUncoveredUs, this.#oldestUncoveredUs = NEVER;
    }
    this.#goOnWithRewrite();
    this.#o.onProgress();
  }

  #syncFailed(error: StorageError, fileNumber: number): void {
    if (fileNumber < this.#liveFile) return;
    this.#spoiltFile = fileNumber;
    this.#spoil(`AOF fsync failed: ${error.message}`, error.message);
  }

  /** What is on disk cannot be added to any more: refuses writes until a fresh generation is in force. */
  #spoil(what: string, reason: string): void {
    this.needsFreshGeneration = true;
    this.writeError = reason;
    this.#o.log("warning", `${what} Nothing that is not synced is trusted any more: a new generation will be written.`);
  }

  /** Called by the cron: tails that no later turn would flush, and retries after an error. */
  cron(): void {
    if (this.#file === null) return;
    if (this.#length > 0 || this.writtenBytes > this.syncedBytes) this.flush();
  }

  /** Writes and syncs everything, for SHUTDOWN. True when the log holds all. */
  finish(): boolean {
    if (this.state === "off") return true;
    // What no manifest names will not be found.
    if (this.#file === null || this.#unnamedPath !== null || this.needsFreshGeneration) return false;
    if (this.#length > 0 && this.#write() !== null) return false;
    if (this.#syncFailure() !== null) return false;
    this.#unmark();
    return true;
  }

  // ---- opening and closing -------------------------------------------------------------------------------------

  /** The directory, created when it is missing; its name is made durable in any case (G12). @throws {StorageError} */
  ensureDirectory(): void {
    const { storage, settings } = this.#o;
    if (!storage.exists(this.directory)) storage.makeDirectory(this.directory);
    storage.syncDirectory(settings.dir);
  }

  /** Opens the last increment of a manifest that was loaded, or adds one. @throws {StorageError, ManifestUncertainError} */
  openAfterLoad(loaded: LoadedAof): void {
    const { storage, log, settings } = this.#o, tail = loaded.tail ?? null;
    this.#knowsManifest = true;
    this.ensureDirectory();
    this.manifest.logId ??= loaded.logId ?? null;
    if (settings.aofChecksum) this.#learnLogId();
    this.#makeDurable(tail);
    const existing = this.manifest.increments[this.manifest.increments.length - 1];
    const increment = existing ?? this.#nextIncrement(this.manifest);
    const path = this.#path(increment.name);
    // Left by a start whose sync of the directory failed: that name may never become durable, a new one does.
    if (existing === undefined && storage.exists(path)) storage.remove(path);
    const file = storage.open(path, existing === undefined ? "create" : "append");
    this.#openedIncrement(file, increment.name);
    this.#fileBytes = storage.size(file);
    if (this.#fileBytes > 0) this.#goOnFrom(tail);
    if (existing === undefined) {
      storage.syncDirectory(this.directory);
      this.manifest.increments.push(increment);
      persistManifest(storage, this.directory, this.manifestName, this.manifest);
      log("notice", `Creating AOF incr file ${increment.name} on server start`);
    } else log("notice", `Opening AOF incr file ${increment.name} on server start`);
    this.currentBytes = loaded.currentBytes, this.baseBytes = loaded.baseBytes;
    this.state = "on";
    this.#lastSyncUs = this.#o.clock.nowUs();
    this.#removeUnnamed();
  }

  /** The open increment has content: the next block is behind what is sealed of it; what is not becomes a block at the first write. */
  #goOnFrom(tail: AofTail | null): void {
    const unsealedBytes = this.#fileBytes - (tail?.sealedBytes ?? 0), restCrc = tail?.restCrc ?? null;
    const isSealable = restCrc !== null && unsealedBytes <= BLOCK_BYTES_MAX;
    if (this.#chain === null || !isSealable) return void (this.#chain = null);
    this.#chain = tail?.chain ?? this.#chain;
    this.#unsealedBytes = unsealedBytes, this.#unsealedCrc = restCrc;
  }

  /** What was just loaded may so far be in the cache only: clients will see it, so it must not be lost any more. */
  #makeDurable(tail: AofTail | null): void {
    const { storage } = this.#o, { files, increments } = this.manifest;
    // After a failed sync of the directory another one is no proof, unless something has changed there: the manifest is put in place anew.
    if (increments.length > 0) persistManifest(storage, this.directory, this.manifestName, this.manifest);
    else storage.syncDirectory(this.directory);
    for (const { name } of files) this.#syncFile(this.#path(name));
    this.#isMarked = storage.exists(this.#markPath);
    if (files.length === 0) return;
    const last = files[files.length - 1].name, sizeBytes = storage.stat(this.#path(last))!.sizeBytes;
    const isTorn = tail !== null && tail.validBytes < sizeBytes;
    if (!isTorn && (!this.#isMarked || increments.length === 0)) return;
    // The others were synced, and that was checked, before their successors were named.
    this.#writeAnew(last, isTorn ? tail.validBytes : sizeBytes, isTorn);
    storage.syncDirectory(this.directory);
  }

  #syncFile(path: string): void {
    const { storage } = this.#o, file = storage.open(path, "read");
    try {
      storage.sync(file);
    } finally {
      storage.close(file);
    }
  }

  /**
   * Replaces a file by a copy of its first part, durably: without the torn end; or, as the process that wrote it was killed and a sync may
   * have failed before that: then the cache calls pages clean that the disk does not have, and a sync is no proof. Pages written anew are.
   */
  #writeAnew(name: string, lengthBytes: number, isTorn: boolean): void {
    const { storage, log } = this.#o, path = this.#path(name), tempPath = this.#path(`temp-${name}`);
    const from = storage.open(path, "read"), to = storage.open(tempPath, "create");
    const piece = new Uint8Array(Math.min(COPY_BYTES, lengthBytes));
    if (isTorn) log("notice", `Copying the ${lengthBytes} bytes of ${name} that are whole`);
    else log("notice", `The AOF was not closed: copying ${name}, so that all that was loaded is on disk`);
    try {
      for (let at = 0; at < lengthBytes;) {
        const read = storage.read(from, at, piece.subarray(0, Math.min(piece.length, lengthBytes - at)));
        if (read === 0) throw storageError("read", path, "EIO");
        writeFully(storage, to, piece, 0, read);
        at += read;
      }
      storage.sync(to);
    } finally {
      storage.close(from), storage.close(to);
    }
    storage.rename(tempPath, path);
  }

  get #markPath(): string {
    return this.#path(`${this.#o.settings.appendfilename}.open`);
  }

  /** Tells a later process that this one wrote and did not close. It need not survive a power cut: neither does the cache. */
  #mark(): void {
    const { storage } = this.#o;
    storage.close(storage.open(this.#markPath, "create"));
    this.#isMarked = true;
  }

  #unmark(): void {
    if (this.#isMarked) this.#removeQuietly(this.#markPath);
    this.#isMarked = false;
  }

  /** Removes what a rewrite left that was never put in force, or that only a manifest named which was not (I13). */
  #removeUnnamed(): void {
    const { storage, settings, log } = this.#o, { files, history } = this.manifest;
    if (settings.aofDisableAutoGc) return;
    const named = new Set([...files, ...history].map((file) => file.name)), start = `${settings.appendfilename}.`;
    for (const name of storage.list(this.directory)) {
      if (named.has(name) || !name.startsWith(start) || !NUMBERED.test(name.slice(start.length))) continue;
      log("notice", `Removing ${name}, which the AOF manifest does not name`);
      this.#removeQuietly(this.#path(name));
    }
  }

  /** Puts a base that was just written under its final name into the manifest: the first one of a new log. @throws {StorageError} */
  adoptBase(tempPath: string, sizeBytes: number): void {
    const { storage, log } = this.#o;
    this.ensureDirectory();
    const base = this.#takeBase(this.manifest);
    storage.rename(tempPath, this.#path(base.name));
    storage.syncDirectory(this.directory);
    this.manifest.base = base;
    log("notice", `Creating AOF base file ${base.name} on server start`);
    this.openAfterLoad({ currentBytes: sizeBytes, baseBytes: sizeBytes });
  }

  /** appendonly was turned on: nothing is logged until the first rewrite has a base. */
  turnOn(): void {
    this.state = "waiting";
  }

  /** appendonly was turned off: what is logged so far is made durable, then the file is closed. A rewrite that runs is for nothing. */
  turnOff(): void {
    if (this.state === "on" && !this.finish()) {
      this.#o.log("warning", `Fail to fsync the AOF file: ${this.writeError ?? "it was never put in force"}`);
    }
    this.#dropFile();
    this.#rewrite = "none";
    this.#db = -1;
    this.state = "off", this.writeError = null, this.needsFreshGeneration = false;
    this.#settledAt(this.appendedBytes);
    this.#liveFile = ++this.#fileNumber;
    const awaited = this.#awaited;
    this.#awaited = null;
    awaited?.failed("the append only file was turned off");
  }

  /** The log's number, drawn when there is none. */
  #learnLogId(): number {
    return this.manifest.logId ??= this.#o.randomness.nextU32();
  }

  /** Names the base that is about to be written, as an RDB file or as commands. The manifest must be known. */
  planBase(): void {
    const { aofChecksum, aofUseRdbPreamble } = this.#o.settings, sequence = this.manifest.baseSequence + 1;
    const name = this.#baseName(sequence, aofUseRdbPreamble ? "rdb" : "aof");
    this.#plannedBase = { name, sequence };
    this.baseFileId = aofChecksum && !aofUseRdbPreamble ? fileIdOf(this.#learnLogId(), name) : null;
  }

  #takeBase(manifest: AofManifest): AofFile {
    if (this.#plannedBase === null) this.planBase();
    const base = this.#plannedBase!;
    manifest.baseSequence = base.sequence, manifest.logId = this.manifest.logId;
    this.#plannedBase = null;
    return base;
  }

  /** All up to here is durable, or nobody relies on it. */
  #settledAt(position: number): void {
    this.writtenBytes = this.syncedBytes = position;
    this.#oldestUnsyncedUs = this.#oldestUncoveredUs = NEVER;
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
    return (this.state === "waiting" || (this.state === "on" && this.needsFreshGeneration)) &&
      !this.rewriteInProgress &&
      this.#o.clock.nowMs() >= this.#nextRewriteMs;
  }

  get tempBasePath(): string {
    return this.#path("temp-rewriteaof-bg.aof");
  }

  /**
   * Prepares a rewrite and calls `freeze` at the moment of the cut: the caller freezes the memory there, in the same turn, and writes the
   * base to `tempBasePath`. May come after a sync; `failed` is told when it does not come at all.
   */
  beginRewrite(freeze: () => void, failed: (reason: string) => void): void {
    this.#rewrite = this.state === "off"
      ? "detached"
      : this.state === "waiting" || this.needsFreshGeneration
      ? "fresh"
      : "next";
    if (this.#rewrite === "next") {
      this.flush();
      if (this.writeError !== null) return this.#failed(this.writeError, failed);
      // An increment must be whole and durable before its successor is named; most of that goes beside the loop.
      if (this.writtenBytes > this.syncedBytes) return this.#awaitSync(freeze, failed);
    }
    this.#cut(freeze, failed);
  }

  #failed(reason: string, failed: (reason: string) => void): void {
    this.failRewrite();
    failed(reason);
  }

  #awaitSync(freeze: () => void, failed: (reason: string) => void): void {
    this.#awaited = { position: this.writtenBytes, cut: () => this.#cut(freeze, failed), failed };
    if (this.#syncStartedUs === NEVER) this.#syncInBackground();
  }

  #goOnWithRewrite(): void {
    const awaited = this.#awaited;
    if (awaited === null) return;
    if (!this.needsFreshGeneration && this.syncedBytes < awaited.position) return this.#syncInBackground();
    this.#awaited = null;
    if (this.needsFreshGeneration) this.#failed(this.writeError!, awaited.failed);
    else awaited.cut();
  }

  #cut(freeze: () => void, failed: (reason: string) => void): void {
    try {
      if (this.#rewrite === "next") this.#switchToNextIncrement();
      else {
        this.#learnManifest();
        this.ensureDirectory();
        if (this.#rewrite === "fresh") this.#switchToTempIncrement();
      }
      this.planBase();
    } catch (error) {
      if (!isOperatingError(error)) throw error;
      return this.#failed(error.message, failed);
    }
    freeze();
  }

  /** The data set is what the files hold (DEBUG LOADAOF): a log that is off reads its manifest anew, as a start does. */
  forgetManifest(): void {
    if (this.state === "off" && !this.rewriteInProgress) this.#knowsManifest = false;
  }

  /** A log that was off so far did not look at its directory: what is there is history, and its numbers are taken. */
  #learnManifest(): void {
    if (this.#knowsManifest) return;
    this.manifest = readManifest(this.#o.storage, this.directory, this.manifestName);
    this.#knowsManifest = true;
  }

  /** The base is written and synced at `tempBasePath`: puts it in force. @throws {StorageError, ManifestUncertainError} */
  finishRewrite(baseSizeBytes: number): void {
    const { storage, log } = this.#o, rewrite = this.#rewrite;
    if (rewrite === "none") return void this.#removeQuietly(this.tempBasePath);
    if (rewrite === "fresh") this.#completeUnnamed();
    const next = this.manifest.copy(), base = this.#takeBase(next);
    storage.rename(this.tempBasePath, this.#path(base.name));
    try {
      // The newest history comes first, as Redis writes it.
      if (next.base !== null) next.history.unshift(next.base);
      next.base = base;
      next.history.unshift(...next.increments.splice(0, rewrite === "next" ? this.#replacedIncrements : Infinity));
      if (rewrite === "fresh") this.#nameIncrement(next);
      storage.syncDirectory(this.directory);
      this.#putInForce(next);
    } catch (error) {
      if (error instanceof StorageError) this.#removeQuietly(this.#path(base.name));
      throw error;
    }
    if (rewrite === "fresh") this.#freshInForce();
    this.#liveFile = this.#fileNumber;
    this.baseBytes = baseSizeBytes, this.currentBytes = baseSizeBytes + this.#fileBytes;
    this.#rewrite = "none", this.lastRewriteOk = true;
    this.rewriteFailures = this.#nextRewriteMs = 0;
    log("notice", "Background AOF rewrite finished successfully");
    this.removeHistory();
  }

  /**
   * The rewrite came to nothing: the increments so far stay. Automatic ones pause for longer and longer, unless it was ended on purpose,
   * which is no failure.
   */
  failRewrite(onPurpose = false): void {
    const { clock, log } = this.#o, rewrite = this.#rewrite;
    if (this.#o.storage.exists(this.tempBasePath)) this.#removeQuietly(this.tempBasePath);
    // Called off when the log was turned off: that is no failure.
    if (rewrite === "none") return;
    this.#rewrite = "none", this.#plannedBase = null;
    if (rewrite === "fresh") this.#dropFile();
    if (onPurpose) return;
    this.lastRewriteOk = false;
    this.rewriteFailures++;
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

  /** Removes files that are history in the manifest in force, then their names from it: what it names can always be found or is not needed. */
  removeHistory(): void {
    const { storage, settings, log } = this.#o;
    if (settings.aofDisableAutoGc || this.manifest.history.length === 0) return;
    const next = this.manifest.copy();
    next.history = [];
    const inForce = new Set(this.manifest.files.map((file) => file.name));
    for (const file of this.manifest.history) {
      if (inForce.has(file.name)) continue;
      log("notice", `Removing the history file ${file.name} in the background`);
      if (!this.#removeQuietly(this.#path(file.name))) next.history.push(file);
    }
    try {
      storage.syncDirectory(this.directory);
      this.#putInForce(next);
    } catch (error) {
      if (!isOperatingError(error)) throw error;
      log("warning", `Cannot update the AOF manifest after removing history: ${error.message}`);
    }
  }

  /** @throws {StorageError} the old manifest is in force. @throws {ManifestUncertainError} either may be. */
  #putInForce(next: AofManifest): void {
    try {
      persistManifest(this.#o.storage, this.directory, this.manifestName, next);
    } catch (error) {
      if (error instanceof ManifestUncertainError) this.#keepFilesOf(next);
      throw error;
    }
    this.manifest = next;
  }

  /** The manifest on disk may be this one: nothing it names may be removed or written over. */
  #keepFilesOf(other: AofManifest): void {
    this.manifest.baseSequence = other.baseSequence, this.manifest.incrementSequence = other.incrementSequence;
    this.#unnamedPath = null;
  }

  #path(name: string): string {
    return `${this.directory}/${name}`;
  }

  #baseName(sequence: number, suffix: "rdb" | "aof"): string {
    return `${this.#o.settings.appendfilename}.${sequence}.base.${suffix}`;
  }

  #incrementName(sequence: number): string {
    return `${this.#o.settings.appendfilename}.${sequence}.incr.aof`;
  }

  #nextIncrement(manifest: AofManifest): AofFile {
    const sequence = ++manifest.incrementSequence;
    return { name: this.#incrementName(sequence), sequence };
  }

  #switchToNextIncrement(): void {
    const { storage, log } = this.#o;
    // What came in while the sync ran: little, and the old increment must be whole before its successor is named.
    const failure = this.#length > 0 ? this.#write() : null;
    if (failure !== null) throw failure;
    if (this.writtenBytes > this.syncedBytes) this.#sync();
    if (this.#o.settings.aofChecksum) this.#learnLogId();
    const next = this.manifest.copy(), increment = this.#nextIncrement(next), path = this.#path(increment.name);
    const file = storage.open(path, "create");
    try {
      storage.syncDirectory(this.directory);
      next.increments.push(increment);
      this.#putInForce(next);
    } catch (error) {
      this.#closeQuietly(file);
      if (error instanceof StorageError) this.#removeQuietly(path);
      // Added to now, the old increment could be torn and yet not be the last one of the manifest that a start finds.
      else if (error instanceof ManifestUncertainError) this.#spoil("The AOF manifest may be lost.", error.message);
      throw error;
    }
    log("notice", `Creating AOF incr file ${increment.name} on background rewrite`);
    this.#closeQuietly(this.#file!);
    this.#replacedIncrements = next.increments.length - 1;
    this.#openedIncrement(file, increment.name);
  }

  /** A fresh generation: nothing that is on disk is part of it, and nothing that is buffered either: the new base has its effects. */
  #switchToTempIncrement(): void {
    const { storage, log, settings } = this.#o, name = `temp-${settings.appendfilename}.incr`;
    const file = storage.open(this.#path(name), "create");
    log("notice", `Creating AOF incr file ${name} on background rewrite`);
    this.#dropFile();
    this.#unnamedPath = this.#path(name);
    // Replies to what came before wait for the new base, all that comes now is in this file.
    this.writtenBytes = this.appendedBytes;
    if (!this.needsFreshGeneration) this.#settledAt(this.appendedBytes);
    this.#plannedIncrement = this.#nextIncrement(this.manifest.copy());
    this.#openedIncrement(file, this.#plannedIncrement.name);
  }

  /** An empty file, that has or will have this name. */
  #openedIncrement(file: FileHandle, name: string): void {
    this.#file = file, this.#fileBytes = 0, this.#db = -1, this.#timestampSeconds = 0;
    this.#hasTornTail = false, this.#unsealedBytes = 0;
    this.#chain = this.#o.settings.aofChecksum ? new SealChain(fileIdOf(this.#learnLogId(), name)) : null;
    this.#fileNumber++;
  }

  /** Everything that belongs to the unnamed increment is in it, durably. @throws {StorageError} */
  #completeUnnamed(): void {
    const failure = this.#length > 0 ? this.#write() : null;
    if (failure !== null) throw failure;
    this.#sync();
    // The sync that succeeded may have followed one that failed.
    if (this.#spoiltFile === this.#fileNumber) throw storageError("sync", this.#unnamedPath!, "EIO");
  }

  #nameIncrement(next: AofManifest): void {
    const increment = this.#plannedIncrement!, path = this.#path(increment.name);
    this.#o.storage.rename(this.#unnamedPath!, path);
    this.#unnamedPath = path, next.incrementSequence = increment.sequence;
    next.increments.push(increment);
  }

  #freshInForce(): void {
    const { log } = this.#o;
    if (this.needsFreshGeneration) {
      log("notice", "The new generation of the AOF is in force: writes are accepted again");
    }
    this.#unnamedPath = null;
    this.needsFreshGeneration = false, this.writeError = null;
    this.#settledAt(this.appendedBytes);
    this.state = "on";
  }

  /** Closes the increment and forgets what is buffered; the file goes too when no manifest can name it. */
  #dropFile(): void {
    const path = this.#unnamedPath, file = this.#file;
    this.#file = null, this.#unnamedPath = null, this.#length = this.#blockBytes = 0;
    if (file !== null) this.#closeQuietly(file);
    if (path === null) return;
    this.#o.log("notice", `Removing the temp incr aof file ${path} in the background`);
    this.#removeQuietly(path);
  }

  /** Takes the name away at once; the blocks are freed beside the loop. False when the file is still there. */
  #removeQuietly(path: string): boolean {
    const { storage, log } = this.#o;
    try {
      if (storage.exists(path)) removeAtOnce(storage, path);
      return true;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      log("warning", `Cannot remove a file of the AOF that is not needed any more: ${error.message}`);
      return false;
    }
  }

  /** For files whose last sync is behind them. */
  #closeQuietly(file: FileHandle): void {
    this.#o.storage.closeInBackground(file).catch((error: Error) =>
      this.#o.log("warning", `Cannot close a file of the AOF: ${error.message}`)
    );
  }
}

function isCommand(bytes: Uint8Array, start: number, end: number, command: Uint8Array): boolean {
  return end - start === command.length && rangesEqual(bytes, start, command, 0, command.length);
}

function isOperatingError(error: unknown): error is StorageError | ManifestUncertainError | ManifestCorruptError {
  return error instanceof StorageError || error instanceof ManifestUncertainError ||
    error instanceof ManifestCorruptError;
}

function asStorageError(error: unknown): StorageError {
  return error instanceof StorageError ? error : storageError("sync", "the append only file", "EIO", error);
}
