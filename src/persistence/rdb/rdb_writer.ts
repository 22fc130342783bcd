/**
 * Encodes RDB into a buffer that is handed on when full, with the running CRC-64. Allocates nothing per key.
 * The bytes are those Redis writes for the same value. Never decides what to save: `rdb_saver.ts` does.
 */
import { Crc64 } from "../../base/crc64.ts";
import { formatI64, formatInteger, I64, parseSafeInteger } from "../../base/integer.ts";
import { lzfCompress } from "../../base/lzf.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { SPECIAL, WIDE } from "./rdb_format.ts";

const BUFFER_BYTES = 256 * 1024;
/** Strings up to this length are tried as integers, longer ones than the other are tried with LZF. */
const INTEGER_TEXT_BYTES_MAX = 11;
const COMPRESS_BYTES_MIN = 21;
/** Strings are copied out of paged memory whole up to this length; longer ones that are not compressed go in pieces. */
const SCRATCH_BYTES_START = 64 * 1024;
const INT32_MIN = -(2 ** 31), INT32_MAX = 2 ** 31 - 1;

export class RdbWriter {
  readonly #write: (bytes: Uint8Array, start: number, end: number) => void;
  readonly #compress: boolean;
  readonly #crc: Crc64 | null;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #length = 0;
  #scratch = new Uint8Array(SCRATCH_BYTES_START);
  #compressed = new Uint8Array(SCRATCH_BYTES_START);
  readonly #digits = new Uint8Array(24);
  /** Bytes handed on so far. */
  flushedBytes = 0;

  constructor(write: (bytes: Uint8Array, start: number, end: number) => void, compress: boolean, checksum: boolean) {
    this.#write = write, this.#compress = compress, this.#crc = checksum ? new Crc64() : null;
  }

