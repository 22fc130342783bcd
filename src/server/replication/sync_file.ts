/** The RDB file of a full synchronization, as several replicas read it: it is closed when the last of them is done. */
import type { FileHandle, Storage } from "../../io/storage.ts";

export class SyncFile {
  readonly sizeBytes: number;
  readonly #storage: Storage;
  readonly #file: FileHandle;
  #users = 0;

  constructor(storage: Storage, file: FileHandle) {
    this.#storage = storage, this.#file = file;
    this.sizeBytes = storage.size(file);
  }

  addUser(): void {
    this.#users++;
  }

  removeUser(): void {
    if (--this.#users === 0) this.close();
  }

  /** For a file that nobody wants. */
  close(): void {
    this.#storage.closeInBackground(this.#file).catch(() => {});
  }

  /** @throws {StorageError} */
  read(offsetBytes: number, into: Uint8Array): number {
    return this.#storage.read(this.#file, offsetBytes, into);
  }
}
