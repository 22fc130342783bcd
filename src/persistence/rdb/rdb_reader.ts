/**
 * Reads RDB primitives from a file in bounded pieces, or from bytes that are there. Checks every length against what can follow,
 * and keeps the CRC-64 of what was read. Errors carry the offset.
 */
import { Crc64 } from "../../base/crc64.ts";
import { parseDecimal } from "../../base/decimal.ts";
import { formatInteger, type I64 } from "../../base/integer.ts";
import { lzfDecompress } from "../../base/lzf.ts";
import { LENGTH_KIND, SPECIAL, WIDE } from "./rdb_format.ts";

/** The file or payload is damaged, or holds what this server cannot read. */
export class RdbCorruptError extends Error {
  override name = "RdbCorruptError";
  /** What is wrong; the message may say where, besides. */
  readonly reason: string;
  readonly offsetBytes: number;

  constructor(reason: string, offsetBytes: number) {
    super(reason);
    this.reason = reason, this.offsetBytes = offsetBytes;
  }
}

/** The data ended in the middle of something. */
export class RdbTruncatedError extends RdbCorruptError {
  override name = "RdbTruncatedError";
}

/** Where bytes come from: fills `into` from `offset` on; returns how many, 0 at the end. */
export type ReadAt = (offsetBytes: number, into: Uint8Array) => number;

/** The CRC-64 of a file's first bytes, which somebody else computes meanwhile. */
export interface FileSum {
  readonly lengthBytes: number;
  /** Null while it is being computed; `failed` when it never will be. */
  crc: Crc64 | "failed" | null;
}

/** A buffer holds any string up to this length, and no more than what is read at all. */
const BUFFER_BYTES = 512 * 1024, BUFFER_BYTES_MIN = 32;
const SCRATCH_BYTES_START = 256;
const STRING_BYTES_MAX = 512 * 1024 * 1024;
const STRING_FOR_LENGTH = "unexpected string encoding where a length must be";
const DOUBLE_NAN = 253, DOUBLE_INFINITY = 254, DOUBLE_MINUS_INFINITY = 255;
/** LZF cannot expand by more than this. */
const LZF_RATIO_MAX = 264;

export class RdbReader {
  readonly #readAt: ReadAt;
  readonly totalBytes: number;
  readonly #crc = new Crc64();
  readonly #fileSum: FileSum | null;
  #buffer: Uint8Array;
  #at = 0;
  #end = 0;
  /** Bytes of `#buffer` that the CRC has seen. */
  #summed = 0;
  /** Offset in the file of the start of `#buffer`. */
  #bufferOffset = 0;
  /** The last string read: bytes [stringAt, stringAt + stringLength) of `stringBytes`, valid until the next read. */
  stringBytes: Uint8Array;
  stringAt = 0;
  stringLength = 0;
  #scratch = new Uint8Array(SCRATCH_BYTES_START);
  readonly #double = new DataView(new ArrayBuffer(8));

  /** With `fileSum` the reader computes no CRC itself, unless that turns out to be of no use. */
  constructor(readAt: ReadAt, totalBytes: number, fileSum: FileSum | null = null) {
    this.#readAt = readAt, this.totalBytes = totalBytes, this.#fileSum = fileSum;
    this.stringBytes = this.#buffer = new Uint8Array(Math.min(BUFFER_BYTES, Math.max(totalBytes, BUFFER_BYTES_MIN)));
  }

  static ofBytes(bytes: Uint8Array): RdbReader {
    return new RdbReader((offset, into) => {
      const piece = bytes.subarray(offset, offset + into.length);
      into.set(piece);
      return piece.length;
    }, bytes.length);
  }

  get offsetBytes(): number {
    return this.#bufferOffset + this.#at;
  }

