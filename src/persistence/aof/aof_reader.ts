/**
 * Reads commands and annotation lines out of a part of a log file, one after the other, through a buffer that grows to the largest command.
 * Knows no command but by its form; runs nothing, changes nothing.
 */
import { parseSafeInteger } from "../../base/integer.ts";
import type { FileHandle, Readable } from "../../io/storage.ts";
import { Args } from "../../resp/args.ts";

const BUFFER_BYTES = 1 << 20;
const LINE_BYTES_MAX = 64 * 1024;
const BULK_BYTES_MAX = 2 ** 31;
const STAR = 0x2a, DOLLAR = 0x24, HASH = 0x23, CR = 13, LF = 10;

/** The file ended in the middle of something. */
export class TornError extends Error {}

/** What is there is no command. */
export class FormatError extends Error {
  readonly reason: string;
  readonly offsetBytes: number;

  constructor(reason: string, offsetBytes: number) {
    super(`${reason} at offset ${offsetBytes}`);
    this.reason = reason, this.offsetBytes = offsetBytes;
  }
}

export class AofReader {
  /** The command that `next` has read; valid until it is called again. */
  readonly args: Args = new Args();
  readonly #storage: Readable;
  readonly #file: FileHandle;
  readonly #endBytes: number;
  #buffer: Uint8Array;
  #at = 0;
  #end = 0;
  /** Offset in the file of the start of `#buffer`. */
  #bufferOffset: number;
  /** Where in the buffer the annotation starts that `next` has read. */
  #lineStart = 0;

  /** Reads [startBytes, endBytes): what is behind does not exist. */
  constructor(storage: Readable, file: FileHandle, startBytes: number, endBytes: number) {
    this.#storage = storage, this.#file = file, this.#endBytes = endBytes, this.#bufferOffset = startBytes;
    this.#buffer = new Uint8Array(Math.min(BUFFER_BYTES, endBytes - startBytes));
  }

  /** Where the next command starts. */
  get offsetBytes(): number {
    return this.#bufferOffset + this.#at;
  }

  /** Where the command in `args` starts. */
  get commandOffsetBytes(): number {
    return this.#bufferOffset + this.args.rawStart;
  }

  /** After `next` has thrown: the arguments, as far as they are whole, of the command at `offsetBytes` that it could not read. */
  get fragment(): Args {
    const part = new Args(), { offsets, lengths, count } = this.args;
    for (let i = 0; i < count; i++) part.push(this.#at + offsets[i], lengths[i]);
    part.bytes = this.#buffer;
    return part;
  }

  /** Reads one command (into `args`) or annotation. @throws {TornError, FormatError} */
  next(): "command" | "annotation" | "end" {
    this.args.clear();
    if (this.offsetBytes === this.#endBytes) return "end";
    this.#need(1);
    const type = this.#buffer[this.#at];
    if (type === HASH) {
      const end = this.#lineEnd(0);
      this.#lineStart = this.#at;
      this.#at = end + 1;
      return "annotation";
    }
    if (type !== STAR) this.#refuse("a command must start with '*'");
    this.#parse();
    return "command";
  }

  /** The annotation that `next` has read, with its end of line; a view. */
  get annotation(): Uint8Array {
    return this.#buffer.subarray(this.#lineStart, this.#at);
  }

  /** Parses the command at `#at` into `args`; the whole of it is in the buffer then. */
  #parse(): void {
    const args = this.args;
    let offset = 0;
    const count = this.#number(offset, STAR);
    if (!(count >= 1)) this.#refuse("invalid argument count");
    offset = this.#lineEnd(offset) + 1 - this.#at;
    for (let i = 0; i < count; i++) {
      const length = this.#number(offset, DOLLAR);
      if (!(length >= 0 && length < BULK_BYTES_MAX)) this.#refuse("invalid argument length");
      offset = this.#lineEnd(offset) + 1 - this.#at;
      this.#need(offset + length + 2);
      const end = this.#at + offset + length;
      if (this.#buffer[end] !== CR || this.#buffer[end + 1] !== LF) {
        this.#refuse("an argument must end with CRLF", offset + length + (this.#buffer[end] === CR ? 1 : 0));
      }
      args.push(offset, length);
      offset += length + 2;
    }
    args.bytes = this.#buffer;
    // Offsets were relative to the command while the buffer could still move.
    for (let i = 0; i < args.count; i++) args.offsets[i] += this.#at;
    args.rawStart = this.#at, args.rawEnd = this.#at + offset;
    this.#at += offset;
  }

  /** The number on a line that starts `offset` bytes after `#at` with this type byte. */
  #number(offset: number, type: number): number {
    this.#need(offset + 1);
    if (this.#buffer[this.#at + offset] !== type) this.#refuse(`expected '${String.fromCharCode(type)}'`, offset);
    const end = this.#lineEnd(offset), start = this.#at + offset + 1;
    const length = end - start - (this.#buffer[end - 1] === CR ? 1 : 0);
    return parseSafeInteger(this.#buffer, start, length);
  }

  /** Position of the LF that ends the line `offset` bytes after `#at`. */
  #lineEnd(offset: number): number {
    for (let length = offset + 1;; length++) {
      if (this.#end - this.#at < length) this.#need(length);
      if (this.#buffer[this.#at + length - 1] === LF) return this.#at + length - 1;
      if (length - offset > LINE_BYTES_MAX || this.#buffer[this.#at + length - 1] === 0) {
        this.#refuse("line without end", length - 1);
      }
    }
  }

  /** What is `offset` bytes after `#at` fits nothing: torn when only zeros follow (size without data), else damage. */
  #refuse(reason: string, offset = 0): never {
    const damagedAt = this.offsetBytes + offset;
    if (this.#onlyZerosFrom(damagedAt)) throw new TornError();
    throw new FormatError(reason, damagedAt);
  }

  #onlyZerosFrom(fileOffset: number): boolean {
    const piece = new Uint8Array(64 * 1024);
    for (let at = fileOffset; at < this.#endBytes;) {
      const read = Math.min(this.#storage.read(this.#file, at, piece), this.#endBytes - at);
      if (read === 0) break;
      for (let i = 0; i < read; i++) if (piece[i] !== 0) return false;
      at += read;
    }
    return true;
  }

  /** Makes sure that `bytes` from `#at` on are in the buffer. */
  #need(bytes: number): void {
    if (this.#end - this.#at >= bytes) return;
    if (this.#bufferOffset + this.#at + bytes > this.#endBytes) throw new TornError();
    if (bytes > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(bytes, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(this.#at, this.#end));
      this.#buffer = larger;
    } else this.#buffer.copyWithin(0, this.#at, this.#end);
    this.#bufferOffset += this.#at, this.#end -= this.#at, this.#at = 0;
    while (this.#end < bytes) {
      const from = this.#bufferOffset + this.#end, room = this.#buffer.length - this.#end;
      const into = this.#buffer.subarray(this.#end, this.#end + Math.min(room, this.#endBytes - from));
      const read = this.#storage.read(this.#file, from, into);
      if (read === 0) throw new TornError();
      this.#end += read;
    }
  }
}
