/**
 * SimulatedDisk: a Storage that loses power. Processes see the cache; what a power cut leaves is chosen among what the profile allows
 * (crash_states.ts), and operations fail as a plan says (fault.ts).
 *
 *   const disk = new SimulatedDisk({ profile: "strict" });
 *   ... write, sync, rename ...
 *   for (const outcome of disk.crashStates().systematic()) recoverFrom(disk.afterCrash(outcome));
 *
 * Invariants: deterministic; a fork shares pages with its origin and neither changes the other; handles belong to one process on one
 * disk, so a fork, which is what a dead process leaves, has none. It never reads the machine's clock and never touches its files.
 */
import { type Clock, ManualClock } from "../clock.ts";
import {
  type FileHandle,
  type FileStatus,
  type OpenMode,
  type Storage,
  storageError,
  type StorageOperation,
} from "../storage.ts";
import { type CrashOutcome, CrashStates } from "./crash_states.ts";
import { DiskCore } from "./disk_core.ts";
import { type DiskImage, type NodeId, ROOT } from "./disk_image.ts";
import type { DiskProfile } from "./effect.ts";
import type { DiskOperation, Fault, FaultSource } from "./fault.ts";
import { type LoggedOperation, type TimelineEntry, timelineOf } from "./operation_log.ts";
import { type DiskGeometry, USUAL_GEOMETRY } from "./page.ts";

export interface SimulatedDiskOptions {
  readonly profile?: DiskProfile;
  readonly geometry?: DiskGeometry;
  /** For syncs that hang, and for the log. */
  readonly clock?: Clock;
  readonly faults?: FaultSource;
  /** Bytes that files may hold together; more is ENOSPC. */
  readonly capacityBytes?: number;
}

const NEVER = new Promise<never>(() => {});
const NO_FAULTS: FaultSource = { next: () => null };

class SimulatedFile implements FileHandle {
  readonly path: string;
  readonly disk: SimulatedDisk;
  readonly node: NodeId;
  readonly mode: OpenMode;
  positionBytes = 0;
  isClosed = false;
  /** Errors of writing back that this open file need not hear of any more. */
  errorsHeard: number;

  constructor(disk: SimulatedDisk, path: string, node: NodeId, mode: OpenMode, errorsHeard: number) {
    this.disk = disk, this.path = path, this.node = node, this.mode = mode, this.errorsHeard = errorsHeard;
  }
}

/** A place in the tree: the directory, the name in it, and what has that name. */
interface Place {
  readonly directory: NodeId;
  readonly name: string;
  readonly node: NodeId | undefined;
}

export class SimulatedDisk implements Storage {
  faults: FaultSource;
  /** Called before each operation that may change what a crash leaves, and before the end of a sync in the background. */
  onOperation: (operation: DiskOperation) => void = () => {};
  /** Called when a sync in the foreground hangs: time passes and nothing else happens. */
  onStall: (ms: number) => void = () => {};
  capacityBytes: number;
  isReadOnly = false;
  readonly #core: DiskCore;
  readonly #clock: Clock;
  readonly #open = new Set<SimulatedFile>();
  #number = 0;
  #isAbandoned = false;
  #log: LoggedOperation | null = null;

  constructor(options: SimulatedDiskOptions = {}, core?: DiskCore) {
    this.#clock = options.clock ?? new ManualClock();
    this.faults = options.faults ?? NO_FAULTS;
    this.capacityBytes = options.capacityBytes ?? Infinity;
    this.#core = core ?? DiskCore.empty(options.geometry ?? USUAL_GEOMETRY, options.profile ?? "strict");
  }

  get sectorBytes(): number {
    return this.#core.geometry.sectorBytes;
  }

  get profile(): DiskProfile {
    return this.#core.rules.profile;
  }

  /** Operations so far that changed or synced something: the number of the next one. */
  get operations(): number {
    return this.#number;
  }

  // ---- crashes -------------------------------------------------------------------------------------------------

