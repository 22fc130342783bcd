/** A Storage that passes everything on, for seeded bugs to change a call or two of. Handles are the other storage's. */
import type { FileHandle, FileStatus, OpenMode, Storage } from "../../../../src/io/storage.ts";

export class PatchedStorage implements Storage {
  protected readonly inner: Storage;

  constructor(inner: Storage) {
    this.inner = inner;
  }

  get sectorBytes(): number {
    return this.inner.sectorBytes;
  }

  open(path: string, mode: OpenMode): FileHandle {
    return this.inner.open(path, mode);
  }

  read(file: FileHandle, offsetBytes: number, into: Uint8Array): number {
    return this.inner.read(file, offsetBytes, into);
  }

  write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number {
    return this.inner.write(file, bytes, startBytes, endBytes);
  }

  size(file: FileHandle): number {
    return this.inner.size(file);
  }

  sync(file: FileHandle): void {
    this.inner.sync(file);
  }

  syncInBackground(file: FileHandle): Promise<void> {
    return this.inner.syncInBackground(file);
  }

  syncDirectory(path: string): void {
    this.inner.syncDirectory(path);
  }

  truncate(file: FileHandle, sizeBytes: number): void {
    this.inner.truncate(file, sizeBytes);
  }

  close(file: FileHandle): void {
    this.inner.close(file);
  }

  closeInBackground(file: FileHandle): Promise<void> {
    return this.inner.closeInBackground(file);
  }

  rename(from: string, to: string): void {
    this.inner.rename(from, to);
  }

  link(path: string, newPath: string): void {
    this.inner.link(path, newPath);
  }

  remove(path: string): void {
    this.inner.remove(path);
  }

  removeInBackground(path: string): Promise<void> {
    return this.inner.removeInBackground(path);
  }

  list(path: string): string[] {
    return this.inner.list(path);
  }

  exists(path: string): boolean {
    return this.inner.exists(path);
  }

  stat(path: string): FileStatus | null {
    return this.inner.stat(path);
  }

  makeDirectory(path: string): void {
    this.inner.makeDirectory(path);
  }
}

export function isManifest(path: string): boolean {
  return path.endsWith("/appendonly.aof.manifest");
}

export function isTempManifest(path: string): boolean {
  return path.endsWith("/temp-appendonly.aof.manifest");
}

export function isIncrement(path: string): boolean {
  return path.endsWith(".incr.aof");
}
