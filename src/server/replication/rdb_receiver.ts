/**
 * The RDB file that a master sends, going to a file of its own: `$<length>` and the bytes, or `$EOF:<mark>`, the bytes and the mark.
 *
 * A master that sends until a mark sends nothing behind it before it has been acknowledged, so the mark is looked for at the end of what
 * has come. What is written is synced on the way, so that the end does not take long.
 */
import { ascii, rangesEqual } from "../../base/bytes.ts";
import { type FileHandle, type Storage, type StorageError, writeFully } from "../../io/storage.ts";

const MARK_BYTES = 40;
const SYNC_EVERY_BYTES = 8 * 1024 * 1024;
const HEADER = /^\$(?:([0-9]+)|EOF:(.{40}))$/;

export class RdbReceiver {
  readonly path: string;
  /** 0 while nobody knows. */
  readonly totalBytes: number;
  receivedBytes = 0;
  isDone = false;
  readonly #storage: Storage;
  readonly #file: FileHandle;
  readonly #mark: Uint8Array | null;
  /** The last bytes received. */
  readonly #tail = new Uint8Array(MARK_BYTES);
  #unsyncedBytes = 0;
  #syncError: StorageError | null = null;

  /** `header` as `isHeader` wants it. @throws {StorageError} */
  constructor(storage: Storage, path: string, header: string) {
    const [, length, mark] = HEADER.exec(header)!;
    this.#storage = storage, this.path = path;
    this.totalBytes = length === undefined ? 0 : Number(length);
    this.#mark = mark === undefined ? null : ascii(mark);
    this.#file = storage.open(path, "create");
  }

  static isHeader(line: string): boolean {
    return HEADER.test(line);
  }

  get endsWithMark(): boolean {
    return this.#mark !== null;
  }

  /** Takes bytes [start, end), or as many as belong to the file; returns how many. @throws {StorageError} */
  add(bytes: Uint8Array, start: number, end: number): number {
    const length = this.#mark === null ? Math.min(end - start, this.totalBytes - this.receivedBytes) : end - start;
    writeFully(this.#storage, this.#file, bytes, start, start + length);
    this.receivedBytes += length;
    this.#unsyncedBytes += length;
    if (this.#mark === null) this.isDone = this.receivedBytes === this.totalBytes;
    else this.#lookForMark(this.#mark, bytes, start + length, length);
    if (this.#unsyncedBytes >= SYNC_EVERY_BYTES && !this.isDone) this.#syncInBackground();
    return length;
  }

  #lookForMark(mark: Uint8Array, bytes: Uint8Array, end: number, length: number): void {
    const tail = this.#tail, kept = Math.max(0, MARK_BYTES - length);
    tail.copyWithin(0, MARK_BYTES - kept);
    tail.set(bytes.subarray(end - (MARK_BYTES - kept), end), kept);
    if (this.receivedBytes < MARK_BYTES || !rangesEqual(tail, 0, mark, 0, MARK_BYTES)) return;
    this.#storage.truncate(this.#file, this.receivedBytes - MARK_BYTES);
    this.isDone = true;
  }

  #syncInBackground(): void {
    this.#unsyncedBytes = 0;
    this.#storage.syncInBackground(this.#file).catch((error) => this.#syncError ??= error);
  }

  /** Makes the whole file durable (its name not). @throws {StorageError} (rejects) */
  async finish(): Promise<void> {
    await this.#storage.syncInBackground(this.#file);
    if (this.#syncError !== null) throw this.#syncError;
    this.#storage.close(this.#file);
  }

  /** The file is not wanted. */
  abandon(): void {
    this.#storage.removeInBackground(this.path).catch(() => {});
    this.#storage.closeInBackground(this.#file).catch(() => {});
  }
}
