/**
 * Storage: everything the server does with files, as an interface, so that a real disk, a file tree in memory and a
 * simulated disk that loses power are interchangeable.
 *
 * Every call is synchronous and finishes before it returns, except the three `…InBackground` ones.
 * Invariants each implementation keeps (storage_contract_test.ts checks them):
 * - `write` accepts part of the bytes or throws; it never accepts bytes that it then forgets to count.
 * - only `sync` and `syncInBackground` make data durable, and only `syncDirectory` makes names durable.
 * - every failure is a StorageError; failures of the sync calls are StorageSyncErrors.
 * It never retries, never buffers in user space, and never interprets contents.
 */

/**
 * How `open` treats the path, and where the first `write` lands.
 *
 * | mode   | missing file | existing file | may read | may write, starting at |
 * | ------ | ------------ | ------------- | -------- | ---------------------- |
 * | read   | ENOENT       | kept          | yes      | no (EBADF)             |
 * | create | created      | emptied       | yes      | 0                      |
 * | append | created      | kept          | yes      | always the end of file |
 * | update | ENOENT       | kept          | yes      | 0                      |
 */
export type OpenMode = "read" | "create" | "append" | "update";

/** What disks promise. */
export const SECTOR_BYTES = 512;

export type FileKind = "file" | "directory" | "other";

/** An open file. Opaque: only the Storage that opened it can use it. `path` is the name it was opened by. */
export interface FileHandle {
  readonly path: string;
}

export interface FileStatus {
  readonly kind: FileKind;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

/** The calls of Storage by name: what an error or a fault hook says was being done. */
export const STORAGE_OPERATIONS = [
  "open",
  "read",
  "write",
  "size",
  "sync",
  "syncDirectory",
  "truncate",
  "close",
  "rename",
  "link",
  "remove",
  "list",
  "exists",
  "stat",
  "makeDirectory",
] as const;

export type StorageOperation = (typeof STORAGE_OPERATIONS)[number];

export interface Storage {
  /** A power cut leaves this much of a file, aligned, as it was or as it was written, never a part of it. */
  readonly sectorBytes: number;

  /** @throws {StorageError} ENOENT, EISDIR, EACCES, ENOSPC, EMFILE, … */
  open(path: string, mode: OpenMode): FileHandle;

  /**
   * Reads at `offsetBytes` into the start of `into`. Does not move the position that `write` uses.
   * @returns bytes read: 0 means end of file; fewer than asked does not.
   */
  read(file: FileHandle, offsetBytes: number, into: Uint8Array): number;

  /**
   * Writes `bytes[startBytes, endBytes)` at the handle's position and moves it forward by the bytes accepted.
   * `bytes` may be a view of shared memory (Deno 2.9 takes it), as long as nobody changes it meanwhile.
   * @returns bytes accepted, at least 1 unless the range is empty; may be fewer than given. See `writeFully`.
   * @throws {StorageError} ENOSPC, EIO, EDQUOT, EFBIG, … : none of this call's bytes were accepted.
   */
  write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number;

  size(file: FileHandle): number;

  /**
   * Makes every byte written to `file` so far survive power loss (but not its name: see `syncDirectory`).
   * After a failure the unsynced tail may or may not be durable, and a retry proves nothing: the kernel may have dropped the pages.
   * @throws {StorageSyncError} with errno and path
   */
  sync(file: FileHandle): void;

  /**
   * As `sync`, for the bytes written before the call, without blocking the event loop. Writing to the file meanwhile is
   * allowed; several at once are allowed. `close` waits for none of them, and none of them is spoiled by `close`.
   * Rejects with StorageSyncError.
   */
  syncInBackground(file: FileHandle): Promise<void>;

  /** Makes creations, renames and removals directly inside `path` survive power loss. @throws {StorageSyncError} */
  syncDirectory(path: string): void;

  /** Cuts or zero-extends the file. The position moves back to `sizeBytes` where it was beyond, and stays otherwise. */
  truncate(file: FileHandle, sizeBytes: number): void;