  byte(value: number): void {
    if (this.#length === BUFFER_BYTES) this.flush();
    this.#buffer[this.#length++] = value;
  }

  /** A length in the fewest bytes that hold it. */
  length(value: number): void {
    if (value < 64) this.byte(value);
    else if (value < 16384) this.byte(0x40 | (value >>> 8)), this.byte(value & 0xff);
    else if (value < 2 ** 32) this.byte(WIDE.bits32), this.#bigEndian32(value);
    else this.byte(WIDE.bits64), this.#bigEndian32(Math.floor(value / 2 ** 32)), this.#bigEndian32(value % 2 ** 32);
  }

  /** A length of 64 bits, given as two uint32 words. */
  length64(high: number, low: number): void {
    if (high === 0) return this.length(low);
    this.byte(WIDE.bits64), this.#bigEndian32(high), this.#bigEndian32(low);
  }

  /** A 64-bit value, given as two uint32 words, little-endian. */
  words64(high: number, low: number): void {
    this.#littleEndian32(low), this.#littleEndian32(high);
  }

  /** An unsigned 64-bit value, little-endian. */
  u64(value: number): void {
    this.#littleEndian32(value % 2 ** 32);
    this.#littleEndian32(Math.floor(value / 2 ** 32));
  }

  raw(bytes: Uint8Array, start: number, length: number): void {
    if (length > BUFFER_BYTES - this.#length) {
      this.flush();
      if (length > BUFFER_BYTES) return this.#handOn(bytes, start, start + length);
    }
    const buffer = this.#buffer, at = this.#length;
    if (length > 64) buffer.set(bytes.subarray(start, start + length), at);
    else for (let i = 0; i < length; i++) buffer[at + i] = bytes[start + i];
    this.#length = at + length;
  }

  /** A string: as an integer or compressed where that is shorter. */
  string(bytes: Uint8Array, start: number, length: number): void {
    if (length <= INTEGER_TEXT_BYTES_MAX && this.#asInteger(bytes, start, length)) return;
    if (this.#compress && length >= COMPRESS_BYTES_MIN && this.#asCompressed(bytes, start, length)) return;
    this.length(length);
    this.raw(bytes, start, length);
  }

  /** A string in paged memory. */
  stringFrom(memory: MemoryReader, block: Address, offsetBytes: number, length: number): void {
    if (!this.#compress && length > SCRATCH_BYTES_START) return this.#streamFrom(memory, block, offsetBytes, length);
    if (length > this.#scratch.length) this.#scratch = new Uint8Array(length);
    memory.copyOut(block, offsetBytes, this.#scratch, 0, length);
    this.string(this.#scratch, 0, length);
    if (this.#scratch.length > 1 << 20) this.#scratch = new Uint8Array(SCRATCH_BYTES_START);
  }

  /** A string that is compressed in paged memory: `size` bytes that expand to `length`. */
  compressedFrom(memory: MemoryReader, block: Address, offsetBytes: number, size: number, length: number): void {
    if (size > this.#scratch.length) this.#scratch = new Uint8Array(size);
    memory.copyOut(block, offsetBytes, this.#scratch, 0, size);
    this.#lzf(this.#scratch, size, length);
  }

  /** An integer as a string. */
  integer(value: I64): void {
    if (value.isSafe() && this.#smallInteger(value.toNumber())) return;
    const length = formatI64(value, this.#digits, 0);
    this.length(length);
    this.raw(this.#digits, 0, length);
  }

  number(value: number): void {
    const length = formatInteger(value, this.#digits, 0);
    this.string(this.#digits, 0, length);
  }

  /** The checksum of all so far (zero when there is none), then flushes. */
  finish(): void {
    const end = new Uint8Array(8);
    if (this.#crc !== null) {
      this.flush();
      this.#crc.writeLittleEndian(end, 0);
    }
    this.raw(end, 0, 8);
    this.flush();
  }

  flush(): void {
    const length = this.#length;
    this.#length = 0;
    if (length > 0) this.#handOn(this.#buffer, 0, length);
  }

  #handOn(bytes: Uint8Array, start: number, end: number): void {
    this.#crc?.update(bytes, start, end);
    this.#write(bytes, start, end);
    this.flushedBytes += end - start;
  }

  #streamFrom(memory: MemoryReader, block: Address, offsetBytes: number, length: number): void {
    this.length(length);
    for (let done = 0; done < length;) {
      const step = Math.min(SCRATCH_BYTES_START, length - done);
      memory.copyOut(block, offsetBytes + done, this.#scratch, 0, step);
      this.raw(this.#scratch, 0, step);
      done += step;
    }
  }

  #asInteger(bytes: Uint8Array, start: number, length: number): boolean {
    if (length === 0) return false;
    const last = bytes[start + length - 1];
    if (last < 0x30 || last > 0x39) return false;
    const value = parseSafeInteger(bytes, start, length);
    return !Number.isNaN(value) && this.#smallInteger(value);
  }

  #smallInteger(value: number): boolean {
    if (value >= -128 && value <= 127) this.byte(0xc0 | SPECIAL.int8), this.byte(value & 0xff);
    else if (value >= -32768 && value <= 32767) {
      this.byte(0xc0 | SPECIAL.int16), this.byte(value & 0xff), this.byte((value >> 8) & 0xff);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
      this.byte(0xc0 | SPECIAL.int32), this.#littleEndian32(value >>> 0);
    } else return false;
    return true;
  }

  #asCompressed(bytes: Uint8Array, start: number, length: number): boolean {
    if (this.#compressed.length < length) this.#compressed = new Uint8Array(length);
    // Four bytes shorter at least, or it is not worth it: Redis's rule.
    const size = lzfCompress(bytes, start, length, this.#compressed, 0, length - 4);
    if (size === 0) return false;
    this.#lzf(this.#compressed, size, length);
    return true;
  }

  #lzf(compressed: Uint8Array, size: number, length: number): void {
    this.byte(0xc0 | SPECIAL.lzf);
    this.length(size);
    this.length(length);
    this.raw(compressed, 0, size);
  }

  #bigEndian32(value: number): void {
    this.byte(value >>> 24), this.byte((value >>> 16) & 0xff), this.byte((value >>> 8) & 0xff), this.byte(value & 0xff);
  }

  #littleEndian32(value: number): void {
    this.byte(value & 0xff), this.byte((value >>> 8) & 0xff), this.byte((value >>> 16) & 0xff), this.byte(value >>> 24);
  }
}