  /** What a power cut may leave now. */
  crashStates(): CrashStates {
    const { effects, durable, geometry } = this.#core;
    const durableSectors = effects.map((effect) => {
      if (effect.kind !== "page") return 0;
      return (durable.file(effect.node).sizeBytes - effect.number * geometry.pageBytes) / geometry.sectorBytes;
    });
    return new CrashStates(this.profile, effects.slice(), durableSectors);
  }

  /** Another disk: what one of `crashStates()` leaves, without faults. This one goes on as if nothing had happened. */
  afterCrash(outcome: CrashOutcome): SimulatedDisk {
    const after = outcome.kind === "kill" ? this.fork() : this.#with(this.#core.afterPowerCut(outcome.choices));
    after.#note(outcome.kind === "kill" ? "kill" : "power cut", "", null);
    return after;
  }

  /** The process that used this disk is dead: what it had asked for in the background is not done, and never comes back. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** Another disk as this one would be if its process died now; nothing about that is in its log. */
  fork(): SimulatedDisk {
    const core = this.#core.fork();
    core.prune([]);
    return this.#with(core);
  }

  #with(core: DiskCore): SimulatedDisk {
    const other = new SimulatedDisk({ clock: this.#clock, capacityBytes: this.capacityBytes }, core);
    other.#number = this.#number, other.#log = this.#log;
    return other;
  }

  /** A hash of all that may matter later, as two words: for what is left after a power cut, of names and contents. */
  hash(): { low: number; high: number } {
    return this.#core.hash();
  }

  /** What was done so far, with what would be lost now. */
  timeline(): TimelineEntry[] {
    const states = new Map<number, "pending" | "lost">();
    for (const { operation, isLost } of this.#core.effects) {
      if (states.get(operation) !== "pending") states.set(operation, isLost ? "lost" : "pending");
    }
    return timelineOf(this.#log, states);
  }

  /** Content of every file as processes see it, or as it is on the disk for sure. */
  contents(of: "cache" | "durable" = "cache"): Map<string, Uint8Array> {
    const image = of === "cache" ? this.#core.cache : this.#core.durable, found = new Map<string, Uint8Array>();
    for (const { path } of image.files()) {
      const { node } = find(image, path), bytes = new Uint8Array(image.file(node!).sizeBytes);
      image.read(node!, 0, bytes);
      found.set(path, bytes);
    }
    return found;
  }

  /** Damages the medium: one bit of a file as it is on the disk, and in the cache unless that holds newer data. */
  flipBit(path: string, offsetBytes: number, bit: number): void {
    const node = this.#fileAt("read", path);
    if (offsetBytes >= this.#core.cache.file(node).sizeBytes) throw storageError("read", path, "EINVAL");
    this.#core.flipBit(node, offsetBytes, bit);
  }

  // ---- before and after an operation -----------------------------------------------------------------------------

  /** An operation begins that changes or syncs something. Null, or a fault that the operation itself has to carry out. */
  #begin(operation: StorageOperation, path: string): Fault | null {
    const number = this.#number;
    const one = { number, isChange: true, operation, path };
    this.onOperation(one);
    const fault = this.faults.next(one);
    this.#number = number + 1;
    if (fault?.kind === "readOnly") this.isReadOnly = true;
    if (operation === "sync" || operation === "syncDirectory") return fault;
    if (this.isReadOnly) this.#fail(operation, path, "EROFS", fault);
    if (fault?.kind === "error") this.#fail(operation, path, fault.code, fault);
    return fault;
  }

  /** An operation begins that only looks. */
  #look(operation: StorageOperation, path: string): Fault | null {
    const fault = this.faults.next({ number: this.#number, isChange: false, operation, path });
    if (fault?.kind === "error") this.#fail(operation, path, fault.code, fault);
    return fault;
  }

  #fail(operation: StorageOperation, path: string, code: string, fault: Fault | null): never {
    this.#note(operation, path, fault, "", code);
    throw storageError(operation, path, code);
  }

  #note(
    operation: LoggedOperation["operation"],
    path: string,
    fault: Fault | null,
    detail = "",
    error: string | null = null,
  ): void {
    const number = this.#number - 1, atMs = this.#clock.nowMs();
    this.#log = { number, operation, path, detail, fault, error, atMs, before: this.#log };
  }

  get #current(): number {
    return this.#number - 1;
  }

