/**
 * A file tree in memory, for in-process servers and tests. What is written is there at once, and nothing survives the process; it models
 * no crash. `onOperation` may throw a StorageError to stand for a disk that fails.
 */
import {
  type FileHandle,
  type FileStatus,
  type OpenMode,
  parentDirectory,
  SECTOR_BYTES,
  type Storage,
  storageError,
  type StorageOperation,
} from "./storage.ts";

interface Node {
  bytes: Uint8Array;
  length: number;
}

class MemoryFile implements FileHandle {
  readonly path: string;
  readonly node: Node;
  readonly mode: OpenMode;
  positionBytes: number;
  closed = false;

  constructor(path: string, node: Node, mode: OpenMode) {
    this.path = path, this.node = node, this.mode = mode;
    this.positionBytes = mode === "append" ? node.length : 0;
  }
}

export class MemoryStorage implements Storage {
  readonly sectorBytes = SECTOR_BYTES;
  readonly #files = new Map<string, Node>();
  readonly #directories = new Set<string>(["/"]);
  /** Called before each operation; may throw. */
  onOperation: (operation: StorageOperation, path: string) => void = () => {};

  open(path: string, mode: OpenMode): FileHandle {
    this.onOperation("open", path);
    this.#checkPlace("open", path, path);
    let node = this.#files.get(path);
    if (node === undefined) {
      if (mode === "read" || mode === "update") throw storageError("open", path, "ENOENT");
      this.#files.set(path, node = { bytes: new Uint8Array(0), length: 0 });
    }
    if (mode === "create") node.bytes = new Uint8Array(0), node.length = 0;
    return new MemoryFile(path, node, mode);
  }

  read(file: FileHandle, offsetBytes: number, into: Uint8Array): number {
    const { node, path } = this.#opened(file, "read");
    this.onOperation("read", path);
    const piece = node.bytes.subarray(offsetBytes, Math.min(node.length, offsetBytes + into.length));
    into.set(piece);
    return piece.length;
  }

  write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number {
    const opened = this.#opened(file, "write"), node = opened.node;
    if (opened.mode === "read") throw storageError("write", opened.path, "EBADF");
    this.onOperation("write", opened.path);
    if (startBytes === endBytes) return 0;
    const at = opened.mode === "append" ? node.length : opened.positionBytes, end = at + endBytes - startBytes;
    reserve(node, end);
    node.bytes.set(bytes.subarray(startBytes, endBytes), at);
    node.length = Math.max(node.length, end);
    opened.positionBytes = end;
    return endBytes - startBytes;
  }

  size(file: FileHandle): number {
    return this.#opened(file, "size").node.length;
  }

  sync(file: FileHandle): void {
    this.onOperation("sync", this.#opened(file, "sync").path);
  }

  async syncInBackground(file: FileHandle): Promise<void> {
    const { path } = this.#opened(file, "sync");
    await Promise.resolve();
    this.onOperation("sync", path);
  }

  syncDirectory(path: string): void {
    this.onOperation("syncDirectory", path);
    if (!this.#directories.has(path)) throw storageError("syncDirectory", path, "ENOENT");
  }

  truncate(file: FileHandle, sizeBytes: number): void {
    const opened = this.#opened(file, "truncate"), node = opened.node;
    this.onOperation("truncate", opened.path);
    // Bytes beyond the length are always zero.
    if (sizeBytes < node.length) node.bytes.fill(0, sizeBytes, node.length);
    else reserve(node, sizeBytes);
    node.length = sizeBytes;
    opened.positionBytes = Math.min(opened.positionBytes, sizeBytes);
  }

  close(file: FileHandle): void {
    this.#opened(file, "close").closed = true;
  }

  async closeInBackground(file: FileHandle): Promise<void> {
    this.close(file);
    await Promise.resolve();
  }

  link(path: string, newPath: string): void {
    this.onOperation("link", path);
    const node = this.#files.get(path);
    if (node === undefined) throw storageError("link", path, "ENOENT");
    if (this.exists(newPath)) throw storageError("link", newPath, "EEXIST");
    this.#checkPlace("link", path, newPath);
    this.#files.set(newPath, node);
  }

  rename(from: string, to: string): void {
    this.onOperation("rename", from);
    const node = this.#files.get(from);
    if (node === undefined) throw storageError("rename", from, "ENOENT");
    this.#checkPlace("rename", from, to);
    this.#files.delete(from);
    this.#files.set(to, node);
  }

  remove(path: string): void {
    this.onOperation("remove", path);
    if (this.#directories.has(path) && this.#namesIn(path).length > 0) throw storageError("remove", path, "ENOTEMPTY");
    if (!this.#files.delete(path) && !this.#directories.delete(path)) throw storageError("remove", path, "ENOENT");
  }

  async removeInBackground(path: string): Promise<void> {
    await Promise.resolve();
    this.remove(path);
  }

  list(path: string): string[] {
    this.onOperation("list", path);
    if (!this.#directories.has(path)) throw storageError("list", path, this.#files.has(path) ? "ENOTDIR" : "ENOENT");
    return this.#namesIn(path).sort();
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.#directories.has(path);
  }

  stat(path: string): FileStatus | null {
    this.onOperation("stat", path);
    const node = this.#files.get(path);
    if (node !== undefined) return { kind: "file", sizeBytes: node.length, mtimeMs: 0 };
    return this.#directories.has(path) ? { kind: "directory", sizeBytes: 0, mtimeMs: 0 } : null;
  }

  makeDirectory(path: string): void {
    this.onOperation("makeDirectory", path);
    if (this.exists(path)) throw storageError("makeDirectory", path, "EEXIST");
    if (!this.#directories.has(parentDirectory(path))) throw storageError("makeDirectory", path, "ENOENT");
    this.#directories.add(path);
  }

  #namesIn(directory: string): string[] {
    const paths = [...this.#files.keys(), ...this.#directories].filter((one) =>
      one !== directory && parentDirectory(one) === directory
    );
    return paths.map((one) => one.slice(one.lastIndexOf("/") + 1));
  }

  /** A file may be at `at`: there is a directory above, and none in its place. The error is about `path`. */
  #checkPlace(operation: StorageOperation, path: string, at: string): void {
    const parent = parentDirectory(at);
    if (this.#directories.has(at)) throw storageError(operation, path, "EISDIR");
    if (this.#files.has(parent)) throw storageError(operation, path, "ENOTDIR");
    if (!this.#directories.has(parent)) throw storageError(operation, path, "ENOENT");
  }

  #opened(file: FileHandle, operation: StorageOperation): MemoryFile {
    const opened = file as MemoryFile;
    if (opened.closed) throw storageError(operation, file.path, "EBADF");
    return opened;
  }
}

/** Room for `sizeBytes`, zeros where nothing was. */
function reserve(node: Node, sizeBytes: number): void {
  if (sizeBytes <= node.bytes.length) return;
  const larger = new Uint8Array(Math.max(sizeBytes, node.bytes.length * 2));
  larger.set(node.bytes.subarray(0, node.length));
  node.bytes = larger;
}
