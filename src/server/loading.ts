/**
 * Loading the data set: at start, in slices between which clients get their LOADING replies, and for DEBUG RELOAD and LOADAOF at once.
 *
 * What is loaded is never expired, evicted or logged on the way. A file that cannot be loaded is left as it is.
 */
import { blockThread } from "../io/clock.ts";
import type { FileHandle, Storage } from "../io/storage.ts";
import { AofLoad, type BaseLoad } from "../persistence/aof/aof_loader.ts";
import { AofManifest, ManifestCorruptError, persistManifest, readManifest } from "../persistence/aof/aof_manifest.ts";
import { type RdbCorruptError, RdbLoad } from "../persistence/rdb/rdb_loader.ts";
import type { Args } from "../resp/args.ts";
import type { Client } from "./client.ts";
import type { StreamPosition } from "./replication/replication.ts";
import type { Server } from "./server.ts";

/** Time that one slice of loading may take before clients get their turn, which takes little. */
const SLICE_US = 20_000;
const HISTORY_ID = /^[0-9a-f]{40}$/;
const STEP_BYTES = 256 * 1024;
const CHECKSUM_BYTES = 8;
/** From this size on the thread that computes a file's CRC is done long before the file is loaded. */
const SUMMED_BESIDE_BYTES_MIN = 32 << 20;
const WAIT_MS = 1;

/** Something that is loaded step by step. `isWaiting`: a step has nothing to do before others have done their part. */
interface Steps {
  step(budgetBytes: number): boolean;
  readonly loadedBytes: number;
  readonly totalBytes: number;
  readonly isWaiting: boolean;
}

const ADVICE =
  "The file is untouched: restore it from a backup, or move it away to start empty; `deno task check` says more, and repairs a copy.";

/** The data set cannot be loaded: the server says why and exits with 1. */
export class LoadFailedError extends Error {
  override name = "LoadFailedError";
}

export class Loading {
  readonly #server: Server;
  /** The load under way, for INFO. */
  current: { loadedBytes: number; totalBytes: number } | null = null;
  startedMs = 0;
  lastKeysLoaded = 0;
  lastKeysExpired = 0;
  /** Where the last dump was cut in a replication stream; null when it does not say. */
  lastPosition: StreamPosition | null = null;
  /** Told of each key of a dump that is not loaded as it has expired, and of where that dump was cut. */
  onExpired: (position: StreamPosition | null, database: number, key: Uint8Array) => void = () => {};
  lastAofBytes = { currentBytes: 0, baseBytes: 0 };
  #replayClient: Client | null = null;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Runs steps until done, a slice at a time. @throws {LoadFailedError} */
  async inSlices(load: Steps): Promise<void> {
    this.#begin(load);
    const server = this.#server;
    try {
      while (!this.#slice(load)) {
        if (server.isStopped) return;
        await new Promise<void>((resolve) => server.clock.setTimer(load.isWaiting ? WAIT_MS : 0, resolve));
        server.keyspace.expiryEnabled = false;
      }
    } finally {
      this.#end();
    }
  }

  /** Runs all steps at once. @throws {LoadFailedError} */
  atOnce(load: Steps): void {
    this.#begin(load);
    try {
      while (!load.step(STEP_BYTES));
    } catch (error) {
      throw this.#explained(error);
    } finally {
      this.#end();
    }
  }