  // ---- files ---------------------------------------------------------------------------------------------------

  open(path: string, mode: OpenMode): FileHandle {
    const fault = mode === "read" ? this.#look("open", path) : this.#begin("open", path);
    const place = this.#placeOf("open", path, path);
    if (place.node !== undefined && this.#core.cache.node(place.node)!.isDirectory) {
      throw storageError("open", path, "EISDIR");
    }
    if (place.node === undefined && (mode === "read" || mode === "update")) throw storageError("open", path, "ENOENT");
    const before = this.#core.sequence;
    const node = place.node ?? this.#core.create(this.#current, place.directory, place.name, false);
    if (mode === "create") this.#core.truncate(this.#current, node, 0);
    if (this.#core.sequence > before) this.#note("open", path, fault, mode);
    const file = new SimulatedFile(this, path, node, mode, this.#core.errorsOf(node).reported);
    this.#open.add(file);
    return file;
  }

  read(file: FileHandle, offsetBytes: number, into: Uint8Array): number {
    const { node, path } = this.#opened(file, "read"), fault = this.#look("read", path);
    if (fault?.kind === "bitRot") this.flipBit(path, fault.offsetBytes, fault.bit), this.#note("read", path, fault);
    return this.#core.cache.read(node, offsetBytes, into);
  }

  write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number {
    const handle = this.#opened(file, "write"), { path, node } = handle;
    if (handle.mode === "read") throw storageError("write", path, "EBADF");
    if (startBytes === endBytes) return 0;
    const fault = this.#begin("write", path), isPartly = fault?.kind === "short" || fault?.kind === "part";
    const at = handle.mode === "append" ? this.#core.cache.file(node).sizeBytes : handle.positionBytes;
    const wanted = isPartly ? Math.min(fault.bytes, endBytes - startBytes) : endBytes - startBytes;
    const accepted = Math.min(wanted, this.#room(node, at));
    if (accepted === 0 && wanted > 0) this.#fail("write", path, "ENOSPC", fault);
    this.#core.write(this.#current, node, at, bytes, startBytes, startBytes + accepted);
    handle.positionBytes = at + accepted;
    if (fault?.kind === "part") this.#fail("write", path, fault.code, fault);
    if (fault?.kind === "writeback") this.#core.failFile(node, this.#core.sequence, fault.code);
    if (fault?.kind === "misdirect") this.#core.misdirect(this.#current, this.#fileAt("write", fault.path), fault.page);
    this.#note("write", path, fault, `${at}+${accepted}`);
    return accepted;
  }

  /** How many bytes a write at `at` may take. */
  #room(node: NodeId, at: number): number {
    if (this.capacityBytes === Infinity) return Infinity;
    const { cache } = this.#core, ids = cache.reachable();
    for (const file of this.#open) ids.add(file.node);
    let used = 0;
    for (const id of ids) {
      const one = cache.node(id)!;
      if (!one.isDirectory) used += one.sizeBytes;
    }
    return Math.max(0, this.capacityBytes - used + cache.file(node).sizeBytes - at);
  }

  size(file: FileHandle): number {
    const { node, path } = this.#opened(file, "size");
    this.#look("size", path);
    return this.#core.cache.file(node).sizeBytes;
  }

  truncate(file: FileHandle, sizeBytes: number): void {
    const handle = this.#opened(file, "truncate");
    if (handle.mode === "read") throw storageError("truncate", handle.path, "EBADF");
    const fault = this.#begin("truncate", handle.path);
    this.#core.truncate(this.#current, handle.node, sizeBytes);
    handle.positionBytes = Math.min(handle.positionBytes, sizeBytes);
    this.#note("truncate", handle.path, fault, String(sizeBytes));
  }

  close(file: FileHandle): void {
    const handle = this.#opened(file, "close");
    this.#look("close", handle.path);
    handle.isClosed = true;
    this.#open.delete(handle);
  }

  async closeInBackground(file: FileHandle): Promise<void> {
    this.close(file);
    await Promise.resolve();
  }

  // ---- syncing -------------------------------------------------------------------------------------------------

  sync(file: FileHandle): void {
    const handle = this.#opened(file, "sync"), fault = this.#begin("sync", handle.path);
    if (fault?.kind === "hang") this.onStall(fault.ms);
    this.#endSync(handle, this.#core.sequence, fault);
  }

  async syncInBackground(file: FileHandle): Promise<void> {
    const handle = this.#opened(file, "sync"), fault = this.#begin("sync", handle.path), upTo = this.#core.sequence;
    const number = this.#current;
    this.#note("sync", handle.path, fault, "begins");
    if (fault?.kind === "hang") await new Promise<void>((resolve) => this.#clock.setTimer(fault.ms, resolve));
    else await Promise.resolve();
    if (this.#isAbandoned) return await NEVER;
    this.onOperation({ number, isChange: true, operation: "sync", path: handle.path });
    this.#endSync(handle, upTo, fault);
  }

  /** The sync of what was written up to then comes back. */
  #endSync(handle: SimulatedFile, upTo: number, fault: Fault | null): void {
    const { node, path } = handle, core = this.#core;
    const code = this.isReadOnly ? "EROFS" : fault?.kind === "error" || fault?.kind === "hang" ? fault.code : undefined;
    if (code !== undefined) core.failFile(node, upTo, code);
    else if (fault?.kind !== "lie") core.commitFile(node, upTo);
    const errors = core.errorsOf(node);
    if (errors.count > handle.errorsHeard) {
      handle.errorsHeard = errors.count;
      core.errorsReported(node);
      this.#fail("sync", path, errors.code, fault);
    }
    this.#note("sync", path, fault);
  }

  syncDirectory(path: string): void {
    const fault = this.#begin("syncDirectory", path), { node } = this.#placeOf("syncDirectory", path, path);
    if (node === undefined) throw storageError("syncDirectory", path, "ENOENT");
    if (!this.#core.cache.node(node)!.isDirectory) throw storageError("syncDirectory", path, "ENOTDIR");
    if (fault?.kind === "hang") this.onStall(fault.ms);
    const code = this.isReadOnly ? "EROFS" : fault?.kind === "error" || fault?.kind === "hang" ? fault.code : undefined;
    if (code !== undefined) {
      this.#core.failDirectory(node);
      this.#fail("syncDirectory", path, code, fault);
    }
    if (fault?.kind !== "lie") this.#core.commitDirectory(node);
    this.#note("syncDirectory", path, fault);
    this.#core.prune([...this.#open].map((file) => file.node));
  }

  // ---- names ---------------------------------------------------------------------------------------------------

  rename(from: string, to: string): void {
    const fault = this.#begin("rename", from), { cache } = this.#core, source = this.#placeOf("rename", from, from);
    if (source.node === undefined) throw storageError("rename", from, "ENOENT");
    const target = this.#placeOf("rename", from, to);
    if (target.node === source.node) return;
    if (target.node !== undefined && cache.node(target.node)!.isDirectory) throw storageError("rename", from, "EISDIR");
    this.#core.rename(this.#current, [
      { directory: target.directory, name: target.name, node: source.node },
      { directory: source.directory, name: source.name, node: null },
    ]);
    this.#note("rename", from, fault, `to ${to}`);
  }

  link(path: string, newPath: string): void {
    const fault = this.#begin("link", path), { node } = this.#placeOf("link", path, path);
    if (node === undefined) throw storageError("link", path, "ENOENT");
    const target = this.#placeOf("link", path, newPath);
    if (target.node !== undefined) throw storageError("link", newPath, "EEXIST");
    this.#core.rename(this.#current, [{ directory: target.directory, name: target.name, node }]);
    this.#note("link", path, fault, `as ${newPath}`);
  }

  remove(path: string): void {
    const fault = this.#begin("remove", path), { directory, name, node } = this.#placeOf("remove", path, path);
    if (node === undefined) throw storageError("remove", path, "ENOENT");
    const found = this.#core.cache.node(node)!;
    if (found.isDirectory && found.entries.size > 0) throw storageError("remove", path, "ENOTEMPTY");
    this.#core.rename(this.#current, [{ directory, name, node: null }]);
    this.#note("remove", path, fault);
  }

  async removeInBackground(path: string): Promise<void> {
    await Promise.resolve();
    if (this.#isAbandoned) return await NEVER;
    this.remove(path);
  }

  makeDirectory(path: string): void {
    const fault = this.#begin("makeDirectory", path), place = this.#placeOf("makeDirectory", path, path);
    if (place.node !== undefined) throw storageError("makeDirectory", path, "EEXIST");
    this.#core.create(this.#current, place.directory, place.name, true);
    this.#note("makeDirectory", path, fault);
  }

  list(path: string): string[] {
    this.#look("list", path);
    const { node } = this.#placeOf("list", path, path);
    if (node === undefined) throw storageError("list", path, "ENOENT");
    const found = this.#core.cache.node(node)!;
    if (!found.isDirectory) throw storageError("list", path, "ENOTDIR");
    return [...found.entries.keys()].sort();
  }

  exists(path: string): boolean {
    return this.stat(path) !== null;
  }

  stat(path: string): FileStatus | null {
    this.#look("stat", path);
    const { node } = find(this.#core.cache, path),
      found = node === undefined ? undefined : this.#core.cache.node(node)!;
    if (found === undefined) return null;
    if (found.isDirectory) return { kind: "directory", sizeBytes: 0, mtimeMs: 0 };
    return { kind: "file", sizeBytes: found.sizeBytes, mtimeMs: 0 };
  }

  /** Where `at` is or would be. @throws {StorageError} about `path`, when there is no directory above */
  #placeOf(operation: StorageOperation, path: string, at: string): Place {
    const { directory, name, node, code } = find(this.#core.cache, at);
    if (code !== null) throw storageError(operation, path, code);
    return { directory, name, node };
  }

  #fileAt(operation: StorageOperation, path: string): NodeId {
    const { node } = this.#placeOf(operation, path, path);
    if (node === undefined) throw storageError(operation, path, "ENOENT");
    return node;
  }

  #opened(file: FileHandle, operation: StorageOperation): SimulatedFile {
    if (!(file instanceof SimulatedFile) || file.disk !== this) {
      throw new TypeError(`Cannot use the handle of "${file.path}": it was opened by another storage`);
    }
    if (file.isClosed) throw storageError(operation, file.path, "EBADF");
    return file;
  }
}

/** Walks to a path; `code` is why there cannot be anything, or null. */
function find(image: DiskImage, path: string): Place & { readonly code: "ENOENT" | "ENOTDIR" | null } {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  let directory = ROOT;
  for (let i = 0; i < names.length - 1; i++) {
    const next = image.directory(directory).entries.get(names[i]);
    if (next === undefined) return { directory, name: names[i], node: undefined, code: "ENOENT" };
    if (!image.node(next)!.isDirectory) return { directory, name: names[i], node: undefined, code: "ENOTDIR" };
    directory = next;
  }
  if (names.length === 0) return { directory: ROOT, name: "", node: ROOT, code: null };
  const name = names[names.length - 1];
  return { directory, name, node: image.directory(directory).entries.get(name), code: null };
}
