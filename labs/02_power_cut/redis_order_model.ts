/**
 * RedisOrderModel: the file operations of Redis 7.0.15's append-only log, in Redis's order, on a simulated disk; and Redis's rules of loading.
 *
 *   execute ─> aof_buf ─beforeSleep─> write ─> fsync (always: at once; everysec: bio thread)      flushAppendOnlyFile
 *   rewrite ─> flush ─> new INCR ─> manifest (temp, fsync, rename, directory fsync) ─> old INCR to the bio thread, fork
 *                                     rewriteAppendOnlyFileBackground, openNewIncrAofForAppend, persistAofManifest
 *   child   ─> base under its final name ─> manifest ─> history unlinked                          backgroundRewriteDoneHandler
 *
 * It models the order of operations and the rules of loadAppendOnlyFiles, no more: SET, INCR, APPEND, MULTI; one database; bases in AOF
 * format (aof-use-rdb-preamble no), so that a real redis-server loads what it leaves. WAITAOF is not in 7.0: its accounting is that of
 * Redis 7.4 (redis/redis#12622), which #13793 corrected. The names of its methods are those of the C functions, whose order they keep.
 */
import {
  type Clock,
  encodeCommand,
  type FileHandle,
  readWhole,
  type SimulatedDisk,
  StorageError,
  writeFully,
} from "../../src/mod.ts";
import { AofParse, type LoadResult } from "./redis_aof_parse.ts";

interface AofInfo {
  readonly name: string;
  readonly sequence: number;
}

interface Manifest {
  base: AofInfo | null;
  incr: AofInfo[];
  history: AofInfo[];
  baseSequence: number;
  incrSequence: number;
}

export type Fsync = "always" | "everysec" | "no";
export type Data = Map<string, string>;

const DIRECTORY = "appendonlydir", NAME = "appendonly.aof", PID = 1;
const MANIFEST = `${DIRECTORY}/${NAME}.manifest`, TEMP_MANIFEST = `${DIRECTORY}/temp-${NAME}.manifest`;
const TEMP_BASE = `temp-rewriteaof-bg-${PID}.aof`;
const POSTPONED_SECONDS_MAX = 2;
const encoder = new TextEncoder(), decoder = new TextDecoder();

export class RedisOrderModel {
  readonly data: Data = new Map();
  readonly #disk: SimulatedDisk;
  readonly #clock: Clock;
  readonly #fsync: Fsync;
  #manifest: Manifest = { base: null, incr: [], history: [], baseSequence: 0, incrSequence: 0 };
  #aofFd: FileHandle | null = null;
  #aofBuf: Uint8Array = new Uint8Array(0);
  #selectedDb = -1;
  #lastIncrSize = 0;
  #lastIncrFsyncOffset = 0;
  #lastFsync = 0;
  #flushPostponedStart = 0;
  /** Jobs of the BIO_AOF_FSYNC thread. */
  #pendingFsyncs = 0;
  #lastWriteFailed = false;
  /** What the fork gave to the child that rewrites. */
  #forked: Data | null = null;
  #masterReplOffset = 0;
  #fsyncedReploffPending = 0;

  constructor(disk: SimulatedDisk, clock: Clock, fsync: Fsync) {
    this.#disk = disk, this.#clock = clock, this.#fsync = fsync;
    this.#lastFsync = this.#unixtime;
  }

  get #unixtime(): number {
    return Math.floor(this.#clock.nowMs() / 1000);
  }

  /** Writes are refused: MISCONF. */
  get isRefusing(): boolean {
    return this.#lastWriteFailed;
  }

  // ---- start ---------------------------------------------------------------------------------------------------

  /** loadAppendOnlyFiles, then aofOpenIfNeededOnServerStart. Null, or why it exits. */
  start(): string | null {
    const loaded = loadAppendOnlyFiles(this.#disk);
    if (loaded.refusal !== null) return loaded.refusal;
    for (const [key, value] of loaded.data) this.data.set(key, value);
    this.#manifest = loaded.manifest;
    this.#openOnServerStart();
    return null;
  }

  #openOnServerStart(): void {
    const disk = this.#disk, manifest = this.#manifest;
    if (!disk.exists(DIRECTORY)) disk.makeDirectory(DIRECTORY);
    if (manifest.base === null && manifest.incr.length === 0) {
      const base = this.#newBaseName(manifest);
      this.#rewriteAppendOnlyFile(this.data, `${DIRECTORY}/${base.name}`);
    }
    const last = manifest.incr.at(-1) ?? this.#newIncrName(manifest);
    this.#aofFd = disk.open(`${DIRECTORY}/${last.name}`, "append");
    this.#persistAofManifest(manifest);
    this.#lastIncrSize = this.#lastIncrFsyncOffset = disk.size(this.#aofFd);
  }