  #begin(load: { loadedBytes: number; totalBytes: number }): void {
    const server = this.#server;
    this.current = load;
    this.startedMs = server.nowMs();
    server.keyspace.expiryEnabled = false;
    // What is loaded counts as used now.
    server.commandTimeMs(server.nowUs());
    server.updateGates();
  }

  #end(): void {
    this.current = null;
    this.#server.keyspace.expiryEnabled = true;
    this.#server.updateGates();
  }

  #slice(load: Steps): boolean {
    const server = this.#server, nowUs = server.nowUs(), untilUs = nowUs + SLICE_US;
    server.commandTimeMs(nowUs);
    // With a delay for each key (a test's) a step is a key.
    const budget = server.settings.keyLoadDelayMicroseconds !== 0 ? 1 : STEP_BYTES;
    try {
      do if (load.step(budget)) return true; while (!load.isWaiting && server.nowUs() < untilUs);
    } catch (error) {
      throw this.#explained(error);
    }
    return false;
  }

  #explained(error: unknown): unknown {
    if (!(error instanceof Error)) return error;
    const known = [
      "RdbCorruptError",
      "RdbTruncatedError",
      "AofLoadError",
      "StorageError",
      "StorageSyncError",
      "OutOfArenaError",
    ];
    return known.includes(error.name) ? new LoadFailedError(error.message) : error;
  }

  // ---- RDB -----------------------------------------------------------------------------------------------------

  /** The dump file, ready to load, at once or in slices; null when there is none. @throws {LoadFailedError} */
  openRdb(path: string, merge: boolean, inSlices: boolean): RdbFileLoad | null {
    const server = this.#server;
    if (!server.storage.exists(path)) return null;
    try {
      const file = server.storage.open(path, "read");
      return new RdbFileLoad(
        server.storage,
        file,
        path,
        this.#rdbLoad(file, path, server.storage.size(file), { isAofBase: false, merge, inSlices }),
        this,
      );
    } catch (error) {
      throw this.#explained(error);
    }
  }

  #rdbLoad(
    file: FileHandle,
    path: string,
    totalBytes: number,
    { isAofBase, merge, inSlices }: { isAofBase: boolean; merge: boolean; inSlices: boolean },
  ): RdbLoad {
    const server = this.#server, verifyChecksum = server.settings.rdbChecksum && !server.persistence.skipChecksum;
    const isSummedBeside = inSlices && verifyChecksum && totalBytes >= SUMMED_BESIDE_BYTES_MIN;
    return new RdbLoad(path, (offset, into) => server.storage.read(file, offset, into), totalBytes, {
      keyspace: server.keyspace,
      nowMs: server.nowMs(),
      // On a replica what has expired stays until the master deletes it.
      keepExpired: isAofBase || server.replication.isReplica || server.settings.replicaof !== "",
      verifyChecksum,
      fileSum: isSummedBeside ? server.persistence.sumFile(file.path, totalBytes - CHECKSUM_BYTES) : null,
      usesLfu: server.usesLfu,
      deep: server.settings.sanitizeDumpPayload === "yes",
      functions: server.persistence.functions,
      merge,
      log: (text) => server.log.notice(text),
      warn: (text) => server.log.warning(text),
      onDone: (load) => this.#loaded(load),
      onKey: () => this.#delay(),
      onExpired: (load, database, key) => this.onExpired(positionOf(load), database, key),
    });
  }

  /** A dump or a base has been loaded: keeps what INFO says of it. */
  #loaded(load: RdbLoad): void {
    const { keysLoaded, keysExpired, emptyKeysSkipped } = load, server = this.#server;
    this.lastKeysLoaded = keysLoaded, this.lastKeysExpired = keysExpired;
    this.lastPosition = positionOf(load);
    server.persistence.sanitizations += load.sanitizations;
    const text = `Done loading RDB, keys loaded: ${keysLoaded}, keys expired: ${keysExpired}`;
    if (emptyKeysSkipped === 0) server.log.notice(`${text}.`);
    else server.log.warning(`${text}, empty keys skipped: ${emptyKeysSkipped}.`);
  }

  reportDamage(reason: string, offsetBytes: number): void {
    this.#server.log.warning(`Internal error in RDB reading offset ${offsetBytes} -> ${reason}`);
  }

  #delay(): void {
    const delayUs = this.#server.settings.keyLoadDelayMicroseconds;
    if (delayUs > 0) blockThread(delayUs / 1000);
  }

  // ---- AOF -----------------------------------------------------------------------------------------------------

  /** The manifest on disk; an empty one when there is none. An old single file is moved into the directory first. @throws {LoadFailedError} */
  readManifest(): AofManifest {
    const { storage, persistence: { aof } } = this.#server;
    try {
      return this.#upgraded(readManifest(storage, aof.directory, aof.manifestName));
    } catch (error) {
      if (!(error instanceof ManifestCorruptError)) throw this.#explained(error);
      const where = error.lineNumber > 0
        ? `Reading the manifest file, at line ${error.lineNumber}\n>>> '${error.line}'\n`
        : "";
      throw new LoadFailedError(
        `\n*** FATAL AOF MANIFEST FILE ERROR ***\n${where}${error.message} (${aof.directory}/${aof.manifestName})`,
      );
    }
  }

  /** A log of Redis before 7 is one file beside the dump: it becomes the base. */
  #upgraded(manifest: AofManifest): AofManifest {
    const server = this.#server, { storage, settings } = server, aof = server.persistence.aof;
    const name = settings.appendfilename, oldPath = `${settings.dir}/${name}`;
    const isOnlyOldFile = manifest.base?.name === name && manifest.increments.length === 0;
    if (
      !storage.exists(oldPath) || !(manifest.isEmpty || (isOnlyOldFile && !storage.exists(`${aof.directory}/${name}`)))
    ) return manifest;
    server.log.notice("Found an old-style AOF, converting it to a multi part AOF");
    aof.ensureDirectory();
    const next = new AofManifest();
    next.base = { name, sequence: next.baseSequence = 1 };
    persistManifest(storage, aof.directory, aof.manifestName, next);
    storage.rename(oldPath, `${aof.directory}/${name}`);
    storage.syncDirectory(aof.directory);
    storage.syncDirectory(settings.dir);
    server.log.notice(
      `Successfully migrated an old-style AOF configuration (${name}) into the AOF directory (${settings.appenddirname}).`,
    );
    return next;
  }

  /** The files of a manifest, ready to load, at once or in slices. @throws {LoadFailedError} */
  openAof(manifest: AofManifest, inSlices: boolean): AofLoad {
    const server = this.#server;
    try {
      return new AofLoad({
        storage: server.storage,
        directory: server.persistence.aof.directory,
        manifest,
        loadTruncated: server.settings.aofLoadTruncated,
        nowUs: () => server.nowUs(),
        loadRdb: (file, totalBytes): BaseLoad =>
          this.#rdbLoad(file, "", totalBytes, { isAofBase: true, merge: false, inSlices }),
        execute: (args) => this.#execute(args),
        log: (level, text) => server.log.log(level, text),
      });
    } catch (error) {
      throw this.#explained(error);
    }
  }

  #execute(args: Args): boolean {
    const server = this.#server;
    if (isFunctionLoad(args)) {
      server.persistence.functions.add(args.slice(args.count - 1).slice());
      return true;
    }
    const client = this.#replayClient ??= server.createReplayClient();
    this.#delay();
    const command = server.table.find(args.bytes, args.offsets[0], args.lengths[0]);
    if (command === undefined) return false;
    const target = command.subcommands === null ? command : command.subcommands.get(args.latin1(1).toLowerCase());
    if (target === undefined) return false;
    server.dispatcher.callNested(client, target, args);
    client.reply.truncate(0);
    return true;
  }

  /** A replay starts in database 0. */
  resetReplay(): void {
    if (this.#replayClient !== null) this.#replayClient.db = this.#server.keyspace.databases[0];
  }
}