  byte(): number {
    if (this.#at === this.#end) this.#need(1);
    return this.#buffer[this.#at++];
  }

  u32(): number {
    this.#need(4);
    const b = this.#buffer, at = this.#at;
    this.#at += 4;
    return (b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (b[at + 3] << 24)) >>> 0;
  }

  /** A signed 64-bit value as a double. */
  i64(): number {
    const low = this.u32(), high = this.u32() | 0;
    return high * 2 ** 32 + low;
  }

  /** A double, little-endian. */
  f64(): number {
    for (let i = 0; i < 8; i++) this.#double.setUint8(i, this.byte());
    return this.#double.getFloat64(0, true);
  }

  /** A double as sorted sets had it before Redis 4 (type byte 3): its text after its length, which may also say what no text does. */
  legacyDouble(): number {
    const length = this.byte();
    if (length === DOUBLE_NAN) return NaN;
    if (length === DOUBLE_INFINITY) return Infinity;
    if (length === DOUBLE_MINUS_INFINITY) return -Infinity;
    const value = parseDecimal(this.bytes(length), 0, length);
    if (Number.isNaN(value)) throw this.corrupt("a score is no number");
    return value;
  }

  /** Copies the next `length` bytes. */
  bytes(length: number): Uint8Array {
    this.#checkRoom(length);
    const out = new Uint8Array(length);
    for (let done = 0; done < length;) {
      if (this.#at === this.#end) this.#need(1);
      const step = Math.min(length - done, this.#end - this.#at);
      out.set(this.#buffer.subarray(this.#at, this.#at + step), done);
      this.#at += step, done += step;
    }
    return out;
  }

  /** A plain length; a special encoding is an error here. */
  length(): number {
    const first = this.byte();
    if (first >>> 6 === LENGTH_KIND.special) throw this.corrupt(STRING_FOR_LENGTH);
    return this.#lengthAfter(first);
  }

  /** A plain length that may have all 64 bits, as stream ids do. */
  length64(into: I64): void {
    const first = this.byte();
    if (first === WIDE.bits64) into.set(this.#bigEndian32(), this.#bigEndian32());
    else if (first >>> 6 === LENGTH_KIND.special) throw this.corrupt(STRING_FOR_LENGTH);
    else into.setNumber(this.#lengthAfter(first));
  }

  /** A string, into `stringBytes`. */
  string(): void {
    const first = this.byte();
    if (first >>> 6 === LENGTH_KIND.special) return this.#specialString(first & 0x3f);
    this.#plainString(this.#lengthAfter(first));
  }

  stringCopy(): Uint8Array {
    this.string();
    return this.stringBytes.slice(this.stringAt, this.stringAt + this.stringLength);
  }

  stringText(): string {
    this.string();
    let text = "";
    for (let i = 0; i < this.stringLength; i++) text += String.fromCharCode(this.stringBytes[this.stringAt + i]);
    return text;
  }

  /** Whether the next 8 bytes are the CRC of all before them; consumes them, unless the answer is `pending`: ask again later then. */
  checksum(): "matches" | "differs" | "absent" | "pending" {
    const crc = this.#crcSoFar();
    if (crc === null) return "pending";
    const stored = this.bytes(8);
    if (stored.every((byte) => byte === 0)) return "absent";
    return crc.equalsLittleEndian(stored, 0) ? "matches" : "differs";
  }

  /** Of all that was consumed; null while it is being computed. */
  #crcSoFar(): Crc64 | null {
    const sum = this.#fileSum, crc = new Crc64();
    if (sum === null) {
      this.#sum();
      crc.low = this.#crc.low, crc.high = this.#crc.high;
      return crc;
    }
    if (sum.lengthBytes === this.offsetBytes && sum.crc !== "failed") return sum.crc;
    // What ends somewhere else than expected is read once more.
    return crcOfStart(this.#readAt, this.offsetBytes);
  }

  corrupt(reason: string): RdbCorruptError {
    return new RdbCorruptError(reason, this.offsetBytes);
  }

  #lengthAfter(first: number): number {
    const kind = first >>> 6;
    if (kind === LENGTH_KIND.bits6) return first & 0x3f;
    if (kind === LENGTH_KIND.bits14) return ((first & 0x3f) << 8) | this.byte();
    if (first === WIDE.bits32) return this.#bigEndian32();
    if (first === WIDE.bits64) return this.#bigEndian32() * 2 ** 32 + this.#bigEndian32();
    throw this.corrupt(`unknown length encoding ${first}`);
  }

  #bigEndian32(): number {
    this.#need(4);
    const b = this.#buffer, at = this.#at;
    this.#at += 4;
    return ((b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]) >>> 0;
  }

  #plainString(length: number): void {
    if (length <= this.#buffer.length) {
      this.#need(length);
      this.stringBytes = this.#buffer, this.stringAt = this.#at, this.stringLength = length;
      this.#at += length;
      return;
    }
    this.stringBytes = this.bytes(length), this.stringAt = 0, this.stringLength = length;
  }

  #specialString(encoding: number): void {
    if (encoding === SPECIAL.lzf) return this.#compressedString();
    let value: number;
    if (encoding === SPECIAL.int8) value = (this.byte() << 24) >> 24;
    else if (encoding === SPECIAL.int16) value = ((this.byte() | (this.byte() << 8)) << 16) >> 16;
    else if (encoding === SPECIAL.int32) value = this.u32() | 0;
    else throw this.corrupt(`unknown string encoding ${encoding}`);
    this.stringBytes = this.#scratch, this.stringAt = 0, this.stringLength = formatInteger(value, this.#scratch, 0);
  }

  #compressedString(): void {
    const size = this.length(), length = this.length();
    if (length > size * LZF_RATIO_MAX || length > STRING_BYTES_MAX) {
      throw this.corrupt("compressed string claims an impossible length");
    }
    this.#plainString(size);
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(Math.max(length, this.#scratch.length * 2));
    if (!lzfDecompress(this.stringBytes, this.stringAt, size, this.#scratch, 0, length)) {
      throw this.corrupt("invalid LZF compressed string");
    }
    this.stringBytes = this.#scratch, this.stringAt = 0, this.stringLength = length;
  }

  #checkRoom(length: number): void {
    if (this.offsetBytes + length > this.totalBytes) {
      throw new RdbTruncatedError("unexpected end of file", this.totalBytes);
    }
  }

  #need(bytes: number): void {
    if (this.#end - this.#at >= bytes) return;
    this.#checkRoom(bytes);
    this.#sum();
    this.#buffer.copyWithin(0, this.#at, this.#end);
    this.#bufferOffset += this.#at;
    this.#end -= this.#at, this.#at = this.#summed = 0;
    while (this.#end < bytes) {
      const read = this.#readAt(this.#bufferOffset + this.#end, this.#buffer.subarray(this.#end));
      if (read === 0) throw new RdbTruncatedError("unexpected end of file", this.#bufferOffset + this.#end);
      this.#end += read;
    }
  }

  /** Adds what was consumed since the last time to the CRC. */
  #sum(): void {
    if (this.#fileSum !== null) return;
    this.#crc.update(this.#buffer, this.#summed, this.#at);
    this.#summed = this.#at;
  }
}

/** The CRC-64 of the first `lengthBytes`. @throws {RdbTruncatedError} */
export function crcOfStart(readAt: ReadAt, lengthBytes: number): Crc64 {
  const crc = new Crc64(), piece = new Uint8Array(Math.min(BUFFER_BYTES, lengthBytes));
  for (let at = 0; at < lengthBytes;) {
    const read = Math.min(readAt(at, piece), lengthBytes - at);
    if (read === 0) throw new RdbTruncatedError("unexpected end of file", at);
    crc.update(piece, 0, read);
    at += read;
  }
  return crc;
}