  // ---- writing -------------------------------------------------------------------------------------------------

  /** call, then feedAppendOnlyFile. */
  execute(words: readonly string[]): void {
    apply(this.data, words);
    const select = this.#selectedDb === 0 ? [] : [encodeCommand(["SELECT", "0"])];
    this.#selectedDb = 0;
    const command = encodeCommand(words);
    this.#aofBuf = joined([this.#aofBuf, ...select, command]);
    this.#masterReplOffset += command.length;
  }

  /** A turn of the event loop ends: the log is written, and the replies go out whatever became of that. */
  beforeSleep(): void {
    this.#flushAppendOnlyFile(false);
  }

  /** serverCron: a flush that was postponed, or failed, is tried again; the turn it is in ends with beforeSleep. */
  cron(): void {
    if (this.#flushPostponedStart !== 0 || this.#lastWriteFailed) this.#flushAppendOnlyFile(false);
    this.beforeSleep();
  }

  /** WAITAOF 1 0 for all that was executed so far. @returns whether it would reply now that this server has that on disk */
  waitaof(): () => boolean {
    const offset = this.#masterReplOffset;
    return () => this.#fsyncedReploffPending >= offset;
  }

  #flushAppendOnlyFile(force: boolean): void {
    let isSyncInProgress = false;
    const everysec = this.#fsync === "everysec";
    if (this.#aofBuf.length === 0) {
      const isDirty = this.#lastIncrFsyncOffset !== this.#lastIncrSize;
      if (everysec && isDirty && this.#unixtime > this.#lastFsync && !(isSyncInProgress = this.#pendingFsyncs > 0)) {
        return this.#tryFsync(isSyncInProgress);
      }
      if (this.#fsync === "always" && isDirty) return this.#tryFsync(isSyncInProgress);
      // 7.4: "all data is fsync'd already", which nobody has checked.
      if (!isSyncInProgress && this.#fsync !== "no") this.#fsyncedReploffPending = this.#masterReplOffset;
      return;
    }
    if (everysec) isSyncInProgress = this.#pendingFsyncs > 0;
    if (everysec && !force && isSyncInProgress && this.#postpones()) return;
    const written = this.#aofWrite(this.#aofFd!, this.#aofBuf);
    this.#flushPostponedStart = 0;
    if (written !== this.#aofBuf.length) return this.#writeFailed(written);
    this.#lastWriteFailed = false;
    this.#lastIncrSize += written;
    this.#aofBuf = new Uint8Array(0);
    this.#tryFsync(isSyncInProgress);
  }

  #postpones(): boolean {
    if (this.#flushPostponedStart === 0) {
      this.#flushPostponedStart = this.#unixtime;
      return true;
    }
    return this.#unixtime - this.#flushPostponedStart < POSTPONED_SECONDS_MAX;
  }

  /** Bytes written; -1 when none were. */
  #aofWrite(fd: FileHandle, bytes: Uint8Array): number {
    let written = 0;
    try {
      while (written < bytes.length) written += this.#disk.write(fd, bytes, written, bytes.length);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return written > 0 ? written : -1;
    }
    return written;
  }

  /** The part is cut off, and the buffer kept for the next flush: the commands in it have been executed, and are answered. */
  #writeFailed(written: number): void {
    if (this.#fsync === "always") throw new Error("exit(1): can't recover from AOF write error");
    this.#lastWriteFailed = true;
    if (written > 0) this.#disk.truncate(this.#aofFd!, this.#lastIncrSize);
  }

  #tryFsync(isSyncInProgress: boolean): void {
    if (this.#fsync === "always") {
      this.#disk.sync(this.#aofFd!);
      this.#lastIncrFsyncOffset = this.#lastIncrSize, this.#lastFsync = this.#unixtime;
      this.#fsyncedReploffPending = this.#masterReplOffset;
    } else if (this.#fsync === "everysec" && this.#unixtime > this.#lastFsync) {
      if (!isSyncInProgress) {
        this.#aofBackgroundFsync(this.#aofFd!);
        this.#lastIncrFsyncOffset = this.#lastIncrSize;
      }
      this.#lastFsync = this.#unixtime;
    }
  }

  /** bioCreateFsyncJob: the thread BIO_AOF_FSYNC. */
  #aofBackgroundFsync(fd: FileHandle): void {
    const offset = this.#masterReplOffset;
    this.#pendingFsyncs++;
    this.#disk.syncInBackground(fd).then(() => void (this.#fsyncedReploffPending = offset), () => {}).finally(() =>
      this.#pendingFsyncs--
    );
  }

  /** bioCreateCloseJob with need_fsync: another thread, BIO_CLOSE_FILE, which waits for nobody. */
  #aofBackgroundFsyncAndClose(fd: FileHandle): void {
    this.#disk.syncInBackground(fd).catch(() => {}).finally(() => this.#disk.close(fd));
  }

  // ---- rewriting -----------------------------------------------------------------------------------------------

  /** rewriteAppendOnlyFileBackground: BGREWRITEAOF up to the fork. */
  rewrite(): void {
    this.#selectedDb = -1;
    this.#flushAppendOnlyFile(true);
    if (this.#openNewIncrAofForAppend()) this.#forked = new Map(this.data);
  }

  #openNewIncrAofForAppend(): boolean {
    const disk = this.#disk, manifest = copyOf(this.#manifest), incr = this.#newIncrName(manifest);
    let fd: FileHandle;
    try {
      fd = disk.open(`${DIRECTORY}/${incr.name}`, "create");
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return false;
    }
    if (!this.#persistAofManifest(manifest)) {
      disk.close(fd);
      return false;
    }
    this.#aofBackgroundFsyncAndClose(this.#aofFd!);
    this.#lastFsync = this.#unixtime;
    this.#aofFd = fd;
    this.#lastIncrSize = this.#lastIncrFsyncOffset = 0;
    this.#manifest = manifest;
    return true;
  }

  /** The child writes its file and ends; then the parent's backgroundRewriteDoneHandler. */
  childEnds(): void {
    if (this.#forked === null) return;
    this.#rewriteAppendOnlyFile(this.#forked, TEMP_BASE);
    this.#forked = null;
    this.#backgroundRewriteDoneHandler();
  }

  #backgroundRewriteDoneHandler(): void {
    const disk = this.#disk, manifest = copyOf(this.#manifest), base = this.#newBaseName(manifest);
    disk.rename(TEMP_BASE, `${DIRECTORY}/${base.name}`);
    markRewrittenIncrAofAsHistory(manifest);
    if (!this.#persistAofManifest(manifest)) return disk.remove(`${DIRECTORY}/${base.name}`);
    this.#manifest = manifest;
    this.#aofDelHistoryFiles();
  }

  #aofDelHistoryFiles(): void {
    for (const { name } of this.#manifest.history) this.#disk.remove(`${DIRECTORY}/${name}`);
    this.#manifest.history = [];
    this.#persistAofManifest(this.#manifest);
  }

  /** Temporary file, fsync, rename: a file that has this name is whole and durable. */
  #rewriteAppendOnlyFile(data: Data, path: string): void {
    const disk = this.#disk, tempPath = `temp-rewriteaof-${PID}.aof`, fd = disk.open(tempPath, "create");
    const commands = data.size === 0 ? [] : [encodeCommand(["SELECT", "0"])];
    for (const [key, value] of data) commands.push(encodeCommand(["SET", key, value]));
    const bytes = joined(commands);
    writeFully(disk, fd, bytes, 0, bytes.length);
    disk.sync(fd);
    disk.close(fd);
    disk.rename(tempPath, path);
  }

  /** persistAofManifest and writeAofManifestFile. False when any step fails, the last one included. */
  #persistAofManifest(manifest: Manifest): boolean {
    const disk = this.#disk, bytes = encoder.encode(textOf(manifest));
    try {
      const fd = disk.open(TEMP_MANIFEST, "create");
      try {
        writeFully(disk, fd, bytes, 0, bytes.length);
        disk.sync(fd);
        disk.rename(TEMP_MANIFEST, MANIFEST);
        disk.syncDirectory(DIRECTORY);
      } finally {
        disk.close(fd);
      }
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return false;
    }
    return true;
  }

  #newBaseName(manifest: Manifest): AofInfo {
    if (manifest.base !== null) manifest.history.unshift(manifest.base);
    const sequence = ++manifest.baseSequence;
    return manifest.base = { name: `${NAME}.${sequence}.base.aof`, sequence };
  }

  #newIncrName(manifest: Manifest): AofInfo {
    const sequence = ++manifest.incrSequence, incr = { name: `${NAME}.${sequence}.incr.aof`, sequence };
    manifest.incr.push(incr);
    return incr;
  }
}

