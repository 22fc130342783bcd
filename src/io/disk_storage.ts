/**
 * DiskStorage: Storage on the machine's file system, through Deno's file calls. Usable on the main thread and in Workers.
 *
 * Invariants:
 * - a handle's `position` is the kernel's file offset whenever `write` runs, unless the file is open for append, where the
 *   kernel itself writes at the end.
 * - every syscall failure leaves as a StorageError that carries the errno's name.
 * It never retries and never holds bytes back.
 */

import {
  type FileHandle,
  type FileKind,
  type FileStatus,
  type OpenMode,
  SECTOR_BYTES,
  type Storage,
  StorageError,
  storageError,
  type StorageOperation,
} from "./storage.ts";

class DiskFile implements FileHandle {
  readonly path: string;
  readonly mode: OpenMode;
  file: Deno.FsFile | null;
  /** Where the next write goes; not kept for append. */
  position = 0;
  /** Where the kernel's file offset is. */
  kernelOffset = 0;

  constructor(path: string, mode: OpenMode, file: Deno.FsFile) {
    this.path = path;
    this.mode = mode;
    this.file = file;
  }
}

const OPEN_OPTIONS: Record<OpenMode, Deno.OpenOptions> = {
  read: { read: true },
  create: { read: true, write: true, create: true, truncate: true },
  append: { read: true, append: true, create: true },
  update: { read: true, write: true },
};

export class DiskStorage implements Storage {
  readonly sectorBytes = SECTOR_BYTES;

  open(path: string, mode: OpenMode): FileHandle {
    try {
      const file = Deno.openSync(path, OPEN_OPTIONS[mode]);
      if (mode === "read") refuseDirectory(path, file);
      return new DiskFile(path, mode, file);
    } catch (error) {
      throw translate("open", path, error);
    }
  }

  read(file: FileHandle, offsetBytes: number, into: Uint8Array): number {
    const disk = asDiskFile(file);
    if (into.length === 0) return 0;
    try {
      const opened = openFile("read", disk);
      if (disk.kernelOffset !== offsetBytes) seek(disk, opened, offsetBytes);
      const n = opened.readSync(into) ?? 0;
      disk.kernelOffset += n;
      return n;
    } catch (error) {
      throw translate("read", disk.path, error);
    }
  }

  write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number {
    const disk = asDiskFile(file);
    try {
      const opened = openFile("write", disk);
      if (startBytes === endBytes) return 0;
      if (disk.mode === "append") {
        const n = opened.writeSync(bytes.subarray(startBytes, endBytes));
        disk.kernelOffset = OFFSET_UNKNOWN; // the kernel moved it to the end of the file
        return n;
      }
      if (disk.kernelOffset !== disk.position) seek(disk, opened, disk.position);
      const n = opened.writeSync(bytes.subarray(startBytes, endBytes));
      disk.position += n;
      disk.kernelOffset = disk.position;
      return n;
    } catch (error) {
      throw translate("write", disk.path, error);
    }
  }

  size(file: FileHandle): number {
    const disk = asDiskFile(file);
    try {
      return openFile("size", disk).statSync().size;
    } catch (error) {
      throw translate("size", disk.path, error);
    }
  }

  sync(file: FileHandle): void {
    const disk = asDiskFile(file);
    try {
      openFile("sync", disk).syncDataSync();
    } catch (error) {
      throw translate("sync", disk.path, error);
    }
  }

  async syncInBackground(file: FileHandle): Promise<void> {
    const disk = asDiskFile(file);
    try {
      await openFile("sync", disk).syncData();
    } catch (error) {
      throw translate("sync", disk.path, error);
    }
  }

  syncDirectory(path: string): void {
    try {
      using directory = Deno.openSync(path, { read: true });
      directory.syncSync();
    } catch (error) {
      throw translate("syncDirectory", path, error);
    }
  }

