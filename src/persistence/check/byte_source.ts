/** A file that is being checked: bytes at offsets, perhaps with one of them put right. Reads only. */
import { type FileHandle, type Readable, readFully, type Storage } from "../../io/storage.ts";
import { AofReader } from "../aof/aof_reader.ts";
import type { ReadAt } from "../rdb/rdb_reader.ts";

const PIECE_BYTES = 1 << 20, ZERO_PIECE_BYTES = 64 * 1024;

export class ByteSource {
  readonly storage: Readable;
  readonly file: FileHandle;
  readonly path: string;
  readonly sizeBytes: number;

  private constructor(storage: Readable, file: FileHandle, path: string, sizeBytes: number) {
    this.storage = storage, this.file = file, this.path = path, this.sizeBytes = sizeBytes;
  }

  /** Gives a file to `use`, and closes it. @throws {StorageError} */
  static use<T>(storage: Storage, path: string, use: (source: ByteSource) => T): T {
    const file = storage.open(path, "read");
    try {
      return use(new ByteSource(storage, file, path, storage.size(file)));
    } finally {
      storage.close(file);
    }
  }

  readonly readAt: ReadAt = (offset, into) => this.storage.read(this.file, offset, into);

  /** As if it ended after `length` bytes. */
  first(length: number): ByteSource {
    const { storage, file, path } = this;
    const read: Storage["read"] = (file, offset, into) =>
      storage.read(file, offset, into.subarray(0, Math.max(0, Math.min(into.length, length - offset))));
    return new ByteSource({ read, sectorBytes: storage.sectorBytes }, file, path, length);
  }

  /** The same with the byte at `offsetBytes` changed. */
  with(offsetBytes: number, value: number): ByteSource {
    const { storage, file, path, sizeBytes } = this;
    const read: Storage["read"] = (file, offset, into) => {
      const read = storage.read(file, offset, into), at = offsetBytes - offset;
      if (at >= 0 && at < read) into[at] = value;
      return read;
    };
    return new ByteSource({ read, sectorBytes: storage.sectorBytes }, file, path, sizeBytes);
  }

  /** Reads commands in [from, to). */
  reader(from: number, to: number): AofReader {
    return new AofReader(this.storage, this.file, from, to);
  }

  /** Bytes [from, from + length), fewer at the end of the file. */
  bytes(from: number, length: number): Uint8Array {
    const into = new Uint8Array(Math.max(0, Math.min(length, this.sizeBytes - from)));
    return into.subarray(0, readFully(this.storage, this.file, from, into));
  }

  byteAt(offset: number): number {
    return this.bytes(offset, 1)[0];
  }

  /** Calls `visit` with bytes [from, to), in pieces that are valid until the next. False when `visit` was, which ends it. */
  forEachPiece(from: number, to: number, visit: (piece: Uint8Array) => boolean): boolean {
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, Math.max(1, to - from)));
    for (let at = from; at < to;) {
      const read = this.readAt(at, buffer.subarray(0, Math.min(buffer.length, to - at)));
      if (read === 0) break;
      if (!visit(buffer.subarray(0, read))) return false;
      at += read;
    }
    return true;
  }

  /** Where the zeros start that it ends with; its size when it ends with none. */
  startOfZeros(): number {
    for (let end = this.sizeBytes; end > 0;) {
      const from = Math.max(0, end - ZERO_PIECE_BYTES), piece = this.bytes(from, end - from);
      for (let i = piece.length; i > 0; i--) if (piece[i - 1] !== 0) return from + i;
      end = from;
    }
    return 0;
  }
}