/** What a command does to the data. */
export function apply(data: Data, [name, key, value]: readonly string[]): void {
  if (name === "SET") data.set(key, value);
  else if (name === "INCR") data.set(key, String(Number(data.get(key) ?? "0") + 1));
  else if (name === "APPEND") data.set(key, (data.get(key) ?? "") + value);
}

export interface Loaded {
  readonly data: Data;
  readonly manifest: Manifest;
  /** What Redis logs before it exits. */
  readonly refusal: string | null;
}

/** Loads as Redis does, truncation of files included. */
export function loadAppendOnlyFiles(disk: SimulatedDisk): Loaded {
  const data: Data = new Map(), manifest = readManifest(disk);
  const refused = (refusal: string): Loaded => ({ data, manifest, refusal });
  const files = [...manifest.base === null ? [] : [manifest.base], ...manifest.incr];
  const missing = files.find(({ name }) => !disk.exists(`${DIRECTORY}/${name}`));
  if (missing !== undefined) return refused(`The AOF file ${missing.name} doesn't exist`);
  for (const [i, { name }] of files.entries()) {
    const result = loadSingleAppendOnlyFile(disk, `${DIRECTORY}/${name}`, data);
    if (result === "failed") return refused(`Bad file format reading the append only file ${name}`);
    // The file has been cut already.
    if (result === "truncated" && i < files.length - 1) {
      return refused(`Fatal error: the truncated file is not the last file (${name})`);
    }
  }
  return { data, manifest, refusal: null };
}