  /** Using the handle afterwards is EBADF; closing it again too. */
  close(file: FileHandle): void;

  /** As `close`; where dropping the last reference frees many blocks, the work is done off the event loop. */
  closeInBackground(file: FileHandle): Promise<void>;

  /** Atomic; replaces `to` where it exists. Durable only after `syncDirectory` of both parents. */
  rename(from: string, to: string): void;

  /** Gives a file a second name: its blocks stay until both are removed. @throws {StorageError} EEXIST, EPERM where there are no hard links */
  link(path: string, newPath: string): void;

  /** Removes a file or an empty directory. @throws {StorageError} ENOENT, ENOTEMPTY, … */
  remove(path: string): void;

  /** As `remove`, off the event loop: freeing a large file's blocks can take long. Rejects with StorageError. */
  removeInBackground(path: string): Promise<void>;

  /** The names (not paths) in a directory, sorted by code unit. */
  list(path: string): string[];

  exists(path: string): boolean;

  /** Follows symbolic links. Null where nothing is there; every other failure throws. */
  stat(path: string): FileStatus | null;

  /** Creates one directory; its parent must exist. @throws {StorageError} EEXIST, ENOENT, … */
  makeDirectory(path: string): void;
}

/** What reading an open file takes. */
export type Readable = Pick<Storage, "read" | "sectorBytes">;

/** A storage call failed: an operating error. `code` is the errno's name. */
export class StorageError extends Error {
  override readonly name: string = "StorageError";
  readonly operation: StorageOperation;
  readonly path: string;
  readonly code: string;