/** Function libraries are kept and not run, so FUNCTION LOAD is a line of a log, and no command yet. */
function isFunctionLoad(args: Args): boolean {
  return args.count >= 3 && args.equalsIgnoreCase(0, "function") && args.equalsIgnoreCase(1, "load");
}

function positionOf({ streamDatabase, streamId, streamOffset }: RdbLoad): StreamPosition | null {
  return HISTORY_ID.test(streamId) && streamOffset >= 0
    ? { database: streamDatabase, id: streamId, offset: streamOffset }
    : null;
}

/** A dump file being loaded; closes itself at the end. */
export class RdbFileLoad {
  readonly #storage: Storage;
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #load: RdbLoad;
  readonly #loading: Loading;

  constructor(storage: Storage, file: FileHandle, path: string, load: RdbLoad, loading: Loading) {
    this.#storage = storage, this.#file = file, this.#path = path, this.#load = load, this.#loading = loading;
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
    try {
      if (!this.#load.step(budgetBytes)) return false;
    } catch (error) {
      if (error instanceof Error && error.name.startsWith("Rdb")) {
        const { message, offsetBytes } = error as RdbCorruptError;
        this.#storage.close(this.#file);
        this.#loading.reportDamage(message, offsetBytes);
        throw new LoadFailedError(`Cannot load "${this.#path}": ${message} (at offset ${offsetBytes}). ${ADVICE}`);
      }
      throw error;
    }
    this.#storage.close(this.#file);
    return true;
  }
}
