/**
 * A file tree in memory, for in-process servers and tests. What is written is there at once, and nothing survives the process; it models
 * no crash. `onOperation` may throw a StorageError to stand for a disk that fails.
 */
import {
  type FileHandle,
  type FileStatus,
  type OpenMode,
  parentDirectory,
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
  readonly #files = new Map<string, Node>();
  readonly #directories = new Set<string>(["/"]);
  /** Called before each operation; may throw. */
  onOperation: (operation: StorageOperation, path: string) => void = () => {};

  open(path: string, mode: OpenMode): FileHandle {
    this.onOperation("open", path);
    if (!this.#directories.has(parentDirectory(path))) throw storageError("open", path, "ENOENT");
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
    this.onOperation("write", opened.path);
    const at = opened.mode === "append" ? node.length : opened.positionBytes, end = at + endBytes - startBytes;
    if (end > node.bytes.length) {
      const larger = new Uint8Array(Math.max(end, node.bytes.length * 2));
      larger.set(node.bytes.subarray(0, node.length));
      node.bytes = larger;
    }
    node.bytes.set(bytes.subarray(startBytes, endBytes), at);
    node.length = Math.max(node.length, end);
    opened.positionBytes = end;
    return endBytes - startBytes;
  }

  size(file: FileHandle): number {
    return this.#opened(file, "stat").node.length;
  }

  sync(file: FileHandle): void {
    this.onOperation("sync", this.#opened(file, "sync").path);
  }

  async syncInBackground(file: FileHandle): Promise<void> {
    await Promise.resolve();
    this.sync(file);
  }

  syncDirectory(path: string): void {
    this.onOperation("syncDirectory", path);
    if (!this.#directories.has(path)) throw storageError("syncDirectory", path, "ENOENT");
  }

  truncate(file: FileHandle, sizeBytes: number): void {
    const opened = this.#opened(file, "truncate"), node = opened.node;
    this.onOperation("truncate", opened.path);
    if (sizeBytes < node.length) node.bytes.fill(0, sizeBytes, node.length);
    node.length = sizeBytes;
    opened.positionBytes = Math.min(opened.positionBytes, sizeBytes);
  }

  close(file: FileHandle): void {
    this.#opened(file, "close").closed = true;
  }

  async closeInBackground(file: FileHandle): Promise<void> {
    await Promise.resolve();
    this.close(file);
  }

  link(path: string, newPath: string): void {
    this.onOperation("link", path);
    const node = this.#files.get(path);
    if (node === undefined) throw storageError("link", path, "ENOENT");
    if (this.exists(newPath)) throw storageError("link", newPath, "EEXIST");
    this.#files.set(newPath, node);
  }

  rename(from: string, to: string): void {
    this.onOperation("rename", from);
    const node = this.#files.get(from);
    if (node === undefined) throw storageError("rename", from, "ENOENT");
    this.#files.delete(from);
    this.#files.set(to, node);
  }

  remove(path: string): void {
    this.onOperation("remove", path);
    if (!this.#files.delete(path) && !this.#directories.delete(path)) throw storageError("remove", path, "ENOENT");
  }

  async removeInBackground(path: string): Promise<void> {
    await Promise.resolve();
    this.remove(path);
  }

  list(path: string): string[] {
    this.onOperation("list", path);
    if (!this.#directories.has(path)) throw storageError("list", path, "ENOENT");
    const names = [...this.#files.keys(), ...this.#directories].filter((one) =>
      one !== path && parentDirectory(one) === path
    );
    return names.map((one) => one.slice(one.lastIndexOf("/") + 1)).sort();
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

  #opened(file: FileHandle, operation: StorageOperation): MemoryFile {
    const opened = file as MemoryFile;
    if (opened.closed) throw storageError(operation, file.path, "EBADF");
    return opened;
  }
}