  constructor(operation: StorageOperation, path: string, code: string, cause?: unknown) {
    super(
      `Cannot ${VERBS[operation]} "${path}": ${describeErrno(code)} (${code}). ${adviceFor(code)}`,
      cause === undefined ? undefined : { cause },
    );
    this.operation = operation;
    this.path = path;
    this.code = code;
  }
}

/** A sync failed: what was written and not yet synced may be lost, and syncing again proves nothing. */
export class StorageSyncError extends StorageError {
  override readonly name: string = "StorageSyncError";
}

/** Makes the right class for the operation. */
export function storageError(operation: StorageOperation, path: string, code: string, cause?: unknown): StorageError {
  const isSync = operation === "sync" || operation === "syncDirectory";
  return isSync ? new StorageSyncError(operation, path, code, cause) : new StorageError(operation, path, code, cause);
}

/** Signals that may come before a write does; more of them than that are no accident. */
const INTERRUPTS_MAX = 100;

/**
 * Writes the whole range, calling `write` again after a short write, and after a signal that came first (EINTR).
 * @returns bytes written, always all of them
 * @throws {StorageError} after an unknown part was written; `size` tells how much
 */
export function writeFully(
  storage: Storage,
  file: FileHandle,
  bytes: Uint8Array,
  startBytes: number,
  endBytes: number,
): number {
  for (let at = startBytes, interrupts = 0; at < endBytes;) {
    try {
      at += storage.write(file, bytes, at, endBytes);
    } catch (error) {
      // None of this call's bytes were taken.
      const isInterrupt = error instanceof StorageError && error.code === "EINTR";
      if (!isInterrupt || ++interrupts > INTERRUPTS_MAX) throw error;
    }
  }
  return endBytes - startBytes;
}

/** Reads until `into` is full or the file ends. @returns bytes read */
export function readFully(
  storage: Pick<Storage, "read">,
  file: FileHandle,
  offsetBytes: number,
  into: Uint8Array,
): number {
  let filled = 0;
  while (filled < into.length) {
    const n = storage.read(file, offsetBytes + filled, filled === 0 ? into : into.subarray(filled));
    if (n === 0) break;
    filled += n;
  }
  return filled;
}

/** All bytes of a file. @throws {StorageError} */
export function readWhole(storage: Storage, path: string): Uint8Array {
  const file = storage.open(path, "read");
  try {
    const bytes = new Uint8Array(storage.size(file));
    return bytes.subarray(0, readFully(storage, file, 0, bytes));
  } finally {
    storage.close(file);
  }
}

/** Makes a file of these bytes, and makes them (not yet its name) survive power loss. @throws {StorageError} */
export function writeWhole(storage: Storage, path: string, bytes: Uint8Array): void {
  const file = storage.open(path, "create");
  try {
    writeFully(storage, file, bytes, 0, bytes.length);
    storage.sync(file);
  } finally {
    storage.close(file);
  }
}

/** Takes a file's name away at once; its blocks, which can be many, are freed beside the loop. @throws {StorageError} */
export function removeAtOnce(storage: Storage, path: string): void {
  const held = storage.open(path, "read");
  try {
    storage.remove(path);
  } finally {
    // A file without a name that cannot be closed is nobody's loss.
    storage.closeInBackground(held).catch(() => {});
  }
}

/** The directory that holds `path`: what to give `syncDirectory` after creating, renaming or removing it. */
export function parentDirectory(path: string): string {
  const trimmed = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  const slash = trimmed.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : trimmed.slice(0, slash);
}

/** The text of strerror(3) for the codes that file calls give; the code itself for others. */
export function describeErrno(code: string): string {
  return ERRNO_TEXTS[code] ?? code;
}

/** Whether this is the name of an error that file calls give. */
export function isErrno(code: string): boolean {
  return Object.hasOwn(ERRNO_TEXTS, code);
}

const VERBS: Record<StorageOperation, string> = {
  open: "open",
  read: "read",
  write: "write",
  size: "get the size of",
  sync: "sync",
  syncDirectory: "sync the directory",
  truncate: "truncate",
  close: "close",
  rename: "rename",
  link: "link",
  remove: "remove",
  list: "list",
  exists: "look up",
  stat: "look up",
  makeDirectory: "create the directory",
};

const ERRNO_TEXTS: Record<string, string> = {
  EACCES: "Permission denied",
  EBADF: "Bad file descriptor",
  EBUSY: "Device or resource busy",
  EDQUOT: "Disk quota exceeded",
  EEXIST: "File exists",
  EFBIG: "File too large",
  EINTR: "Interrupted system call",
  EINVAL: "Invalid argument",
  EIO: "Input/output error",
  EISDIR: "Is a directory",
  ELOOP: "Too many levels of symbolic links",
  EMFILE: "Too many open files",
  ENAMETOOLONG: "File name too long",
  ENFILE: "Too many open files in system",
  ENOENT: "No such file or directory",
  ENOSPC: "No space left on device",
  ENOTDIR: "Not a directory",
  ENOTEMPTY: "Directory not empty",
  EPERM: "Operation not permitted",
  EROFS: "Read-only file system",
  ETXTBSY: "Text file busy",
  EXDEV: "Invalid cross-device link",
};

const ERRNO_ADVICE: Record<string, string> = {
  EACCES: "Check the owner and permissions of the file and of the directories above it.",
  EBADF: "The file is closed, or open in a mode that does not allow this.",
  EDQUOT: "Free space or raise the quota.",
  EEXIST: "Remove it or choose another name.",
  EFBIG: "Raise the file size limit (ulimit -f).",
  EIO: "The device reports errors: check the kernel log, and do not trust unsynced data.",
  EISDIR: "A file was expected: choose another name.",
  EMFILE: "Raise the open files limit (ulimit -n).",
  ENFILE: "Raise the system's open files limit (fs.file-max).",
  ENOENT: "Check the name, and that the directory exists.",
  ENOSPC: "Free space on the device.",
  ENOTDIR: "A part of the path is a file: choose another path.",
  ENOTEMPTY: "Remove what is in it first.",
  EPERM: "Check the permissions and mount options.",
  EROFS: "Mount the file system writable, or choose another directory.",
  EXDEV: "Keep both names on one file system.",
};

function adviceFor(code: string): string {
  return ERRNO_ADVICE[code] ?? "Check the path and the device.";
}
