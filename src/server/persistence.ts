/**
 * Decides when the data set is saved, rewritten and loaded, and what a failure means for writes.
 *
 * One child at a time, as in Redis: a save or a rewrite. A snapshot is taken between commands, never inside a transaction.
 * LASTSAVE, `rdb_last_bgsave_status:ok` and SAVE's +OK come after the directory sync, never before (I5).
 */
import type { Database } from "../keyspace/database.ts";
import { blockThread } from "../io/clock.ts";
import { USER_SIGNAL } from "../io/process.ts";
import { type FileHandle, removeAtOnce, StorageError } from "../io/storage.ts";
import { type Address, CONTROL } from "../memory/mod.ts";
import { AofLog } from "../persistence/aof/aof_log.ts";
import { ManifestUncertainError } from "../persistence/aof/aof_manifest.ts";
import { dumpPayload, isPayloadIntact, loadPayload } from "../persistence/rdb/dump_payload.ts";
import { FunctionLibraries } from "../persistence/rdb/function_libraries.ts";
import type { SavedDatabase } from "../persistence/rdb/rdb_saver.ts";
import type { FileSum } from "../persistence/rdb/rdb_reader.ts";
import type { SnapshotChild } from "../persistence/snapshot/snapshot_child.ts";
import {
  type JobHost,
  runSnapshotJob,
  type SnapshotJob,
  type SnapshotResult,
} from "../persistence/snapshot/snapshot_job.ts";
import type { LazyFree } from "../keyspace/lazy_free.ts";
import { LoadFailedError, Loading, type RdbFileLoad } from "./loading.ts";
import type { Server } from "./server.ts";
import { SnapshotProcess, type SnapshotTitle } from "./snapshot_process.ts";
import type { SnapshotSpawner } from "./system.ts";

const BGSAVE_RETRY_MS = 5000;
const FREED_BLOCKS_PER_STEP = 1024;
const MISCONF_RDB =
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the " +
  "data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails " +
  "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
const BAD_PAYLOAD = "DUMP payload version or checksum are wrong";
const BAD_FORMAT = "Bad data format";

/** What of the data set a save holds. */
export interface SavedContent {
  readonly data: boolean;
  readonly functions: boolean;
}

type Outcome = { status: string } | { error: string };

export class Persistence {
  readonly aof: AofLog;
  readonly loading: Loading;
  /** DEBUG SET-SKIP-CHECKSUM-VALIDATION. */
  skipChecksum = false;
  lastSaveMs: number;
  saves = 0;
  rewrites = 0;
  /** Compact encodings that were checked deeply. */
  sanitizations = 0;
  /** Kept for the files that are written. */
  readonly functions: FunctionLibraries = new FunctionLibraries();
  readonly #server: Server;
  readonly #child: SnapshotChild;
  readonly #process: SnapshotProcess;
  #running: "none" | "rdb" | "aof" = "none";
  #startedMs = 0;
  #dirtyAtStart = 0;
  #lastTryMs = 0;
  #lastBgsaveOk = true;
  /** A save failed on the disk, and none has worked since. Lack of room for before-images is no such failure: writes go on. */
  #diskFailed = false;
  #lastBgsaveMs = -1000;
  #lastRewriteMs = -1000;
  #lastRdbCowBytes = 0;
  #lastAofCowBytes = 0;
  #saveScheduled = false;
  #rewriteScheduled = false;
  /** The running save is for replicas, and goes to a file of its own. */
  #isForReplicas = false;
  /** The log is off while a master's data set takes the place of the one it is about. */
  #isLogSuspended = false;