  truncate(file: FileHandle, sizeBytes: number): void {
    const disk = asDiskFile(file);
    try {
      openFile("truncate", disk).truncateSync(sizeBytes);
      disk.position = Math.min(disk.position, sizeBytes);
    } catch (error) {
      throw translate("truncate", disk.path, error);
    }
  }

  close(file: FileHandle): void {
    const disk = asDiskFile(file);
    try {
      openFile("close", disk).close();
    } catch (error) {
      throw translate("close", disk.path, error);
    } finally {
      disk.file = null;
    }
  }

  async closeInBackground(file: FileHandle): Promise<void> {
    const disk = asDiskFile(file);
    const opened = disk.file;
    if (opened === null) throw storageError("close", disk.path, "EBADF");
    disk.file = null;
    try {
      // A descriptor has no close that is off the thread: a sync in the pool holds the last reference and drops it there.
      const last = opened.syncData();
      opened.close();
      await last;
    } catch (error) {
      throw translate("close", disk.path, error);
    }
  }

  link(path: string, newPath: string): void {
    try {
      Deno.linkSync(path, newPath);
    } catch (error) {
      throw translate("link", path, error);
    }
  }

  rename(from: string, to: string): void {
    try {
      Deno.renameSync(from, to);
    } catch (error) {
      throw translate("rename", from, error);
    }
  }

  remove(path: string): void {
    try {
      Deno.removeSync(path);
    } catch (error) {
      throw translate("remove", path, error);
    }
  }

  async removeInBackground(path: string): Promise<void> {
    try {
      await Deno.remove(path);
    } catch (error) {
      throw translate("remove", path, error);
    }
  }

  list(path: string): string[] {
    try {
      return Array.from(Deno.readDirSync(path), (entry) => entry.name).sort(compareCodeUnits);
    } catch (error) {
      throw translate("list", path, error);
    }
  }

  exists(path: string): boolean {
    return statOrNull("exists", path) !== null;
  }

  stat(path: string): FileStatus | null {
    const info = statOrNull("stat", path);
    if (info === null) return null;
    return { kind: kindOf(info), sizeBytes: info.size, mtimeMs: info.mtime?.getTime() ?? 0 };
  }

  makeDirectory(path: string): void {
    try {
      Deno.mkdirSync(path);
    } catch (error) {
      throw translate("makeDirectory", path, error);
    }
  }
}

const OFFSET_UNKNOWN = -1;

function asDiskFile(file: FileHandle): DiskFile {
  if (file instanceof DiskFile) return file;
  throw new TypeError(`Cannot use the handle of "${file.path}": it was opened by another storage`);
}

function openFile(operation: StorageOperation, disk: DiskFile): Deno.FsFile {
  if (disk.file === null) throw storageError(operation, disk.path, "EBADF");
  return disk.file;
}

function seek(disk: DiskFile, opened: Deno.FsFile, offsetBytes: number): void {
  disk.kernelOffset = OFFSET_UNKNOWN;
  opened.seekSync(offsetBytes, Deno.SeekMode.Start);
  disk.kernelOffset = offsetBytes;
}

/** open(2) lets a directory be opened for reading; a Storage does not. */
function refuseDirectory(path: string, file: Deno.FsFile): void {
  if (!file.statSync().isDirectory) return;
  file.close();
  throw storageError("open", path, "EISDIR");
}

function statOrNull(operation: StorageOperation, path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw translate(operation, path, error);
  }
}

function kindOf(info: Deno.FileInfo): FileKind {
  if (info.isFile) return "file";
  return info.isDirectory ? "directory" : "other";
}

function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function translate(operation: StorageOperation, path: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  return storageError(operation, path, errnoOf(error), error);
}

function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown })?.code;
  if (typeof code === "string") return code;
  if (error instanceof Deno.errors.BadResource) return "EBADF";
  if (error instanceof Deno.errors.NotCapable) return "EPERM";
  return "EIO";
}