function loadSingleAppendOnlyFile(disk: SimulatedDisk, path: string, data: Data): LoadResult {
  const { result, validUpTo } = new AofParse(readWhole(disk, path), (words) => apply(data, words)).run();
  if (result !== "truncated") return result;
  const fd = disk.open(path, "update");
  disk.truncate(fd, validUpTo);
  disk.close(fd);
  return result;
}

function readManifest(disk: SimulatedDisk): Manifest {
  const manifest: Manifest = { base: null, incr: [], history: [], baseSequence: 0, incrSequence: 0 };
  if (!disk.exists(MANIFEST)) return manifest;
  for (const line of decoder.decode(readWhole(disk, MANIFEST)).split("\n")) {
    const [, name, , number, , type] = line.split(" "), sequence = Number(number);
    if (type === "b") manifest.base = { name, sequence }, manifest.baseSequence = sequence;
    else if (type === "i") manifest.incr.push({ name, sequence }), manifest.incrSequence = sequence;
    else if (type === "h") manifest.history.push({ name, sequence });
  }
  return manifest;
}

function textOf({ base, history, incr }: Manifest): string {
  const lines = (files: readonly AofInfo[], type: string) =>
    files.map(({ name, sequence }) => `file ${name} seq ${sequence} type ${type}\n`).join("");
  return lines(base === null ? [] : [base], "b") + lines(history, "h") + lines(incr, "i");
}

function copyOf(manifest: Manifest): Manifest {
  return { ...manifest, incr: [...manifest.incr], history: [...manifest.history] };
}

/** All increments but the last, newest first. */
function markRewrittenIncrAofAsHistory(manifest: Manifest): void {
  const rewritten = manifest.incr.splice(0, manifest.incr.length - 1);
  for (const incr of rewritten.reverse()) manifest.history.unshift(incr);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) whole.set(part, at), at += part.length;
  return whole;
}