  constructor(server: Server, spawnChild: SnapshotSpawner) {
    this.#server = server;
    this.#child = spawnChild();
    this.#process = new SnapshotProcess(server, {
      started: (pid) => this.#nameAfterProcess(pid),
      killed: () => this.#child.cancel(),
    });
    this.loading = new Loading(server);
    this.lastSaveMs = server.nowMs();
    this.aof = new AofLog({
      storage: server.storage,
      clock: server.clock,
      randomness: server.randomness,
      settings: server.settings,
      log: (level, text) => server.log.log(level, text),
      isChildActive: () => this.#running !== "none",
      onFatal: (text) => {
        server.log.warning(text);
        server.stop(1);
      },
      onProgress: () => {
        server.updateGates();
        server.network.requestTurnEnd();
      },
    });
  }

  get isLoading(): boolean {
    return this.loading.current !== null;
  }

  get isChildActive(): boolean {
    return this.#running !== "none";
  }

  set aofFlushSleepUs(microseconds: number) {
    this.aof.flushSleepUs = microseconds;
  }

  /** The CRC of a file's start, which the snapshot thread computes; null where there is none. */
  sumFile(path: string, lengthBytes: number): FileSum | null {
    return this.#child.sumFile(path, lengthBytes);
  }

  // ---- start ---------------------------------------------------------------------------------------------------

  /** Loads what is on disk and opens the log. @throws {LoadFailedError} */
  async start(): Promise<void> {
    const server = this.#server, startUs = server.nowUs();
    const seconds = () => ((server.nowUs() - startUs) / 1e6).toFixed(3);
    if (server.settings.appendonly) await this.#startWithLog(seconds);
    else if (await this.#loadDumpAndHistory()) server.log.notice(`DB loaded from disk: ${seconds()} seconds`);
    this.#server.keyspace.dirty = 0;
    this.lastSaveMs = server.nowMs();
    this.#removeOrphans();
    if (server.isStopped) return;
    this.#child.prepare();
    this.#process.prepare();
    server.replication.start();
  }

  async #startWithLog(seconds: () => string): Promise<void> {
    const server = this.#server, manifest = this.loading.readManifest();
    if (!manifest.isEmpty) {
      const load = this.loading.openAof(manifest, true);
      this.loading.resetReplay();
      await this.loading.inSlices(load);
      if (server.isStopped) return;
      if (load.totalBytes > 0) server.log.notice(`DB loaded from append only file: ${seconds()} seconds`);
      this.aof.manifest = manifest;
      this.#opening(() => this.aof.openAfterLoad(load));
      this.aof.removeHistory();
    } else {
      // An existing dump is the data: a log that starts beside it starts from it, never empty (G11).
      if (await this.#loadDump()) {
        server.log.notice(`DB loaded from disk: ${seconds()} seconds; the append only file starts from it`);
      }
      this.#opening(() => this.#createLog());
    }
    server.propagator.sink = this.aof;
  }

  #opening(open: () => void): void {
    try {
      open();
    } catch (error) {
      if (error instanceof StorageError || error instanceof ManifestUncertainError) {
        throw new LoadFailedError(error.message);
      }
      throw error;
    }
  }

  #createLog(): void {
    this.aof.ensureDirectory();
    this.aof.planBase();
    const result = this.#runInline(this.#job(this.#baseKind, this.aof.tempBasePath, true));
    if (!result.ok) throw new LoadFailedError(`Cannot create the append only file's base: ${result.error}`);
    this.aof.adoptBase(this.aof.tempBasePath, result.writtenBytes);
  }

  /** The data of a server without a log is where its dump was cut: replicas, or the master, go on from there. */
  async #loadDumpAndHistory(): Promise<boolean> {
    const { loading } = this, { replication } = this.#server;
    loading.onExpired = (position, database, key) => replication.expiredWhileRestoring(position, database, key);
    const isThere = await this.#loadDump();
    loading.onExpired = () => {};
    if (isThere) replication.restore(loading.lastPosition);
    return isThere;
  }

  /** Loads the dump file; false when there is none. */
  async #loadDump(): Promise<boolean> {
    const load = this.loading.openRdb(this.#rdbPath, false, true);
    if (load === null) return false;
    try {
      await this.loading.inSlices(load);
    } catch (error) {
      this.#server.log.warning("Terminating server after rdb file reading failure.");
      throw error;
    }
    return true;
  }

  /** Temporary files of saves and rewrites that never finished (G12): removed once what is in force was loaded. */
  #removeOrphans(): void {
    const { storage, settings, log } = this.#server;
    const orphans: string[] = [];
    for (const name of listed(storage, settings.dir)) {
      if (/^temp-[0-9]+(-child|-old|-sync|-received)?\.rdb$/.test(name)) orphans.push(`${settings.dir}/${name}`);
    }
    if (settings.appendonly) {
      const known = new Set([...this.aof.manifest.files, ...this.aof.manifest.history].map((file) => file.name));
      for (const name of listed(storage, this.aof.directory)) {
        if (name.startsWith("temp-") && !known.has(name)) orphans.push(`${this.aof.directory}/${name}`);
      }
    }
    for (const path of orphans) {
      log.notice(`Removing the orphaned temporary file ${path}`);
      storage.removeInBackground(path).catch(() => {});
    }
  }

  // ---- turns and time ------------------------------------------------------------------------------------------

  /** Writes the log before replies go out; false when the server must not send any (it is stopping). */
  beforeReplies(): boolean {
    const hadError = this.aof.writeError !== null;
    this.aof.flush();
    this.#gatesAfterLog(hadError);
    return !this.#server.isStopped;
  }

  /** Whether writes are refused follows from the log's error: looked at again when it came or went. */
  #gatesAfterLog(hadError: boolean): void {
    if ((this.aof.writeError !== null) !== hadError) this.#server.updateGates();
  }

  /** After a failed save, a pause before the next try. */
  #maySaveAgain(nowMs: number): boolean {
    return this.#lastBgsaveOk || nowMs - this.#lastTryMs > BGSAVE_RETRY_MS;
  }

  cron(nowMs: number): void {
    const hadError = this.aof.writeError !== null;
    this.aof.cron();
    this.#gatesAfterLog(hadError);
    if (this.isLoading || this.#running !== "none") return;
    if (this.#rewriteScheduled || this.aof.isRewriteDue) {
      this.#rewriteScheduled = false;
      this.startRewrite();
    } else if (this.#saveScheduled && this.#maySaveAgain(nowMs)) {
      this.startBackgroundSave(false);
    } else this.#automatic(nowMs);
  }

  #automatic(nowMs: number): void {
    const server = this.#server;
    for (const point of server.settings.savePoints) {
      const isDue = server.keyspace.dirty >= point.changes && nowMs - this.lastSaveMs > point.seconds * 1000;
      if (isDue && this.#maySaveAgain(nowMs)) {
        server.log.notice(`${point.changes} changes in ${point.seconds} seconds. Saving...`);
        this.startBackgroundSave(false);
        return;
      }
    }
    const growth = this.aof.growthToRewrite();
    if (growth < 0) return;
    server.log.notice(`Starting automatic rewriting of AOF on ${growth}% growth`);
    this.startRewrite();
  }

  /** Why writes are refused, or null. */
  writeRefusal(): string | null {
    const settings = this.#server.settings;
    if (settings.stopWritesOnBgsaveError && settings.savePoints.length > 0 && this.#diskFailed) return MISCONF_RDB;
    if (this.aof.state !== "off" && this.aof.writeError !== null) {
      return `MISCONF Errors writing to the AOF file: ${this.aof.writeError}`;
    }
    return null;
  }

  // ---- saving --------------------------------------------------------------------------------------------------

  /** SAVE: on this thread, while everybody waits. Null when it is durable, else why not. */
  save(): string | null {
    const isSaving = this.#running === "rdb" && !this.#cancelled && !this.#isForReplicas;
    if (isSaving) return "Background save already in progress";
    return this.#savedAt(this.#savePath, this.#runInline(this.#job("rdb", this.#savePath, false)));
  }

  /** The same by the child, for a server whose clients are all held. `done` gets null when the save is durable, else why not. */
  saveInChild(done: (error: string | null) => void): void {
    const path = this.#savePath;
    this.#startChild("rdb", null, this.#job("rdb", path, false, true), (result) => done(this.#savedAt(path, result)));
  }

  /** A child that was called off may still be writing its own file. */
  get #savePath(): string {
    return `${this.#server.settings.dir}/temp-${this.#server.system.pid}.rdb`;
  }

  /** A save of all there is has ended: publishes it. Null, or why not. */
  #savedAt(path: string, result: SnapshotResult): string | null {
    this.#lastTryMs = this.#server.nowMs();
    const error = result.ok ? this.#publishRdb(path) : result.error;
    if (error !== null) {
      this.#server.log.warning(`Error saving the DB: ${error}`);
      return `Cannot save the DB: ${error}`;
    }
    this.#server.log.notice("DB saved on disk");
    this.#server.keyspace.dirty = 0;
    this.#saved();
    return null;
  }

  /** BGSAVE. Inside a transaction, or beside a rewrite when asked to, it is put off. */
  startBackgroundSave(schedule: boolean): Outcome {
    const server = this.#server;
    const isCalledOff = this.#running === "rdb" && this.#cancelled;
    if (this.#running === "rdb" && !(isCalledOff && schedule)) return { error: "Background save already in progress" };
    if (this.#running !== "none" || server.dispatcher.isInTransaction || this.aof.rewriteInProgress) {
      if (schedule || server.dispatcher.isInTransaction) {
        this.#saveScheduled = true;
        return { status: "Background saving scheduled" };
      }
      return {
        error:
          "Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE " +
          "whenever possible.",
      };
    }
    this.#saveScheduled = false;
    this.#lastTryMs = server.nowMs();
    this.#dirtyAtStart = server.keyspace.dirty;
    const job = this.#job("rdb", this.#tempRdbPath, false, true);
    this.#startChild("rdb", "redis-rdb-bgsave", job, (result) => void this.#saveEnded(result));
    server.log.notice(`Background saving started by pid ${server.system.pid}`);
    return { status: "Background saving started" };
  }

  /** Null when it is durable, else why not. */
  #saveEnded(result: SnapshotResult): string | null {
    const server = this.#server;
    this.#lastRdbCowBytes = server.memory.cow.copiedBytes;
    this.#lastBgsaveMs = server.nowMs() - this.#startedMs;
    const error = this.#cancelled
      ? this.#dropCancelled(result)
      : result.ok
      ? this.#publishRdb(this.#childPath)
      : result.error;
    if (error === null) {
      server.log.notice("DB saved on disk");
      server.log.notice(
        `Fork CoW for RDB: current ${mib(this.#lastRdbCowBytes)} MB, peak ${
          mib(this.#lastRdbCowBytes)
        } MB, average 0 MB`,
      );
      server.log.notice("Background saving terminated with success");
      server.keyspace.dirty -= this.#dirtyAtStart;
      this.#saved();
    } else {
      server.log.warning(`Background saving ${failureText(result, error)}`);
      // A save that was called off (FLUSHALL, SHUTDOWN, SIGUSR1 to its process) says nothing about the disk.
      if (!this.#cancelled && !isOnPurpose(result)) {
        this.#lastBgsaveOk = false;
        if (result.ok || !result.aborted) this.#diskFailed = true;
      }
    }
    this.#cancelled = false;
    server.updateGates();
    return error;
  }

  #cancelled = false;
  /** What the running child writes, until it is given its name. */
  #childPath = "";

  #saved(): void {
    this.lastSaveMs = this.#server.nowMs();
    this.saves++;
    this.#lastBgsaveOk = true;
    this.#diskFailed = false;
    this.#server.updateGates();
  }

  /** A save that was called off may have finished all the same: its data is not wanted any more. */
  #dropCancelled(result: SnapshotResult): string {
    if (!result.ok) return result.error;
    this.#removeQuietly(this.#childPath);
    return "called off";
  }

  /**
   * With a second name, the old file's blocks are not freed by the rename that replaces it (80 ms for half a GB, with everybody
   * waiting) but when the second name is removed, off this thread.
   */
  #secondNameForOldRdb(): string | null {
    const { storage, settings, system } = this.#server;
    if (!storage.exists(this.#rdbPath)) return null;
    const name = `${settings.dir}/temp-${system.pid}-old.rdb`;
    try {
      storage.link(this.#rdbPath, name);
      return name;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return null;
    }
  }

  /** Gives the written file its name, durably. Null, or why not. */
  #publishRdb(path: string): string | null {
    const { storage, settings } = this.#server;
    try {
      const old = this.#secondNameForOldRdb();
      storage.rename(path, this.#rdbPath);
      storage.syncDirectory(settings.dir);
      if (old !== null) storage.removeInBackground(old).catch(() => {});
      return null;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return error.message;
    }
  }

  /** Calls a running save off: FLUSHALL. What replicas wait for stays good: they will get the FLUSHALL too. */
  cancelSave(): void {
    if (this.#running !== "rdb" || this.#isForReplicas) return;
    this.#cancelled = true;
    this.#child.cancel();
  }

  // ---- replication ---------------------------------------------------------------------------------------------

  /** Where what a master sends goes until it is whole. */
  get receivedPath(): string {
    return `${this.#server.settings.dir}/temp-${this.#server.system.pid}-received.rdb`;
  }

  /**
   * Begins a save of `content` for replicas; false when it cannot begin now. `ended` gets the open file, or null and why there is none. The file is
   * the dump, or (repl-diskless-sync) one of its own that has no name any more.
   */
  startReplicationSave(content: SavedContent, ended: (file: FileHandle | null, error: string) => void): boolean {
    const server = this.#server, { settings, system } = server;
    if (this.#running !== "none" || server.dispatcher.isInTransaction || this.aof.rewriteInProgress) return false;
    // A part of the data is no dump.
    this.#isForReplicas = settings.replDisklessSync || !content.data || !content.functions;
    const path = this.#isForReplicas ? `${settings.dir}/temp-${system.pid}-sync.rdb` : this.#tempRdbPath;
    this.#lastTryMs = server.nowMs();
    this.#dirtyAtStart = server.keyspace.dirty;
    const title = this.#isForReplicas ? "redis-rdb-to-slaves" : "redis-rdb-bgsave";
    this.#startChild("rdb", title, withOnly(content, this.#job("rdb", path, false, true)), (result) => {
      const isForReplicas = this.#isForReplicas;
      this.#isForReplicas = false;
      const error = isForReplicas ? this.#transferEnded(result) : this.#saveEnded(result);
      if (error !== null) return ended(null, error);
      this.#openForReplicas(isForReplicas ? path : this.#rdbPath, isForReplicas, ended);
    });
    return true;
  }

  #transferEnded(result: SnapshotResult): string | null {
    if (result.ok) return null;
    this.#server.log.warning(`Background transfer ${failureText(result, result.error)}`);
    return result.error;
  }

  /** The running save for replicas is not needed for them any more; false when it goes on, as a dump that is wanted. */
  callOffReplicationSave(): boolean {
    if (!this.#isForReplicas && this.#server.settings.savePoints.length > 0) return false;
    this.#cancelled = !this.#isForReplicas;
    this.#child.cancel();
    return true;
  }

  #openForReplicas(path: string, removeName: boolean, ended: (file: FileHandle | null, error: string) => void): void {
    const { storage } = this.#server;
    let file: FileHandle;
    try {
      file = storage.open(path, "read");
      if (removeName) storage.remove(path);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return ended(null, error.message);
    }
    ended(file, "");
  }

  /**
   * Puts a file that a master sent in the place of all data, as the dump too, and starts the log anew from it. Returns the database that
   * the master's stream has selected. @throws {LoadFailedError | StorageError} (rejects), with no data left
   */
  async replaceDataSet(path: string): Promise<number> {
    const server = this.#server, { log, keyspace, settings } = server;
    this.cancelSave();
    if (this.aof.state !== "off") this.#isLogSuspended = true, this.setAppendonly(false);
    const error = this.#publishRdb(path);
    if (error !== null) throw new LoadFailedError(`Cannot rename what the master sent: ${error}`);
    log.notice("MASTER <-> REPLICA sync: Flushing old data");
    for (const db of keyspace.databases) keyspace.empty(db, true);
    server.tracking.flushed();
    log.notice("MASTER <-> REPLICA sync: Loading DB in memory");
    try {
      const load = this.loading.openRdb(this.#rdbPath, false, true);
      if (load === null) throw new LoadFailedError("What the master sent is gone");
      await this.loading.inSlices(settings.replicaLazyFlush ? load : new LoadIntoEmptied(load, keyspace.lazyFree));
    } catch (error) {
      for (const db of keyspace.databases) keyspace.empty(db, true);
      throw error;
    }
    keyspace.dirty = 0;
    this.lastSaveMs = server.nowMs();
    this.restoreLog();
    return this.loading.lastPosition?.database ?? 0;
  }

  /** The log goes on, if it was on before a synchronization turned it off. */
  restoreLog(): void {
    if (!this.#isLogSuspended) return;
    this.#isLogSuspended = false;
    if (this.#server.settings.appendonly) this.setAppendonly(true);
  }

  // ---- rewriting -----------------------------------------------------------------------------------------------

  /** BGREWRITEAOF. */
  startRewrite(): Outcome {
    const server = this.#server;
    if (this.#running === "aof" || this.aof.rewriteInProgress) {
      return { error: "Background append only file rewriting already in progress" };
    }
    if (this.#running !== "none" || server.dispatcher.isInTransaction) {
      this.#rewriteScheduled = true;
      // A new try counts anew.
      this.aof.rewriteFailures = 0;
      return { status: "Background append only file rewriting scheduled" };
    }
    let failure: string | null = null;
    // The cut may have to wait for a sync: a rewrite that is killed before it is given up as soon as it comes.
    this.#process.start("redis-aof-rewrite");
    this.aof.beginRewrite(
      () => this.#startRewriting(),
      (reason) => {
        failure = reason;
        this.#process.end();
        server.log.warning(`Can't rewrite append only file in background: ${reason}`);
        server.updateGates();
      },
    );
    return failure === null
      ? { status: "Background append only file rewriting started" }
      : { error: "Can't execute an AOF background rewriting. Please check the server logs for more information." };
  }

  #startRewriting(): void {
    const job = this.#job(this.#baseKind, this.aof.tempBasePath, true, true);
    this.#startChild("aof", null, job, (result) => this.#rewriteEnded(result));
    if (this.#process.isKilled) this.#child.cancel();
    this.#server.log.notice(`Background append only file rewriting started by pid ${this.#server.system.pid}`);
  }

  get #baseKind(): "rdb" | "commands" {
    return this.#server.settings.aofUseRdbPreamble ? "rdb" : "commands";
  }

  #rewriteEnded(result: SnapshotResult): void {
    const server = this.#server;
    this.#lastAofCowBytes = server.memory.cow.copiedBytes;
    this.#lastRewriteMs = server.nowMs() - this.#startedMs;
    if (!result.ok) {
      const how = result.signal === undefined ? `terminated with error: ${result.error}` : result.error;
      server.log.warning(`Background AOF rewrite ${how}`);
      this.aof.failRewrite(isOnPurpose(result));
    } else {
      server.log.notice("Background AOF rewrite terminated with success");
      try {
        this.aof.finishRewrite(result.writtenBytes);
        this.rewrites++;
        if (this.aof.state === "on") server.propagator.sink = this.aof;
      } catch (error) {
        if (!(error instanceof StorageError) && !(error instanceof ManifestUncertainError)) throw error;
        server.log.warning(`Background AOF rewrite could not be put in force: ${error.message}`);
        this.aof.failRewrite();
      }
    }
    server.updateGates();
  }

  /** CONFIG SET appendonly. Null, or why not. */
  setAppendonly(on: boolean): string | null {
    const server = this.#server;
    if (on && this.aof.state === "off") {
      this.aof.turnOn();
      server.propagator.sink = this.aof;
      const inTransaction = server.dispatcher.isInTransaction;
      if (this.#running === "none" && !inTransaction) this.startRewrite();
      else {
        this.#rewriteScheduled = true;
        const why = inTransaction ? "during a transaction" : "but there is already another background operation";
        server.log.warning(`AOF was enabled ${why}. An AOF background was scheduled to start when possible.`);
      }
    } else if (!on && this.aof.state !== "off") {
      if (this.aof.rewriteInProgress) server.log.notice("Killing running AOF rewrite child");
      if (this.#running === "aof") this.#child.cancel();
      server.propagator.sink = null;
      this.aof.turnOff();
    }
    server.updateGates();
    return null;
  }

  // ---- the child -----------------------------------------------------------------------------------------------

  get #rdbPath(): string {
    return `${this.#server.settings.dir}/${this.#server.settings.dbfilename}`;
  }

  get #tempRdbPath(): string {
    return `${this.#server.settings.dir}/temp-${this.#server.system.pid}-child.rdb`;
  }

  /** `title`: of the process that stands for it, if it has none yet and is to have one. */
  #startChild(
    kind: "rdb" | "aof",
    title: SnapshotTitle | null,
    job: SnapshotJob,
    onEnded: (result: SnapshotResult) => void,
  ): void {
    const server = this.#server;
    this.#running = kind;
    this.#childPath = job.path;
    this.#startedMs = server.nowMs();
    const ended = (written: SnapshotResult) => {
      const result = this.#orKilled(written, job);
      this.#running = "none";
      server.memory.cow.sample(server.nowMs(), server.memory.dataBytes + server.memory.frameBytes);
      server.memory.endSnapshot();
      if (server.isStopped) return;
      onEnded(result);
      server.replication.replicas.startWaiting();
      server.network.requestTurnEnd();
    };
    this.#child.start(job, ended, (text) => server.log.warning(text));
    if (title !== null) this.#process.start(title);
  }

  /** Whatever the thread made of it: a snapshot whose process was killed is none. A file that is not wanted is removed. */
  #orKilled(written: SnapshotResult, job: SnapshotJob): SnapshotResult {
    const signal = this.#process.end();
    // The thread has removed what it gave up, if it still had that name.
    if (written.ok ? signal !== 0 : this.#childPath !== job.path) this.#removeQuietly(this.#childPath);
    if (signal === 0) return written;
    return { ok: false, error: `terminated by signal ${signal}`, aborted: false, signal };
  }

  /** What cannot be removed is a temporary file, which the next start removes. */
  #removeQuietly(path: string): void {
    const { storage } = this.#server;
    try {
      if (storage.exists(path)) removeAtOnce(storage, path);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }

  /** Redis calls a save's file after the process that writes it. Where that fails it keeps the name it has. */
  #nameAfterProcess(pid: number): void {
    const { storage, settings } = this.#server, path = `${settings.dir}/temp-${pid}.rdb`;
    if (this.#running !== "rdb" || this.#childPath !== this.#tempRdbPath || storage.exists(path)) return;
    try {
      storage.rename(this.#childPath, path);
      this.#childPath = path;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }

  /** A job for the data set as it is now; frozen for the child, or live. */
  #job(kind: "rdb" | "commands", path: string, isAofBase: boolean, frozen = false): SnapshotJob {
    const server = this.#server, { settings, keyspace } = server;
    const databases: SavedDatabase[] = keyspace.databases.map((db) => ({
      index: db.index,
      dict: db.dict,
      keys: keyspace.size(db),
      expires: db.expiry.count,
    }));
    let image = null;
    if (frozen) {
      const startUs = server.nowUs();
      image = server.memory.freeze(settings.cowMaxBytes);
      server.statistics.latestForkUs = Math.round(server.nowUs() - startUs);
      server.statistics.forks++;
      server.memory.control[CONTROL.keysTotal] = databases.reduce((sum, db) => sum + db.keys, 0);
    }
    return {
      kind,
      path,
      image,
      databases,
      isAofBase,
      replication: isAofBase ? null : server.replication.position,
      functions: this.functions.codes,
      nowMs: server.nowMs(),
      usedMemoryBytes: server.usedMemoryBytes,
      access: this.#savedAccess,
      lfuDecayMinutes: settings.lfuDecayTimeMinutes,
      timestampSeconds: settings.aofTimestampEnabled ? Math.floor(server.nowMs() / 1000) : null,
      compress: settings.rdbCompression,
      checksum: settings.rdbChecksum,
      fileId: isAofBase ? this.aof.baseFileId : null,
      keyDelayUs: settings.rdbKeySaveDelayMicroseconds,
      faults: server.diskFaults.active,
    };
  }

  /** Redis saves access stamps when the policy uses them. */
  get #savedAccess(): "none" | "idle" | "frequency" {
    const policy = this.#server.settings.maxmemoryPolicy;
    return policy.endsWith("lfu") ? "frequency" : policy.endsWith("lru") ? "idle" : "none";
  }

  #runInline(job: SnapshotJob): SnapshotResult {
    const host: JobHost = {
      keyWritten: () => {},
      sleepUs: (us) => blockThread(us / 1000),
      checkUsable: () => {},
    };
    const steps = runSnapshotJob(job, this.#server.memory, this.#server.storage, host);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  terminate(): void {
    this.#child.terminate();
    this.#process.terminate();
  }

  /** SHUTDOWN waits for no child. */
  callOffChild(): void {
    const { log } = this.#server;
    if (this.#running === "none") return;
    log.warning(
      this.#running === "rdb"
        ? "There is a child saving an .rdb. Killing it!"
        : "There is a child rewriting the AOF. Killing it!",
    );
    this.#cancelled = this.#running === "rdb";
    this.#child.cancel();
  }

  /** Ends the child as it is, and removes what it has written. */
  abandonChild(): void {
    if (this.#running === "none") return;
    this.#child.terminate();
    this.#removeQuietly(this.#childPath);
  }

  // ---- reloading -----------------------------------------------------------------------------------------------

  /** DEBUG RELOAD. Null, or why not. */
  reload(options: { save: boolean; flush: boolean; merge: boolean }): string | null {
    if (options.save) {
      const error = this.save();
      if (error !== null) return error;
    }
    if (options.flush) this.#emptyNow();
    return this.#loadNow(() => {
      const load = this.loading.openRdb(this.#rdbPath, options.merge, false);
      if (load !== null) this.loading.atOnce(load);
    });
  }

  #emptyNow(): void {
    const { keyspace, tracking } = this.#server;
    for (const db of keyspace.databases) keyspace.empty(db, false);
    tracking.flushed();
  }

  /** DEBUG LOADAOF. */
  loadAof(): string | null {
    const server = this.#server;
    if (this.aof.state === "on") this.aof.flush();
    this.aof.forgetManifest();
    this.#emptyNow();
    const { sink, stream } = server.propagator;
    server.propagator.sink = server.propagator.stream = null;
    try {
      const failure = this.#loadNow(() => {
        this.loading.resetReplay();
        this.loading.atOnce(this.loading.openAof(this.loading.readManifest(), false));
      });
      // The data is what the log holds.
      if (failure === null) server.keyspace.dirty = 0;
      return failure;
    } finally {
      server.propagator.sink = sink, server.propagator.stream = stream;
    }
  }

  #loadNow(load: () => void): string | null {
    const dirty = this.#server.keyspace.dirty;
    try {
      load();
      this.#server.keyspace.dirty = dirty;
      return null;
    } catch (error) {
      if (!(error instanceof LoadFailedError)) throw error;
      this.#server.log.warning(error.message);
      return "Error trying to load the RDB dump, check server logs.";
    }
  }

  // ---- DUMP and RESTORE ----------------------------------------------------------------------------------------

  dumpPayload(entry: Address): Uint8Array {
    return dumpPayload(this.#server.memory, entry, this.#server.settings.rdbCompression);
  }

  checkPayload(payload: Uint8Array): string | null {
    return isPayloadIntact(payload, !this.skipChecksum) ? null : BAD_PAYLOAD;
  }

  restorePayload(
    payload: Uint8Array,
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLength: number,
    expiresAtMs: number,
  ): string | null {
    const target = {
      keyspace: this.#server.keyspace,
      db,
      key: key.subarray(keyBytes, keyBytes + keyLength),
      keyLength,
      expiresAtMs,
      deep: this.sanitizesDeeply,
      sanitizations: 0,
    };
    const damage = loadPayload(payload, target);
    this.sanitizations += target.sanitizations;
    if (damage === "") return null;
    this.#server.log.verbose(`Internal error in RDB reading of a RESTORE payload -> ${damage}`);
    return BAD_FORMAT;
  }

  /** sanitize-dump-payload: `clients` means what clients send, and no file. */
  get sanitizesDeeply(): boolean {
    const level = this.#server.settings.sanitizeDumpPayload;
    return level === "yes" || (level === "clients" && !this.isLoading);
  }

  // ---- INFO ----------------------------------------------------------------------------------------------------

  resetStatistics(): void {
    this.saves =
      this.rewrites =
      this.sanitizations =
      this.aof.delayedSyncs =
        0;
  }

  /** The Persistence section, in Redis's order. */
  info(): [string, string | number][] {
    const server = this.#server, { memory, settings } = server, aof = this.aof, live = memory.cow.live;
    const running = this.#running, seconds = (ms: number) => Math.floor(ms / 1000);
    const elapsed = running === "none" ? -1 : seconds(server.nowMs() - this.#startedMs);
    const total = memory.control[CONTROL.keysTotal], processed = memory.control[CONTROL.keysProcessed];
    return [
      ["loading", this.isLoading ? 1 : 0],
      ["async_loading", 0],
      ["current_cow_peak", live ? memory.cow.copiedBytes : 0],
      ["current_cow_size", live ? memory.cow.copiedBytes : 0],
      ["current_cow_size_age", 0],
      ["current_fork_perc", live && total > 0 ? ((processed * 100) / total).toFixed(2) : "0.00"],
      ["current_save_keys_processed", live ? processed : 0],
      ["current_save_keys_total", live ? total : 0],
      ["rdb_changes_since_last_save", server.keyspace.dirty],
      ["rdb_bgsave_in_progress", running === "rdb" ? 1 : 0],
      ["rdb_last_save_time", seconds(this.lastSaveMs)],
      ["rdb_last_bgsave_status", this.#lastBgsaveOk ? "ok" : "err"],
      ["rdb_last_bgsave_time_sec", seconds(this.#lastBgsaveMs)],
      ["rdb_current_bgsave_time_sec", running === "rdb" ? elapsed : -1],
      ["rdb_saves", this.saves],
      ["rdb_last_cow_size", this.#lastRdbCowBytes],
      ["rdb_last_load_keys_expired", this.loading.lastKeysExpired],
      ["rdb_last_load_keys_loaded", this.loading.lastKeysLoaded],
      ["aof_enabled", aof.state === "off" ? 0 : 1],
      ["aof_rewrite_in_progress", running === "aof" || aof.rewriteInProgress ? 1 : 0],
      ["aof_rewrite_scheduled", this.#rewriteScheduled ? 1 : 0],
      ["aof_last_rewrite_time_sec", seconds(this.#lastRewriteMs)],
      ["aof_current_rewrite_time_sec", running === "aof" ? elapsed : -1],
      ["aof_last_bgrewrite_status", aof.lastRewriteOk ? "ok" : "err"],
      ["aof_rewrites", this.rewrites],
      ["aof_rewrites_consecutive_failures", aof.rewriteFailures],
      ["aof_last_write_status", aof.writeError === null ? "ok" : "err"],
      ["aof_last_cow_size", this.#lastAofCowBytes],
      ["module_fork_in_progress", 0],
      ["module_fork_last_cow_size", 0],
      ...(settings.appendonly ? this.#aofInfo() : []),
      ...this.#loadingInfo(),
    ];
  }

  #aofInfo(): [string, string | number][] {
    const aof = this.aof;
    return [
      ["aof_current_size", aof.currentBytes],
      ["aof_base_size", aof.baseBytes],
      ["aof_pending_rewrite", aof.state === "waiting" ? 1 : 0],
      ["aof_buffer_length", aof.pendingBytes],
      ["aof_pending_bio_fsync", aof.syncInFlight ? 1 : 0],
      ["aof_delayed_fsync", aof.delayedSyncs],
      ["aof_offset", aof.appendedBytes],
      ["aof_durable_offset", aof.durableBytes],
      ["aof_needs_fresh_generation", aof.needsFreshGeneration ? 1 : 0],
    ];
  }

  #loadingInfo(): [string, string | number][] {
    const load = this.loading.current;
    if (load === null) return [];
    const nowMs = this.#server.nowMs(),
      elapsedSeconds = Math.max(1, Math.floor((nowMs - this.loading.startedMs) / 1000));
    const share = load.totalBytes > 0 ? load.loadedBytes / load.totalBytes : 0;
    const eta = share > 0 ? Math.floor((elapsedSeconds / share) * (1 - share)) : 1;
    return [
      ["loading_start_time", Math.floor(this.loading.startedMs / 1000)],
      ["loading_total_bytes", load.totalBytes],
      ["loading_rdb_used_mem", 0],
      ["loading_loaded_bytes", load.loadedBytes],
      ["loading_loaded_perc", (share * 100).toFixed(2)],
      ["loading_eta_seconds", eta],
    ];
  }
}

/** Frees what was there before, in the same slices, before it loads: a replica need not have room for two data sets. */
class LoadIntoEmptied {
  readonly #load: RdbFileLoad;
  readonly #old: LazyFree;

  constructor(load: RdbFileLoad, old: LazyFree) {
    this.#load = load, this.#old = old;
  }

  get loadedBytes(): number {
    return this.#load.loadedBytes;
  }

  get totalBytes(): number {
    return this.#load.totalBytes;
  }

  get isWaiting(): boolean {
    return this.#load.isWaiting;
  }

  step(budgetBytes: number): boolean {
    if (!this.#old.isIdle) return this.#old.step(FREED_BLOCKS_PER_STEP), false;
    return this.#load.step(budgetBytes);
  }
}

function failureText(result: SnapshotResult, error: string): string {
  return !result.ok && result.signal !== undefined ? error : `error: ${error}`;
}

function isOnPurpose(result: SnapshotResult): boolean {
  return !result.ok && result.signal === USER_SIGNAL;
}

function withOnly({ data, functions }: SavedContent, job: SnapshotJob): SnapshotJob {
  return { ...job, databases: data ? job.databases : [], functions: functions ? job.functions : [] };
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

function listed(storage: { list(path: string): string[]; exists(path: string): boolean }, path: string): string[] {
  return storage.exists(path) ? storage.list(path) : [];
}
